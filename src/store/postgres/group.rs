//! A group of changes in one transaction and two round trips: lock and read all they are about; write what was decided,
//! and commit.

use std::collections::HashSet;

use uuid::Uuid;

use super::change::{LeaseNext, Ledger, Next, Undecided, Written};
use super::error::Fault;
use super::guards::{self, Guards};
use super::keep;
use super::line::{self, Ends, Place};
use super::outbound::{self, FOLLOWING, KNOWN, Post};
use super::outcome::{self, Outcome};
use super::pool::Pool;
use super::session::{NUMBER, Pipeline, Session, Values};
use super::time::{Time, now_us};
use crate::engine::ports::store::{Change, Committed, StoreError, Wakeup};
use crate::store::row;

/// What became of each change.
pub(super) type Verdict = Result<Committed, StoreError>;

/// Rows of these jobs, and the first of each of these lines that is not among them: whoever leaves may hand the place on
/// to that one. Locked in one order, so that two groups never wait for each other in a circle.
const LOCK_ROWS: &str = "WITH wanted AS MATERIALIZED (
      SELECT unnest($1::uuid[]) AS uid
      UNION
      SELECT next.uid FROM unnest($2::text[]) AS n(instance_id) CROSS JOIN LATERAL (
        SELECT uid FROM jobs j WHERE j.instance_id = n.instance_id AND turn IS NOT NULL AND uid <> ALL ($1)
        ORDER BY turn LIMIT 1) AS next)
    SELECT j.uid, revision, state, kind, instance_id, turn, is_first, lease_holder, lease_token, counted_as, begun_us
    FROM jobs j JOIN wanted ON wanted.uid = j.uid ORDER BY j.uid FOR NO KEY UPDATE OF j";

const UPDATE: &str = concat!(
    "UPDATE jobs j SET state = n.state, ended = n.ended, finished_us = n.finished_us, due_us = n.due_us,
       swept = n.swept, record = n.record, revision = n.revision, turn = n.turn, is_first = n.is_first,
       counted_as = n.counted_as, begun_us = n.begun_us, held = n.held,
       lease_holder = CASE WHEN n.freed THEN NULL ELSE j.lease_holder END,
       lease_until_us = CASE WHEN n.freed THEN 0 ELSE coalesce(n.until_us, ",
    now_us!(),
    " + n.length_us, j.lease_until_us) END
     FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::int8[], $5::int8[], $6::bool[], $7::text[], $8::int8[],
       $9::int8[], $10::bool[], $11::bool[], $12::int8[], $13::int8[], $14::text[], $15::int8[], $16::text[])
       AS n(uid, state, ended, finished_us, due_us, swept, record, revision, turn, is_first, freed, until_us, length_us,
         counted_as, begun_us, held)
     WHERE j.uid = n.uid"
);
const UPDATE_FIRST: &str = "UPDATE jobs SET is_first = true WHERE uid = ANY ($1)";

/// Applies changes, each for itself; returns once they are on disk.
pub(super) async fn apply(
    session: &Session,
    pool: &Pool,
    changes: &[&Change],
    time: &Time,
    shard: i16,
) -> Result<(Vec<Verdict>, Wakeup), Fault> {
    session
        .prepare(&[NUMBER, line::LOCK, LOCK_ROWS, line::LAST, KNOWN, FOLLOWING, UPDATE, UPDATE_FIRST, keep::COUNT])
        .await?;
    session.prepare(&Post::PREPARED).await?;
    session.prepare(&[guards::SHARE, guards::PAUSED, guards::BEGUN]).await?;
    let mut lines: HashSet<String> = changes
        .iter()
        .flat_map(|change| std::iter::once(&change.record).chain(change.also.iter().map(|(record, _)| record)))
        .filter(|record| !record.phase.in_queue())
        .map(|record| record.job.instance.id.as_str().to_owned())
        .collect();
    // Each time round at least one line more, so it ends.
    loop {
        match attempt(session, pool, changes, &lines, time, shard).await? {
            Attempt::Done(verdicts, heard) => return Ok((verdicts, heard)),
            Attempt::Lines(more) => lines.extend(more),
        }
    }
}

enum Attempt {
    Done(Vec<Verdict>, Wakeup),
    /// These lines must be locked too.
    Lines(Vec<String>),
}

async fn attempt(
    session: &Session,
    pool: &Pool,
    changes: &[&Change],
    lines: &HashSet<String>,
    time: &Time,
    shard: i16,
) -> Result<Attempt, Fault> {
    let (number, mut ledger) = load(session, changes, lines, time).await?;
    let states = ledger.states();
    let (mut verdicts, mut more) = (Vec::with_capacity(changes.len()), Vec::new());
    for change in changes {
        match ledger.apply(change) {
            Ok(committed) => verdicts.push(Ok(committed)),
            Err(Undecided::Error(error)) => verdicts.push(Err(error)),
            Err(Undecided::Line(instance)) => more.push(instance),
        }
    }
    if !more.is_empty() {
        session.batch("ROLLBACK").await?;
        return Ok(Attempt::Lines(more));
    }
    ledger.settle();
    let written = ledger.written(&states);
    if written.changed.is_empty() {
        session.batch("ROLLBACK").await?;
        return Ok(Attempt::Done(verdicts, Wakeup::default()));
    }
    let heard = written.heard;
    let pipeline = session.pipeline();
    match pipeline.commit(write(pipeline, &written, &ledger.post, shard)).await {
        Ok(()) => Ok(Attempt::Done(verdicts, heard)),
        // The server said what is the matter, so it has undone the transaction; or it said nothing.
        Err(Fault::Store(StoreError::Unavailable(why))) => match outcome::of(&number, pool).await {
            Outcome::Committed => Ok(Attempt::Done(verdicts, heard)),
            Outcome::Undone => Err(StoreError::Unavailable(why).into()),
        },
        Err(fault) => Err(fault),
    }
}

/// Locks lines and rows, and reads all that is compared.
async fn load<'a>(
    session: &Session,
    changes: &[&Change],
    lines: &'a HashSet<String>,
    time: &'a Time,
) -> Result<(String, Ledger<'a>), Fault> {
    let (mut uids, mut keys, mut terminal) = (Vec::<Uuid>::new(), (Vec::<Uuid>::new(), Vec::<i32>::new()), Vec::new());
    for change in changes {
        let also = change.also.iter().map(|(record, outbound)| (record, outbound));
        for (record, outbound) in std::iter::once((&change.record, &change.outbound)).chain(also) {
            uids.push(record.uid.0);
            for event in outbound.iter().filter_map(|message| message.event) {
                keys.0.push(event.uid.0);
                // One that cannot be is refused when it is to be said.
                keys.1.push(outbound::sequence(event.sequence).unwrap_or(i32::MAX));
                if event.terminal {
                    terminal.push(event.uid.0);
                }
            }
        }
    }
    let instances: Vec<&str> = lines.iter().map(String::as_str).collect();
    let counts = guards::counts(changes);
    let locks = line::keys(instances.iter().copied().chain(counts.iter().map(String::as_str)));
    let pipeline = session.pipeline();
    let (number, (), _, rows, guards, last, known, following) = tokio::try_join!(
        biased;
        pipeline.begin(),
        Guards::share(pipeline, changes),
        async { pipeline.unless(locks.is_empty(), line::LOCK, &[&line::CLASS, &locks]).await },
        async { pipeline.query(LOCK_ROWS, &[&uids, &instances]).await },
        Guards::read(pipeline, changes),
        async { pipeline.unless(instances.is_empty(), line::LAST, &[&instances]).await },
        async { pipeline.unless(keys.0.is_empty(), KNOWN, &[&keys.0, &keys.1]).await },
        async { pipeline.unless(terminal.is_empty(), FOLLOWING, &[&terminal]).await },
    )?;
    let mut post = Post::default();
    post.learn_known(&known)?;
    post.learn_followers(&following)?;
    Ok((number, Ledger::new(&rows, Ends::read(&last), lines, post, guards, time)))
}

async fn write(pipeline: Pipeline<'_>, written: &Written<'_>, post: &Post, shard: i16) -> Result<(), Fault> {
    let rows = async {
        let rows = Columns::of(&written.changed)?;
        let values: Values<'_> = &[
            &rows.uid,
            &rows.state,
            &rows.ended,
            &rows.finished,
            &rows.due,
            &rows.swept,
            &rows.record,
            &rows.revision,
            &rows.turn,
            &rows.is_first,
            &rows.freed,
            &rows.until,
            &rows.length,
            &rows.counted_as,
            &rows.begun,
            &rows.held,
        ];
        pipeline.execute(UPDATE, values).await
    };
    let first = async {
        if written.first.is_empty() { Ok(()) } else { pipeline.execute(UPDATE_FIRST, &[&written.first]).await }
    };
    let count = keep::count(pipeline, &written.census, shard);
    tokio::try_join!(biased; rows, first, post.write(pipeline), count).map(drop)
}

/// Rows by column, as one statement takes them.
#[derive(Default)]
struct Columns {
    uid: Vec<Uuid>,
    state: Vec<&'static str>,
    ended: Vec<bool>,
    finished: Vec<Option<i64>>,
    due: Vec<Option<i64>>,
    swept: Vec<bool>,
    record: Vec<String>,
    revision: Vec<i64>,
    turn: Vec<Option<i64>>,
    is_first: Vec<bool>,
    freed: Vec<bool>,
    until: Vec<Option<i64>>,
    length: Vec<Option<i64>>,
    counted_as: Vec<Option<String>>,
    begun: Vec<Option<i64>>,
    held: Vec<Option<String>>,
}

impl Columns {
    fn of(changed: &[(&Next, Place)]) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for (Next { record, lease }, place) in changed {
            let of = row::index(record)?;
            let end = match lease {
                LeaseNext::Until(end) => Some(end),
                LeaseNext::Same | LeaseNext::Free => None,
            };
            rows.uid.push(record.uid.0);
            rows.state.push(of.state.as_str());
            rows.ended.push(of.ended);
            rows.finished.push(of.finished_us);
            rows.due.push(of.due_us);
            rows.swept.push(of.swept);
            rows.record.push(row::write(record)?);
            rows.revision.push(of.revision);
            rows.turn.push(place.turn);
            rows.is_first.push(place.is_first);
            rows.freed.push(*lease == LeaseNext::Free);
            rows.until.push(end.and_then(|end| end.until_us));
            rows.length.push(end.and_then(|end| end.length_us));
            rows.counted_as.push(of.counted_as);
            rows.begun.push(of.begun_us);
            rows.held.push(of.held.map(str::to_owned));
        }
        Ok(rows)
    }
}
