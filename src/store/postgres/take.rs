//! Taking messages in: a job exactly once for each idempotency key.
//!
//! The key decides: its insert waits for whoever inserts the same one, and then either makes it or finds it made. All locks
//! are taken in one order (keys, rejections, lines, jobs), so that two batches never wait for each other in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Fault;
use super::keep;
use super::line::{self, Ends, Place};
use super::outbound::{FOLLOWING, LATEST, Post};
use super::session::{Pipeline, Session, Values};
use crate::domain::JobUid;
use crate::engine::ports::store::{Arrival, Message, Rejection, StoreError, Taken, Wakeup};
use crate::engine::record::{Origin, Record};
use crate::store::row;

const INSERT_KEYS: &str = "INSERT INTO keys (requester, job_id, uid, digest, created_us)
    SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::int8[])
    ON CONFLICT DO NOTHING RETURNING requester, job_id";
const KEYS: &str = "SELECT requester, job_id, uid, digest FROM keys
    WHERE (requester, job_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
const INSERT_REJECTIONS: &str = "INSERT INTO rejections (uid, at_us, requester, job_id, reasons)
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::bytea[], $5::text[])
    ON CONFLICT DO NOTHING RETURNING uid";
const LOCK_JOBS: &str = "SELECT uid FROM jobs WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE";
const INSERT_JOBS: &str = "INSERT INTO jobs (uid, requester, job_id, kind, state, ended, instance_id, instance_type,
      cen_id, cen_owner, accepted_us, finished_us, due_us, swept, record, revision, turn, is_first, counted_as, begun_us,
      held)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[],
      $9::text[], $10::text[], $11::int8[], $12::int8[], $13::int8[], $14::bool[], $15::text[], $16::int8[], $17::int8[],
      $18::bool[], $19::text[], $20::int8[], $21::text[])";
const INSERT_LABELS: &str =
    "INSERT INTO labels (name, value, uid) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::uuid[])";

/// Takes messages in; one verdict each, in order.
pub(super) async fn take(session: &Session, messages: &[Message], shard: i16) -> Result<(Vec<Taken>, Wakeup), Fault> {
    session.prepare(&[INSERT_KEYS, KEYS, INSERT_REJECTIONS, LOCK_JOBS, INSERT_JOBS, INSERT_LABELS]).await?;
    session.prepare(&[line::LOCK, line::LAST, LATEST, FOLLOWING, keep::COUNT]).await?;
    session.prepare(&Post::PREPARED).await?;
    let pipeline = session.pipeline();
    let taken = look_up(pipeline, messages).await?;
    let rejections = Rejections::of(messages, &taken);
    let jobs: Vec<&Record> = jobs(messages, &taken).collect();
    let mut known = Known::lock(pipeline, &rejections, &jobs, &taken).await?;
    let mut post = std::mem::take(&mut known.post);
    for (message, taken) in messages.iter().zip(&taken) {
        match (message, taken) {
            (Message::Arrival(arrival), Taken::New(uid)) => {
                post.follow(*uid, &arrival.record.origin);
                post.post(*uid, &arrival.outbound)?;
            }
            (Message::Arrival(arrival), Taken::Repeated(uid)) => {
                post.repeat(*uid, &arrival.record.origin)?;
                post.follow(*uid, &arrival.record.origin);
            }
            (Message::Arrival(arrival), _) => known.reject(&mut post, &arrival.reused)?,
            (Message::Rejection(rejection), _) => known.reject(&mut post, rejection)?,
        }
    }
    let mut census: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for record in &jobs {
        *census.entry((record.job.kind.as_str(), record.state().as_str())).or_default() += 1;
    }
    let heard = Wakeup {
        work: jobs.iter().any(|record| record.due().is_some() && !record.is_swept()),
        mail: post.is_mail(),
        hours: jobs.iter().any(|record| record.is_swept()),
        workers: false,
    };
    tokio::try_join!(
        biased;
        insert(pipeline, &jobs, &mut known.ends),
        post.write(pipeline),
        keep::count(pipeline, &census, shard),
    )?;
    Ok((taken, heard))
}

/// The arrival of a message that is one.
fn arrival(message: &Message) -> Option<&Arrival> {
    match message {
        Message::Arrival(arrival) => Some(arrival),
        Message::Rejection(_) => None,
    }
}

/// The idempotency key of a record.
fn key(record: &Record) -> (&str, &str) {
    (record.requester.as_str(), record.job.id.as_str())
}

/// The jobs that are new.
fn jobs<'a>(messages: &'a [Message], taken: &'a [Taken]) -> impl Iterator<Item = &'a Record> {
    let new = messages.iter().zip(taken).filter(|(_, taken)| matches!(taken, Taken::New(_)));
    new.filter_map(|(message, _)| arrival(message)).map(|arrival| &*arrival.record)
}

/// Makes the keys that are not there, and says of each message what it is.
async fn look_up(pipeline: Pipeline<'_>, messages: &[Message]) -> Result<Vec<Taken>, Fault> {
    // In the order of the keys, the first of each.
    let mut first: BTreeMap<(&str, &str), &Arrival> = BTreeMap::new();
    for arrival in messages.iter().filter_map(arrival) {
        first.entry(key(&arrival.record)).or_insert(arrival);
    }
    let (requesters, ids): (Vec<&str>, Vec<&str>) = first.keys().copied().unzip();
    let uids: Vec<Uuid> = first.values().map(|arrival| arrival.record.uid.0).collect();
    let digests: Vec<&str> = first.values().map(|arrival| arrival.digest.as_str()).collect();
    let times: Vec<i64> = first.values().map(|arrival| row::at_or_before(arrival.record.accepted_at)).collect();
    let (mut new, mut known) = (HashSet::new(), HashMap::new());
    if !first.is_empty() {
        let (inserted, found) = tokio::try_join!(
            biased;
            async { pipeline.query(INSERT_KEYS, &[&requesters, &ids, &uids, &digests, &times]).await },
            async { pipeline.query(KEYS, &[&requesters, &ids]).await },
        )?;
        new = inserted.iter().map(|row| (row.get::<_, String>(0), row.get::<_, String>(1))).collect();
        for row in &found {
            let key: (String, String) = (row.get(0), row.get(1));
            known.insert(key, (JobUid(row.get(2)), row.get::<_, String>(3)));
        }
    }
    let mut taken = Vec::with_capacity(messages.len());
    for message in messages {
        taken.push(match message {
            Message::Rejection(rejection) => Taken::Rejected(rejection.uid),
            Message::Arrival(arrival) => {
                let (requester, id) = key(&arrival.record);
                let key = (requester.to_owned(), id.to_owned());
                match known.get(&key) {
                    Some(_) if new.remove(&key) => Taken::New(arrival.record.uid),
                    Some((uid, digest)) if *digest == arrival.digest => Taken::Repeated(*uid),
                    Some(_) => Taken::Reused(arrival.reused.uid),
                    // It went between the two statements: it was old enough to be forgotten.
                    None => return Err(moved_on(&key.1)),
                }
            }
        });
    }
    Ok(taken)
}

fn moved_on(what: &str) -> Fault {
    Fault::Collided(StoreError::Unavailable(format!("{what} was forgotten at this moment")))
}

/// What is rejected, in the order of the uids, the first of each.
struct Rejections<'a>(BTreeMap<Uuid, &'a Rejection>);

impl<'a> Rejections<'a> {
    fn of(messages: &'a [Message], taken: &[Taken]) -> Self {
        let mut rejections = BTreeMap::new();
        for (message, taken) in messages.iter().zip(taken) {
            let rejection = match (message, taken) {
                (Message::Rejection(rejection), _) => &**rejection,
                (Message::Arrival(arrival), Taken::Reused(_)) => &arrival.reused,
                _ => continue,
            };
            rejections.entry(rejection.uid.0).or_insert(rejection);
        }
        Self(rejections)
    }

    /// Keeps those that are not there yet; returns their uids.
    async fn insert(&self, pipeline: Pipeline<'_>) -> Result<Vec<Row>, Fault> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let of = || self.0.values();
        let uids: Vec<Uuid> = self.0.keys().copied().collect();
        let times: Vec<i64> = of().map(|rejection| row::at_or_before(rejection.at)).collect();
        let requesters: Vec<&str> = of().map(|rejection| rejection.requester.as_str()).collect();
        let ids: Vec<Option<&[u8]>> = of().map(|rejection| rejection.job_id.as_deref().map(str::as_bytes)).collect();
        let reasons: Vec<&str> = of().map(|rejection| rejection.reasons.as_str()).collect();
        pipeline.query(INSERT_REJECTIONS, &[&uids, &times, &requesters, &ids, &reasons]).await
    }
}

/// What the transaction has locked, and what it knows of it.
struct Known {
    /// Rejections that are new and not said yet.
    new: HashSet<Uuid>,
    ends: Ends,
    post: Post,
}

impl Known {
    async fn lock(
        pipeline: Pipeline<'_>,
        rejections: &Rejections<'_>,
        jobs: &[&Record],
        taken: &[Taken],
    ) -> Result<Self, Fault> {
        let fresh: HashSet<Uuid> = jobs.iter().map(|record| record.uid.0).collect();
        let repeated = taken.iter().filter_map(|taken| match taken {
            Taken::Repeated(uid) if !fresh.contains(&uid.0) => Some(uid.0),
            _ => None,
        });
        let repeated: Vec<Uuid> = repeated.collect::<HashSet<_>>().into_iter().collect();
        let said: Vec<Uuid> = repeated.iter().chain(rejections.0.keys()).copied().collect();
        let instances: HashSet<&str> = jobs
            .iter()
            .filter(|record| record.phase.in_queue())
            .map(|record| record.job.instance.id.as_str())
            .collect();
        let instances: Vec<&str> = instances.into_iter().collect();
        let locks = line::keys(instances.iter().copied());
        let (new, _, locked, last, latest, followers) = tokio::try_join!(
            biased;
            rejections.insert(pipeline),
            async { pipeline.unless(locks.is_empty(), line::LOCK, &[&line::CLASS, &locks]).await },
            async { pipeline.unless(repeated.is_empty(), LOCK_JOBS, &[&repeated]).await },
            async { pipeline.unless(instances.is_empty(), line::LAST, &[&instances]).await },
            async { pipeline.unless(said.is_empty(), LATEST, &[&said]).await },
            async { pipeline.unless(repeated.is_empty(), FOLLOWING, &[&repeated]).await },
        )?;
        if locked.len() != repeated.len() {
            return Err(moved_on("a job that is asked for again"));
        }
        let mut post = Post::default();
        post.learn_latest(&latest)?;
        post.learn_followers(&followers)?;
        Ok(Self { new: new.iter().map(|row| row.get(0)).collect(), ends: Ends::read(&last), post })
    }

    /// A rejection is named after its message: one that is there already is the same message, sent or delivered again. It
    /// is answered again and kept once.
    fn reject(&mut self, post: &mut Post, rejection: &Rejection) -> Result<(), StoreError> {
        if self.new.remove(&rejection.uid.0) {
            post.post(rejection.uid, &rejection.outbound)?;
        } else {
            post.repeat(rejection.uid, &Origin::default())?;
        }
        if rejection.origin.reply_to.is_some() { post.repeat(rejection.uid, &rejection.origin) } else { Ok(()) }
    }
}

async fn insert(pipeline: Pipeline<'_>, jobs: &[&Record], ends: &mut Ends) -> Result<(), Fault> {
    if jobs.is_empty() {
        return Ok(());
    }
    let of = jobs.iter().map(|record| row::index(record)).collect::<Result<Vec<_>, _>>()?;
    let texts = jobs.iter().map(|record| row::write(record)).collect::<Result<Vec<_>, _>>()?;
    let places: Vec<Place> = jobs
        .iter()
        .map(|record| match record.job.instance.id.as_str() {
            instance if record.phase.in_queue() => {
                let is_first = ends.is_empty(instance);
                Place { turn: Some(ends.enter(instance)), is_first }
            }
            _ => Place::OUTSIDE,
        })
        .collect();
    macro_rules! column {
        ($of:ident => $value:expr) => {
            &of.iter().map(|$of| $value).collect::<Vec<_>>()
        };
    }
    let uids: Vec<Uuid> = jobs.iter().map(|record| record.uid.0).collect();
    let rows: Values<'_> = &[
        &uids,
        column!(of => of.requester),
        column!(of => of.job_id),
        column!(of => of.kind.as_str()),
        column!(of => of.state.as_str()),
        column!(of => of.ended),
        column!(of => of.instance_id),
        column!(of => of.instance_type.as_str()),
        column!(of => of.cen_id),
        column!(of => of.cen_owner),
        column!(of => of.accepted_us),
        column!(of => of.finished_us),
        column!(of => of.due_us),
        column!(of => of.swept),
        &texts,
        column!(of => of.revision),
        &places.iter().map(|place| place.turn).collect::<Vec<_>>(),
        &places.iter().map(|place| place.is_first).collect::<Vec<_>>(),
        column!(of => of.counted_as.as_deref()),
        column!(of => of.begun_us),
        column!(of => of.held),
    ];
    let labels = || jobs.iter().flat_map(|record| record.job.labels.iter().map(move |label| (label, record.uid.0)));
    let names: Vec<&[u8]> = labels().map(|((name, _), _)| name.as_bytes()).collect();
    let values: Vec<&[u8]> = labels().map(|((_, value), _)| value.as_bytes()).collect();
    let labelled: Vec<Uuid> = labels().map(|(_, uid)| uid).collect();
    let label = async {
        if names.is_empty() {
            return Ok(());
        }
        pipeline.execute(INSERT_LABELS, &[&names, &values, &labelled]).await
    };
    tokio::try_join!(biased; pipeline.execute(INSERT_JOBS, rows), label).map(drop)
}
