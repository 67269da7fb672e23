//! Outbound messages, collected in memory in their order and written by a few statements, however many there are.
//!
//! An [`OutboundBatch`] is filled with what is stored about the jobs it is for, which the transaction has locked. Then the
//! messages are added.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Connection, Pipeline};
use super::error::PgError;
use crate::domain::JobUid;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventKey, OutboundMessage, StoreError};
use crate::engine::record::Origin;
use crate::store::{judge, row};

/// The next number of the lane that the column `reply` tells, in SQL.
macro_rules! next_number {
    () => {
        "CASE WHEN reply THEN nextval('reply_numbers') ELSE nextval('outbox_number_seq') END"
    };
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Address {
    exchange: String,
    routing_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
}

/// What a message holds besides its body and its address.
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

    /// The `reply_to` of a request, if it has one.
    fn reply(origin: &Origin) -> Option<Self> {
        let routing_key = origin.reply_to.clone()?;
        Some(Self { exchange: String::new(), routing_key, correlation_id: origin.correlation_id.clone() })
    }
}

/// A message and its number, from the columns number, address, about and body.
pub(super) fn numbered(row: &Row) -> Result<(i64, Outgoing), StoreError> {
    let number = row.get(0);
    let lost = || StoreError::Corrupt(format!("message {number} has lost its event"));
    let about = row.get::<_, Option<&str>>(2).ok_or_else(lost)?;
    let body = row.get::<_, Option<Vec<u8>>>(3).ok_or_else(lost)?;
    Ok((number, outgoing(row.get(1), about, body)?))
}

fn outgoing(address: &str, about: &str, body: Vec<u8>) -> Result<Outgoing, StoreError> {
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

/// The messages of one transaction.
#[derive(Default)]
pub(super) struct OutboundBatch {
    /// The message id and body of events that are stored or in `events`, by uid and sequence.
    known: HashMap<(Uuid, i32), (String, Bytes)>,
    /// The sequence of the latest event of each uid, and where it was sent first.
    latest: HashMap<Uuid, (i32, Address)>,
    followers: HashMap<Uuid, Vec<Address>>,
    events: Vec<NewEvent>,
    outbox: Vec<NewOutboxRow>,
    new_followers: Vec<(Uuid, Address)>,
}

struct NewEvent {
    key: (Uuid, i32),
    address: String,
    about: String,
    body: Bytes,
    requester: String,
}

struct NewOutboxRow {
    uid: Uuid,
    sequence: Option<i32>,
    address: String,
    /// About and body, if it carries no event.
    content: Option<(String, Bytes)>,
}

/// [`next_number!`] for other files.
pub(super) const NEXT_NUMBER: &str = next_number!();

/// What the address of a reply begins with.
pub(super) const REPLY: &str = "{\"exchange\":\"\",";

/// A state of a batch to go back to.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    events: usize,
    outbox: usize,
}

/// Events, and their places in the feed, which the kept message of a rejection has none in.
const INSERT_EVENTS: &str = "WITH said AS MATERIALIZED (
      SELECT * FROM unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::bytea[], $6::text[])
        WITH ORDINALITY AS n(uid, sequence, address, about, body, requester, place)),
    kept AS (INSERT INTO events (uid, sequence, address, about, body) SELECT uid, sequence, address, about, body FROM said)
    INSERT INTO feed (uid, sequence, requester) SELECT uid, sequence, requester FROM said WHERE sequence > 0 ORDER BY place";
/// Inserts in the order given, because a row gets its number when it is inserted.
const INSERT_OUTBOX: &str = concat!(
    "INSERT INTO outbox (number, uid, sequence, address, about, body)
    SELECT ",
    next_number!(),
    ", uid, sequence, address, about, body
    FROM (SELECT * FROM unnest($1::uuid[], $2::int4[], $3::text[], $4::text[], $5::bytea[], $6::bool[])
      WITH ORDINALITY AS n(uid, sequence, address, about, body, reply, place) ORDER BY place) AS ordered"
);
const INSERT_FOLLOWERS: &str = "INSERT INTO followers (uid, address)
    SELECT uid, address FROM unnest($1::uuid[], $2::text[]) WITH ORDINALITY AS n(uid, address, place) ORDER BY place";
pub(super) const KNOWN: &str = "SELECT uid, sequence, about, body FROM events
    WHERE (uid, sequence) IN (SELECT * FROM unnest($1::uuid[], $2::int4[]))";
pub(super) const LATEST: &str = "SELECT DISTINCT ON (uid) uid, sequence, address FROM events
    WHERE uid = ANY ($1) ORDER BY uid, sequence DESC";
pub(super) const FOLLOWERS: &str = "SELECT uid, address FROM followers WHERE uid = ANY ($1) ORDER BY number";

impl OutboundBatch {
    /// Takes in stored events, from rows of [`KNOWN`].
    pub(super) fn learn_known(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            let about: About = read(row.get(2))?;
            let body = Bytes::from(row.get::<_, Vec<u8>>(3));
            self.known.insert((row.get(0), row.get(1)), (about.message_id, body));
        }
        Ok(())
    }

    /// Takes in the latest events, from rows of [`LATEST`].
    pub(super) fn learn_latest(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            self.latest.insert(row.get(0), (row.get(1), read(row.get(2))?));
        }
        Ok(())
    }

    /// Takes in stored followers, from rows of [`FOLLOWERS`].
    pub(super) fn learn_followers(&mut self, rows: &[Row]) -> Result<(), StoreError> {
        for row in rows {
            self.followers.entry(row.get(0)).or_default().push(read(row.get(1))?);
        }
        Ok(())
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { events: self.events.len(), outbox: self.outbox.len() }
    }

    /// Removes the messages that were added since.
    pub(super) fn back_to(&mut self, mark: Mark) {
        for event in self.events.drain(mark.events..) {
            self.known.remove(&event.key);
        }
        self.outbox.truncate(mark.outbox);
    }

    /// Adds messages about a job or a rejection, in their order.
    pub(super) fn add(&mut self, about: JobUid, outbound: &[OutboundMessage]) -> Result<(), StoreError> {
        for message in outbound {
            match message.event {
                Some(key) => self.add_event(key, &message.outgoing)?,
                None => self.add_copy(about, &message.outgoing)?,
            }
        }
        Ok(())
    }

    /// Adds a message that is no event: its row in the outbox holds its content.
    fn add_copy(&mut self, uid: JobUid, outgoing: &Outgoing) -> Result<(), StoreError> {
        let content = Some((about(outgoing)?, outgoing.body.clone()));
        let address = write(&Address::of(outgoing))?;
        self.outbox.push(NewOutboxRow { uid: uid.0, sequence: None, address, content });
        Ok(())
    }

    /// Keeps the message of a rejection that is new. Among what is kept of a uid it is number 0: the events count from 1.
    pub(super) fn keep(&mut self, uid: JobUid, message: &Outgoing) -> Result<(), StoreError> {
        let (address, about) = (write(&Address::of(message))?, about(message)?);
        let (body, requester) = (message.body.clone(), row::requester(message).to_owned());
        self.events.push(NewEvent { key: (uid.0, 0), address, about, body, requester });
        Ok(())
    }

    fn add_event(&mut self, key: EventKey, outgoing: &Outgoing) -> Result<(), StoreError> {
        let address = Address::of(outgoing);
        let (uid, sequence) = (key.uid.0, sequence(key.sequence)?);
        if let Some((message_id, body)) = self.known.get(&(uid, sequence)) {
            judge::same_event(key, (message_id, body), outgoing)?;
            return self.enqueue(uid, sequence, &address);
        }
        let (about, body) = (about(outgoing)?, outgoing.body.clone());
        self.known.insert((uid, sequence), (outgoing.message_id.clone(), body.clone()));
        let requester = row::requester(outgoing).to_owned();
        self.events.push(NewEvent { key: (uid, sequence), address: write(&address)?, about, body, requester });
        if self.latest.get(&uid).is_none_or(|(latest, _)| *latest < sequence) {
            self.latest.insert(uid, (sequence, address.clone()));
        }
        self.enqueue(uid, sequence, &address)?;
        if key.terminal {
            for follower in self.followers.get(&uid).cloned().unwrap_or_default() {
                self.enqueue(uid, sequence, &follower)?;
            }
        }
        Ok(())
    }

    /// Adds an event of the history to the outbox.
    fn enqueue(&mut self, uid: Uuid, sequence: i32, to: &Address) -> Result<(), StoreError> {
        self.outbox.push(NewOutboxRow { uid, sequence: Some(sequence), address: write(to)?, content: None });
        Ok(())
    }

    /// Answers a repetition with the latest event: to its `reply_to`, or else to where the event was sent first.
    pub(super) fn repeat_latest(&mut self, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
        let Some((sequence, first)) = self.latest.get(&uid.0).cloned() else { return Ok(()) };
        self.enqueue(uid.0, sequence, &Address::reply(origin).unwrap_or(first))
    }

    /// Adds the `reply_to` of a request to the places that get the terminal event. One queue may be there under several
    /// correlation ids, because each belongs to a request that waits for its answer.
    pub(super) fn add_follower(&mut self, uid: JobUid, origin: &Origin) {
        let Some(address) = Address::reply(origin) else { return };
        let followers = self.followers.entry(uid.0).or_default();
        if followers.len() < row::MAX_FOLLOWERS && !followers.contains(&address) {
            followers.push(address.clone());
            self.new_followers.push((uid.0, address));
        }
    }

    /// Adds a queue to the places that get the end of a batch. Each queue gets it once, however many jobs have named it.
    pub(super) fn add_queue(&mut self, uid: JobUid, origin: &Origin) {
        let Some(address) = Address::reply(origin) else { return };
        let followers = self.followers.entry(uid.0).or_default();
        let known = followers.iter().any(|follower| follower.routing_key == address.routing_key);
        if !known && followers.len() < row::MAX_FOLLOWERS {
            followers.push(address.clone());
            self.new_followers.push((uid.0, address));
        }
    }

    /// Whether there is a message to publish.
    pub(super) fn has_mail(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Writes everything; [`OutboundBatch::PREPARED`] must be prepared.
    pub(super) async fn write(&self, pipeline: Pipeline<'_>) -> Result<(), PgError> {
        let events = async {
            if self.events.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.events.iter().map(|event| event.key.0).collect();
            let sequences: Vec<i32> = self.events.iter().map(|event| event.key.1).collect();
            let addresses: Vec<&str> = self.events.iter().map(|event| event.address.as_str()).collect();
            let abouts: Vec<&str> = self.events.iter().map(|event| event.about.as_str()).collect();
            let bodies: Vec<&[u8]> = self.events.iter().map(|event| event.body.as_ref()).collect();
            let requesters: Vec<&str> = self.events.iter().map(|event| event.requester.as_str()).collect();
            pipeline.execute(INSERT_EVENTS, &[&uids, &sequences, &addresses, &abouts, &bodies, &requesters]).await
        };
        let outbox = async {
            if self.outbox.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.outbox.iter().map(|row| row.uid).collect();
            let sequences: Vec<Option<i32>> = self.outbox.iter().map(|row| row.sequence).collect();
            let addresses: Vec<&str> = self.outbox.iter().map(|row| row.address.as_str()).collect();
            let content = || self.outbox.iter().map(|row| row.content.as_ref());
            let abouts: Vec<Option<&str>> = content().map(|c| c.map(|(about, _)| about.as_str())).collect();
            let bodies: Vec<Option<&[u8]>> = content().map(|c| c.map(|(_, body)| body.as_ref())).collect();
            let replies: Vec<bool> = addresses.iter().map(|address| address.starts_with(REPLY)).collect();
            pipeline.execute(INSERT_OUTBOX, &[&uids, &sequences, &addresses, &abouts, &bodies, &replies]).await
        };
        let followers = async {
            if self.new_followers.is_empty() {
                return Ok(());
            }
            let uids: Vec<Uuid> = self.new_followers.iter().map(|(uid, _)| *uid).collect();
            let addresses =
                self.new_followers.iter().map(|(_, address)| write(address)).collect::<Result<Vec<_>, _>>()?;
            pipeline.execute(INSERT_FOLLOWERS, &[&uids, &addresses]).await
        };
        tokio::try_join!(biased; events, outbox, followers).map(drop)
    }

    /// The statements of [`OutboundBatch::write`].
    pub(super) const PREPARED: [&str; 3] = [INSERT_EVENTS, INSERT_OUTBOX, INSERT_FOLLOWERS];
}

/// The number of an event as a column.
pub(super) fn sequence(sequence: u32) -> Result<i32, StoreError> {
    i32::try_from(sequence).map_err(|_| StoreError::Corrupt(format!("an event cannot have the number {sequence}")))
}

pub(super) async fn events(conn: &Connection, uid: JobUid) -> Result<Vec<String>, PgError> {
    let sql = "SELECT body FROM events WHERE uid = $1 AND sequence > 0 ORDER BY sequence";
    let rows = conn.query(sql, &[&uid.0]).await?;
    rows.iter().map(|row| Ok(row::event_text(uid, row.get(0))?)).collect()
}
