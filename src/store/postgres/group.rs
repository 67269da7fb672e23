//! A group of changes in one transaction of two round trips: lock and read all that they are about; write what was decided,
//! and commit.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::change::{GroupUpdate, Ledger, Undecided};
use super::connection::{Connection, Pipeline, TRANSACTION_ID};
use super::counts;
use super::error::PgError;
use super::guards::{self, Guards};
use super::instance_queue::{self, LastTurns, QueueKey};
use super::job_rows;
use super::lease_clock::LeaseClock;
use super::lock_keys::{self, TRANSACTION_CLASS};
use super::outbound::{self, FOLLOWERS, KNOWN, OutboundBatch};
use super::outcome;
use super::pool::Pool;
use crate::engine::ports::store::{Change, OutboundMessage, Wakeup};
use crate::engine::record::Record;
use crate::store::judge::ChangeResult;

/// The rows of these jobs, and of the first other job in each of these queues, which becomes first if the one before it
/// leaves. They are locked in one order, so that two groups never wait for each other in a circle.
const LOCK_ROWS: &str = "WITH wanted AS MATERIALIZED (
      SELECT unnest($1::uuid[]) AS uid
      UNION
      SELECT next.uid FROM unnest($2::text[], $3::text[]) AS n(instance_id, owner) CROSS JOIN LATERAL (
        SELECT uid FROM jobs j WHERE j.instance_id = n.instance_id AND j.instance_owner = n.owner AND turn IS NOT NULL
          AND uid <> ALL ($1) ORDER BY turn LIMIT 1) AS next)
    SELECT j.uid, revision, state, kind, instance_id, instance_owner, turn, is_first, locks, lease_holder, lease_token,
      counted_as, begun_us
    FROM jobs j JOIN wanted ON wanted.uid = j.uid ORDER BY j.uid FOR NO KEY UPDATE OF j";

const MARK_FIRST: &str = "UPDATE jobs SET is_first = true WHERE uid = ANY ($1)";

/// Applies changes, each for itself; returns once they are on disk.
pub(super) async fn apply(
    conn: &Connection,
    pool: &Pool,
    changes: &[&Change],
    clock: &LeaseClock,
    shard: i16,
) -> Result<(Vec<ChangeResult>, Wakeup), PgError> {
    conn.prepare(&[TRANSACTION_ID, instance_queue::LOCK, LOCK_ROWS, instance_queue::LAST, KNOWN, FOLLOWERS]).await?;
    conn.prepare(&[instance_queue::LOCKED_BY]).await?;
    conn.prepare(&[job_rows::UPDATE, MARK_FIRST, counts::COUNT]).await?;
    conn.prepare(&OutboundBatch::PREPARED).await?;
    conn.prepare(&[guards::SHARE, guards::PAUSED, guards::BEGUN]).await?;
    let leaving = records(changes).map(|(record, _)| record).filter(|record| !record.phase.in_queue());
    // A job that has begun has the lock of its instance already, as a rule.
    let locking = changes.iter().filter(|change| change.admission.is_some()).map(|change| &change.record);
    let mut queues: HashSet<QueueKey> = leaving.chain(locking).map(|record| QueueKey::of(record)).collect();
    // Each attempt locks at least one queue more, so this ends.
    loop {
        match attempt(conn, pool, changes, &queues, clock, shard).await? {
            Attempt::Done(results, wakeup) => return Ok((results, wakeup)),
            Attempt::NotLocked(more) => queues.extend(more),
        }
    }
}

/// The records of changes, with their messages.
fn records<'a>(changes: &'a [&Change]) -> impl Iterator<Item = (&'a Arc<Record>, &'a [OutboundMessage])> {
    changes.iter().flat_map(|change| {
        let also = change.also.iter().map(|(record, outbound)| (record, outbound.as_slice()));
        std::iter::once((&change.record, change.outbound.as_slice())).chain(also)
    })
}

enum Attempt {
    Done(Vec<ChangeResult>, Wakeup),
    /// These queues must be locked too.
    NotLocked(Vec<QueueKey>),
}

async fn attempt(
    conn: &Connection,
    pool: &Pool,
    changes: &[&Change],
    queues: &HashSet<QueueKey>,
    clock: &LeaseClock,
    shard: i16,
) -> Result<Attempt, PgError> {
    let (transaction_id, mut ledger) = load(conn, changes, queues, clock).await?;
    let (mut results, mut not_locked) = (Vec::with_capacity(changes.len()), Vec::new());
    for change in changes {
        match ledger.apply(change) {
            Ok(committed) => results.push(Ok(committed)),
            Err(Undecided::Refused(error)) => results.push(Err(error)),
            Err(Undecided::QueueNotLocked(queue)) => not_locked.push(queue),
        }
    }
    if !not_locked.is_empty() {
        conn.batch("ROLLBACK").await?;
        return Ok(Attempt::NotLocked(not_locked));
    }
    ledger.mark_first();
    let update = ledger.update();
    if update.jobs.is_empty() {
        conn.batch("ROLLBACK").await?;
        return Ok(Attempt::Done(results, Wakeup::default()));
    }
    let wakeup = update.wakeup;
    let pipeline = conn.pipeline();
    if let Err(error) = pipeline.commit(write(pipeline, &update, &ledger.outbound, shard)).await {
        outcome::resolve(error, &transaction_id, pool).await?;
    }
    Ok(Attempt::Done(results, wakeup))
}

/// Locks queues and rows, and reads all that is compared. Returns the id of the transaction too.
async fn load<'a>(
    conn: &Connection,
    changes: &[&Change],
    queues: &'a HashSet<QueueKey>,
    clock: &'a LeaseClock,
) -> Result<(String, Ledger<'a>), PgError> {
    let uids: Vec<Uuid> = records(changes).map(|(record, _)| record.uid.0).collect();
    let events = || records(changes).flat_map(|(_, outbound)| outbound).filter_map(|message| message.event);
    // A number that is too large is refused when the event is added.
    let sequence = |sequence: u32| outbound::sequence(sequence).unwrap_or(i32::MAX);
    let (event_uids, sequences): (Vec<Uuid>, Vec<i32>) =
        events().map(|event| (event.uid.0, sequence(event.sequence))).unzip();
    let terminal: Vec<Uuid> = events().filter(|event| event.terminal).map(|event| event.uid.0).collect();
    let (instances, owners): (Vec<&str>, Vec<&str>) =
        queues.iter().map(|queue| (queue.instance.as_str(), queue.owner.as_str())).unzip();
    let intends = changes.iter().any(|change| change.intends);
    let counted = guards::counted_names(changes);
    let locks = lock_keys::of_names(instances.iter().copied().chain(counted.iter().map(String::as_str)));
    let pipeline = conn.pipeline();
    let (transaction_id, (), _, rows, guards, last, locked_by, known, followers) = tokio::try_join!(
        biased;
        pipeline.begin(),
        Guards::share(pipeline, changes),
        async { pipeline.query_unless(locks.is_empty(), instance_queue::LOCK, &[&TRANSACTION_CLASS, &locks]).await },
        async { pipeline.query(LOCK_ROWS, &[&uids, &instances, &owners]).await },
        Guards::read(pipeline, changes),
        async { pipeline.query_unless(instances.is_empty(), instance_queue::LAST, &[&instances, &owners]).await },
        async { pipeline.query_unless(!intends || instances.is_empty(), instance_queue::LOCKED_BY, &[&instances]).await },
        async { pipeline.query_unless(event_uids.is_empty(), KNOWN, &[&event_uids, &sequences]).await },
        async { pipeline.query_unless(terminal.is_empty(), FOLLOWERS, &[&terminal]).await },
    )?;
    let mut outbound = OutboundBatch::default();
    outbound.learn_known(&known)?;
    outbound.learn_followers(&followers)?;
    Ok((transaction_id, Ledger::new(&rows, LastTurns::read(&last), queues, &locked_by, outbound, guards, clock)))
}

async fn write(
    pipeline: Pipeline<'_>,
    update: &GroupUpdate<'_>,
    outbound: &OutboundBatch,
    shard: i16,
) -> Result<(), PgError> {
    let first =
        async { if update.first.is_empty() { Ok(()) } else { pipeline.execute(MARK_FIRST, &[&update.first]).await } };
    let counts = counts::write(pipeline, &update.counts, shard);
    tokio::try_join!(biased; job_rows::update(pipeline, &update.jobs), first, outbound.write(pipeline), counts)
        .map(drop)
}
