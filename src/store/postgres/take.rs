//! Taking messages in: exactly one job for each idempotency key.
//!
//! The key decides. To insert a key waits for another transaction that inserts the same one, and then either inserts it or
//! finds it. All locks are taken in one order (keys, batches, rejections, queues, jobs), so that two batches never wait for each
//! other in a circle.

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::batches::JoinedBatches;
use super::connection::{Connection, Pipeline};
use super::counts::{self, CountChanges};
use super::error::PgError;
use super::instance_queue::{self, LastTurns, QueueKey};
use super::job_rows;
use super::lock_keys::{self, TRANSACTION_CLASS};
use super::outbound::{FOLLOWERS, LATEST, OutboundBatch};
use crate::domain::{BatchId, JobUid};
use crate::engine::ports::store::{Arrival, Message, Rejection, StoreError, Taken, Wakeup};
use crate::engine::record::{Origin, Record};
use crate::store::row::{self, QueuePlace};

const INSERT_KEYS: &str = "INSERT INTO keys (requester, job_id, uid, digest, created_us)
    SELECT * FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::int8[])
    ON CONFLICT DO NOTHING RETURNING requester, job_id";
const KEYS: &str = "SELECT requester, job_id, uid, digest FROM keys
    WHERE (requester, job_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))";
const INSERT_REJECTIONS: &str = "INSERT INTO rejections (uid, at_us, requester, job_id, reasons, batch_id, not_listed)
    SELECT * FROM unnest($1::uuid[], $2::int8[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::int8[])
    ON CONFLICT DO NOTHING RETURNING uid";
const DELETE_KEYS: &str = "DELETE FROM keys WHERE uid = ANY ($1)";
/// How many jobs of each requester on each instance have not begun, counted up to the number that may be there.
const UNBEGUN: &str = "SELECT n.instance_id, n.requester, (SELECT count(*) FROM (
      SELECT FROM jobs j WHERE j.instance_id = n.instance_id AND j.requester = n.requester AND NOT ended
        AND begun_us IS NULL LIMIT n.most) AS unbegun)
    FROM unnest($1::text[], $2::text[], $3::int8[]) AS n(instance_id, requester, most)";
const LOCK_JOBS: &str = "SELECT uid FROM jobs WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE";
const INSERT_LABELS: &str =
    "INSERT INTO labels (name, value, uid) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::uuid[])";

pub(super) async fn take(conn: &Connection, messages: &[Message], shard: i16) -> Result<(Vec<Taken>, Wakeup), PgError> {
    conn.prepare(&[INSERT_KEYS, KEYS, INSERT_REJECTIONS, LOCK_JOBS, job_rows::INSERT, INSERT_LABELS]).await?;
    conn.prepare(&[UNBEGUN, DELETE_KEYS]).await?;
    conn.prepare(&[instance_queue::LOCK, instance_queue::LAST, LATEST, FOLLOWERS, counts::COUNT]).await?;
    conn.prepare(&OutboundBatch::PREPARED).await?;
    conn.prepare(&JoinedBatches::PREPARED).await?;
    let pipeline = conn.pipeline();
    let mut taken = look_up(pipeline, messages).await?;
    let rejections = Rejections::of(messages, &taken);
    let new: Vec<&Arrival> = new_jobs(messages, &taken).collect();
    let mut batches = JoinedBatches::lock(pipeline, &new, repetitions(messages, &taken)).await?;
    let Locked { new_rejections, last_turns, unbegun, mut outbound } =
        Locked::lock(pipeline, &rejections, &new, &taken, &batches).await?;
    let left_out = leave_out(messages, &mut taken, unbegun, &mut batches)?;
    let jobs: Vec<&Record> = new_jobs(messages, &taken).map(|arrival| &*arrival.record).collect();
    answer(messages, &taken, new_rejections, &mut batches, &mut outbound)?;
    let mut changes = CountChanges::new();
    for record in &jobs {
        *changes.entry((record.job.kind.as_str(), record.state().as_str())).or_default() += 1;
    }
    let wakeup = Wakeup {
        work: jobs.iter().any(|record| record.phase.due().is_some() && !record.is_swept()),
        mail: outbound.has_mail(),
        sweep: jobs.iter().any(|record| record.is_swept()),
        workers: false,
    };
    tokio::try_join!(
        biased;
        async { if left_out.is_empty() { Ok(()) } else { pipeline.execute(DELETE_KEYS, &[&left_out]).await } },
        batches.write(pipeline),
        job_rows::insert(pipeline, placed(&jobs, last_turns)),
        insert_labels(pipeline, &jobs),
        outbound.write(pipeline),
        counts::write(pipeline, &changes, shard),
    )?;
    Ok((taken, wakeup))
}

/// The request in a message, if it is one.
fn arrival(message: &Message) -> Option<&Arrival> {
    match message {
        Message::Arrival(arrival) => Some(arrival),
        Message::Rejection(_) => None,
    }
}

/// The idempotency key of a job.
fn key(record: &Record) -> (&str, &str) {
    (record.requester.as_str(), record.job.id.as_str())
}

fn new_jobs<'a>(messages: &'a [Message], taken: &'a [Taken]) -> impl Iterator<Item = &'a Arrival> {
    let new = messages.iter().zip(taken).filter(|(_, taken)| matches!(taken, Taken::New(_)));
    new.filter_map(|(message, _)| arrival(message))
}

/// An instance and a requester, whose jobs on it are counted until they begin.
type Counted = (String, String);

fn repetitions<'a>(messages: &'a [Message], taken: &'a [Taken]) -> impl Iterator<Item = &'a Arrival> {
    let repeated = messages.iter().zip(taken).filter(|(_, taken)| matches!(taken, Taken::Repeated(_)));
    repeated.filter_map(|(message, _)| arrival(message))
}

/// Takes out what would be one job too many, or does not get into its batch, and its repetitions in the same batch of messages.
/// `unbegun` is how many there are; returns the uids under which keys were inserted.
fn leave_out(
    messages: &[Message],
    taken: &mut [Taken],
    mut unbegun: HashMap<Counted, i64>,
    batches: &mut JoinedBatches,
) -> Result<Vec<Uuid>, StoreError> {
    let mut left_out: BTreeMap<Uuid, Taken> = BTreeMap::new();
    for (message, taken) in messages.iter().zip(taken) {
        let Some(arrival @ Arrival { record, most_unbegun, .. }) = arrival(message) else { continue };
        match *taken {
            Taken::New(uid) => {
                let counted = (record.job.instance.id.to_string(), record.requester.to_string());
                let unbegun = unbegun.entry(counted).or_default();
                let instead = match most_unbegun {
                    Some(most) if *unbegun >= i64::from(*most) => Some(Taken::TooMany),
                    _ => batches.join(arrival)?.map(Taken::Misfit),
                };
                match instead {
                    Some(instead) => {
                        *taken = instead;
                        left_out.insert(uid.0, instead);
                    }
                    None => *unbegun += 1,
                }
            }
            Taken::Repeated(uid) => *taken = left_out.get(&uid.0).copied().unwrap_or(*taken),
            _ => {}
        }
    }
    Ok(left_out.into_keys().collect())
}

/// Inserts the keys that are not there, and says what each message becomes.
async fn look_up(pipeline: Pipeline<'_>, messages: &[Message]) -> Result<Vec<Taken>, PgError> {
    // The first request for each key, in the order of the keys.
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
                    // Retention has deleted it between the two statements.
                    None => return Err(deleted_meanwhile(&key.1)),
                }
            }
        });
    }
    Ok(taken)
}

fn deleted_meanwhile(what: &str) -> PgError {
    PgError::Collided(StoreError::Unavailable(format!("{what} was deleted at this moment, because it was old")))
}

/// The messages that are rejected: the first of each uid, in the order of the uids.
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

    /// Inserts those that are not stored yet; returns their uids.
    async fn insert(&self, pipeline: Pipeline<'_>) -> Result<Vec<Row>, PgError> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let all = || self.0.values();
        let uids: Vec<Uuid> = self.0.keys().copied().collect();
        let times: Vec<i64> = all().map(|rejection| row::at_or_before(rejection.at)).collect();
        let requesters: Vec<&str> = all().map(|rejection| rejection.requester.as_str()).collect();
        let ids: Vec<Option<&[u8]>> = all().map(|rejection| rejection.job_id.as_deref().map(str::as_bytes)).collect();
        let reasons: Vec<&str> = all().map(|rejection| rejection.reasons.as_str()).collect();
        let batches: Vec<Option<&str>> =
            all().map(|rejection| rejection.batch_id.as_ref().map(BatchId::as_str)).collect();
        let more: Vec<i64> = all().map(|rejection| rejection.faults_not_listed.into()).collect();
        pipeline.query(INSERT_REJECTIONS, &[&uids, &times, &requesters, &ids, &reasons, &batches, &more]).await
    }
}

/// What the transaction has locked and read.
struct Locked {
    /// Rejections that were not stored before.
    new_rejections: HashSet<Uuid>,
    last_turns: LastTurns,
    unbegun: HashMap<Counted, i64>,
    outbound: OutboundBatch,
}

impl Locked {
    /// Inserts rejections; locks the queues of new jobs, and the jobs that are asked for again.
    async fn lock(
        pipeline: Pipeline<'_>,
        rejections: &Rejections<'_>,
        jobs: &[&Arrival],
        taken: &[Taken],
        batches: &JoinedBatches,
    ) -> Result<Self, PgError> {
        let new: HashSet<Uuid> = jobs.iter().map(|arrival| arrival.record.uid.0).collect();
        let repeated = taken.iter().filter_map(|taken| match taken {
            Taken::Repeated(uid) if !new.contains(&uid.0) => Some(uid.0),
            _ => None,
        });
        let repeated: Vec<Uuid> = repeated.collect::<HashSet<_>>().into_iter().collect();
        let with_events: Vec<Uuid> =
            repeated.iter().chain(rejections.0.keys()).copied().chain(batches.uids()).collect();
        let followed: Vec<Uuid> = repeated.iter().copied().chain(batches.uids()).collect();
        let queues: HashSet<QueueKey> = jobs.iter().map(|arrival| QueueKey::of(&arrival.record)).collect();
        let (instances, owners): (Vec<&str>, Vec<&str>) =
            queues.iter().map(|queue| (queue.instance.as_str(), queue.owner.as_str())).unzip();
        let locks = lock_keys::of_names(instances.iter().copied());
        let limited = jobs.iter().filter_map(|arrival| Some((&arrival.record, arrival.most_unbegun?)));
        let limited: BTreeMap<(&str, &str), i64> = limited
            .map(|(record, most)| ((record.job.instance.id.as_str(), record.requester.as_str()), most.into()))
            .collect();
        let (on, of): (Vec<&str>, Vec<&str>) = limited.keys().copied().unzip();
        let most: Vec<i64> = limited.values().copied().collect();
        let (inserted, _, locked, last, unbegun, latest, followers) = tokio::try_join!(
            biased;
            rejections.insert(pipeline),
            async { pipeline.query_unless(locks.is_empty(), instance_queue::LOCK, &[&TRANSACTION_CLASS, &locks]).await },
            async { pipeline.query_unless(repeated.is_empty(), LOCK_JOBS, &[&repeated]).await },
            async { pipeline.query_unless(instances.is_empty(), instance_queue::LAST, &[&instances, &owners]).await },
            async { pipeline.query_unless(most.is_empty(), UNBEGUN, &[&on, &of, &most]).await },
            async { pipeline.query_unless(with_events.is_empty(), LATEST, &[&with_events]).await },
            async { pipeline.query_unless(followed.is_empty(), FOLLOWERS, &[&followed]).await },
        )?;
        if locked.len() != repeated.len() {
            return Err(deleted_meanwhile("a job that is asked for again"));
        }
        let mut outbound = OutboundBatch::default();
        outbound.learn_latest(&latest)?;
        outbound.learn_followers(&followers)?;
        let new_rejections = inserted.iter().map(|row| row.get(0)).collect();
        let unbegun = unbegun.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect();
        Ok(Self { new_rejections, last_turns: LastTurns::read(&last), unbegun, outbound })
    }
}

/// Adds the messages that answer what was taken.
fn answer(
    messages: &[Message],
    taken: &[Taken],
    mut new_rejections: HashSet<Uuid>,
    batches: &mut JoinedBatches,
    outbound: &mut OutboundBatch,
) -> Result<(), StoreError> {
    // A rejection's uid is derived from its message, so one that is stored already is the same message again. It is
    // answered again and stored once.
    let mut reject = |outbound: &mut OutboundBatch, rejection: &Rejection| {
        if new_rejections.remove(&rejection.uid.0) {
            rejection.kept.iter().try_for_each(|message| outbound.keep(rejection.uid, message))?;
            outbound.add(rejection.uid, &rejection.outbound)?;
        } else {
            outbound.repeat_latest(rejection.uid, &Origin::default())?;
        }
        match rejection.origin.reply_to {
            Some(_) => outbound.repeat_latest(rejection.uid, &rejection.origin),
            None => Ok(()),
        }
    };
    for (message, taken) in messages.iter().zip(taken) {
        match (message, taken) {
            (Message::Arrival(arrival), Taken::New(uid)) => {
                batches.answer(arrival, outbound)?;
                outbound.add_follower(*uid, &arrival.record.origin);
                outbound.add(*uid, &arrival.outbound)?;
            }
            (Message::Arrival(arrival), Taken::Repeated(uid)) => {
                outbound.repeat_latest(*uid, &arrival.record.origin)?;
                outbound.add_follower(*uid, &arrival.record.origin);
                batches.answer(arrival, outbound)?;
            }
            (Message::Arrival(_), Taken::TooMany | Taken::Misfit(_)) => {}
            (Message::Arrival(arrival), _) => reject(outbound, &arrival.reused)?,
            (Message::Rejection(rejection), _) => reject(outbound, rejection)?,
        }
    }
    Ok(())
}

/// New jobs, each with its place behind all others in the queue of its instance.
fn placed<'a>(jobs: &[&'a Record], mut last_turns: LastTurns) -> impl Iterator<Item = (&'a Record, QueuePlace)> {
    jobs.iter().map(move |record| {
        let place = QueuePlace::OUTSIDE.after(record).unwrap_or_else(|| {
            let queue = QueueKey::of(record);
            let is_first = last_turns.is_empty(&queue);
            QueuePlace { turn: Some(last_turns.enter(&queue)), is_first }
        });
        (*record, place)
    })
}

async fn insert_labels(pipeline: Pipeline<'_>, jobs: &[&Record]) -> Result<(), PgError> {
    let labels = || jobs.iter().flat_map(|record| record.job.labels.iter().map(move |label| (label, record.uid.0)));
    let names: Vec<&[u8]> = labels().map(|((name, _), _)| name.as_bytes()).collect();
    let values: Vec<&[u8]> = labels().map(|((_, value), _)| value.as_bytes()).collect();
    let uids: Vec<Uuid> = labels().map(|(_, uid)| uid).collect();
    if uids.is_empty() { Ok(()) } else { pipeline.execute(INSERT_LABELS, &[&names, &values, &uids]).await }
}
