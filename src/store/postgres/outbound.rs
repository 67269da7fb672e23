//! What is said: put together here, in memory, and written by a few statements whatever there is of it.
//!
//! A [`Post`] is filled with what the store knows of the jobs it is about, which the transaction has locked, and then told
//! what is to be said. It keeps the order.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Fault;
use super::session::{Pipeline, Session};
use crate::domain::JobUid;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventKey, OutboundMessage, StoreError};
use crate::engine::record::Origin;

/// So many may follow a job; who comes later still gets the latest event.
const FOLLOWERS: usize = 32;

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    exchange: String,
    routing_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

/// What a message carries besides its body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct About {
    message_id: String,
    content_type: String,
    headers: BTreeMap<String, String>,
}

impl Address {
    fn of(outgoing: &Outgoing) -> Self {
        Self {
            exchange: outgoing.exchange.clone(),
            routing_key: outgoing.routing_key.clone(),
            correlation_id: outgoing.correlation_id.clone(),
        }
    }

    /// Where answers to `origin` go.
    fn reply(origin: &Origin) -> Option<Self> {
        let routing_key = origin.reply_to.clone()?;
        Some(Self { exchange: String::new(), routing_key, correlation_id: origin.correlation_id.clone() })
    }
}

/// A message from its row: address, about, body.
pub(super) fn outgoing(address: &str, about: &str, body: Vec<u8>) -> Result<Outgoing, StoreError> {
    let (address, about): (Address, About) = (read(address)?, read(about)?);
    Ok(Outgoing {
        message_id: about.message_id,
        exchange: address.exchange,
        routing_key: address.routing_key,
        correlation_id: address.correlation_id,
        content_type: about.content_type,
        headers: about.headers,
        body: Bytes::from(body),
    })
}

fn about(outgoing: &Outgoing) -> Result<String, StoreError> {
    write(&About {
        message_id: outgoing.message_id.clone(),
        content_type: outgoing.content_type.clone(),
        headers: outgoing.headers.clone(),
    })
}

fn write(part: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(part).map_err(|e| StoreError::Corrupt(format!("a message cannot be written: {e}")))
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("a message cannot be read: {e}")))
}

type Key = (Uuid, i32);

/// What is to be said in one transaction.
#[derive(Default)]
pub(super) struct Post {
    /// Events that were said before, or are here: message id and body.
    known: HashMap<Key, (String, Bytes)>,
    /// The latest event of each, and where it went first.
    latest: HashMap<Uuid, (i32, Address)>,
    followers: HashMap<Uuid, Vec<Address>>,
    events: Vec<NewEvent>,
    outbox: Vec<Entry>,
    follows: Vec<(Uuid, Address)>,
}

struct NewEvent {
    key: Key,
    address: String,
    about: String,
    body: Bytes,
}

struct Entry {
    uid: Uuid,
    sequence: Option<i32>,
    address: String,
    /// What an entry without an event brings itself.
    content: Option<(String, Bytes)>,
}

/// A place to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    events: usize,
    outbox: usize,
}

/// The columns of statements over many rows.
pub(super) const INSERT_EVENTS: &str = "INSERT INTO events (uid, sequence, address, about, body)
    SELECT * FROM unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::bytea[])";
/// In the order given: the number is taken when a row is inserted.
pub(super) const INSERT_OUTBOX: &str = "INSERT INTO outbox (uid, sequence, address, about, body)
    SELECT uid, sequence, address, about, body
    FROM unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::bytea[])
      WITH ORDINALITY AS n(uid, sequence, address, about, body, place) ORDER BY place";
const INSERT_FOLLOWERS: &str = "INSERT INTO followers (uid, address)
    SELECT uid, address FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n(uid, address, place) ORDER BY place";
pub(super) const KNOWN: &str = "SELECT uid, sequence, about, body FROM events
    WHERE (uid, sequence) IN (SELECT * FROM unnest($1::uuid[], $2::int4[]))";
pub(super) const LATEST: &str = "SELECT DISTINCT ON (uid) uid, sequence, address FROM events
    WHERE uid = ANY ($1) ORDER BY uid, sequence DESC";
pub(super) const FOLLOWING: &str = "SELECT uid, address FROM followers WHERE uid = ANY ($1) ORDER BY number";

impl Post {
    /// Learns of events that were said before; rows of [`KNOWN`].
    pub(super) fn learn_known(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            let about: About = read(row.get(2))?;
            let body = Bytes::from(row.get::<_, Vec<u8>>(3));
            self.known.insert((row.get(0), row.get(1)), (about.message_id, body));
        }
        Ok(())
    }

    /// Learns of the latest events; rows of [`LATEST`].
    pub(super) fn learn_latest(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            self.latest.insert(row.get(0), (row.get(1), read(row.get(2))?));
        }
        Ok(())
    }

    /// Learns who follows; rows of [`FOLLOWING`].
    pub(super) fn learn_followers(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            self.followers.entry(row.get(0)).or_default().push(read(row.get(1))?);
        }
        Ok(())
    }

    /// Where it is now.
    pub(super) fn mark(&self) -> Mark {
        Mark { events: self.events.len(), outbox: self.outbox.len() }
    }

    /// Takes back what was said since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        for event in self.events.drain(mark.events..) {
            self.known.remove(&event.key);
        }
        self.outbox.truncate(mark.outbox);
    }

    /// Says outbound about `about`, in their order.
    pub(super) fn post(&mut self, about: JobUid, outbound: &[OutboundMessage]) -> Result<(), StoreError> {
        for message in outbound {
            match message.event {
                Some(key) => self.say(key, &message.outgoing)?,
                None => self.post_alone(about, &message.outgoing)?,
            }
        }
        Ok(())
    }

    fn post_alone(&mut self, of: JobUid, outgoing: &Outgoing) -> Result<(), StoreError> {
        let content = Some((about(outgoing)?, outgoing.body.clone()));
        let address = write(&Address::of(outgoing))?;
        self.outbox.push(Entry { uid: of.0, sequence: None, address, content });
        Ok(())
    }

    fn say(&mut self, key: EventKey, outgoing: &Outgoing) -> Result<(), StoreError> {
        let address = Address::of(outgoing);
        let (uid, sequence) = (key.uid.0, sequence(key.sequence)?);
        let new = match self.known.get(&(uid, sequence)) {
            None => true,
            Some((message_id, body)) if *message_id == outgoing.message_id && *body == outgoing.body => false,
            Some(_) => {
                let why = format!("event {sequence} of {} was said with other content", key.uid);
                return Err(StoreError::Corrupt(why));
            }
        };
        if new {
            let (about, body) = (about(outgoing)?, outgoing.body.clone());
            self.known.insert((uid, sequence), (outgoing.message_id.clone(), body.clone()));
            self.events.push(NewEvent { key: (uid, sequence), address: write(&address)?, about, body });
            if self.latest.get(&uid).is_none_or(|(latest, _)| *latest < sequence) {
                self.latest.insert(uid, (sequence, address.clone()));
            }
        }
        self.send(uid, sequence, &address)?;
        if new && key.terminal {
            for follower in self.followers.get(&uid).cloned().unwrap_or_default() {
                self.send(uid, sequence, &follower)?;
            }
        }
        Ok(())
    }

    /// An event of the history.
    fn send(&mut self, uid: Uuid, sequence: i32, to: &Address) -> Result<(), StoreError> {
        self.outbox.push(Entry { uid, sequence: Some(sequence), address: write(to)?, content: None });
        Ok(())
    }

    /// Answers a repetition: the latest event again, to who asked now, or to where it went first.
    pub(super) fn repeat(&mut self, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
        let Some((sequence, first)) = self.latest.get(&uid.0).cloned() else { return Ok(()) };
        self.send(uid.0, sequence, &Address::reply(origin).unwrap_or(first))
    }

    /// Remembers who else gets the terminal event. One queue may follow under several correlation ids: each is somebody's
    /// open question.
    pub(super) fn follow(&mut self, uid: JobUid, origin: &Origin) {
        let Some(address) = Address::reply(origin) else { return };
        let followers = self.followers.entry(uid.0).or_default();
        if followers.len() < FOLLOWERS && !followers.contains(&address) {
            followers.push(address.clone());
            self.follows.push((uid.0, address));
        }
    }

    /// Whether there is anything for the outbox.
    pub(super) fn is_mail(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Writes it all. Its statements are pipelined; prepared with [`Post::PREPARED`].
    pub(super) async fn write(&self, pipeline: Pipeline<'_>) -> Result<(), Fault> {
        let events = async {
            if self.events.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.events.iter().map(|event| event.key.0).collect();
            let sequences: Vec<i32> = self.events.iter().map(|event| event.key.1).collect();
            let addresses: Vec<&str> = self.events.iter().map(|event| event.address.as_str()).collect();
            let abouts: Vec<&str> = self.events.iter().map(|event| event.about.as_str()).collect();
            let bodies: Vec<&[u8]> = self.events.iter().map(|event| event.body.as_ref()).collect();
            pipeline.execute(INSERT_EVENTS, &[&uids, &sequences, &addresses, &abouts, &bodies]).await
        };
        let outbox = async {
            if self.outbox.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.outbox.iter().map(|entry| entry.uid).collect();
            let sequences: Vec<Option<i32>> = self.outbox.iter().map(|entry| entry.sequence).collect();
            let addresses: Vec<&str> = self.outbox.iter().map(|entry| entry.address.as_str()).collect();
            let content = || self.outbox.iter().map(|entry| entry.content.as_ref());
            let abouts: Vec<Option<&str>> = content().map(|c| c.map(|(about, _)| about.as_str())).collect();
            let bodies: Vec<Option<&[u8]>> = content().map(|c| c.map(|(_, body)| body.as_ref())).collect();
            pipeline.execute(INSERT_OUTBOX, &[&uids, &sequences, &addresses, &abouts, &bodies]).await
        };
        let followers = async {
            if self.follows.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.follows.iter().map(|(uid, _)| *uid).collect();
            let addresses = self.follows.iter().map(|(_, address)| write(address)).collect::<Result<Vec<_>, _>>()?;
            pipeline.execute(INSERT_FOLLOWERS, &[&uids, &addresses]).await
        };
        tokio::try_join!(biased; events, outbox, followers).map(drop)
    }

    /// The statements of [`Post::write`].
    pub(super) const PREPARED: [&str; 3] = [INSERT_EVENTS, INSERT_OUTBOX, INSERT_FOLLOWERS];
}

/// The number of an event, as SQL wants it.
pub(super) fn sequence(sequence: u32) -> Result<i32, StoreError> {
    i32::try_from(sequence).map_err(|_| StoreError::Corrupt(format!("there cannot be an event {sequence}")))
}

/// The events said of a job, in order.
pub(super) async fn events(session: &Session, uid: JobUid) -> Result<Vec<String>, Fault> {
    let rows = session.query("SELECT body FROM events WHERE uid = $1 ORDER BY sequence", &[&uid.0]).await?;
    let text = |row: &Row| {
        String::from_utf8(row.get(0))
            .map_err(|e| Fault::Store(StoreError::Corrupt(format!("an event of {uid} is not a text: {e}"))))
    };
    rows.iter().map(text).collect()
}
