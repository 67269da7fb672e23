//! Batches: their rows, and how jobs get into them.
//!
//! A transaction that takes messages in locks the batches of all of them, in one order, after the keys and before everything
//! else, and no other transaction that has one of these rows waits for anything.

use std::collections::{BTreeMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Connection, Pipeline, Values};
use super::error::PgError;
use super::outbound::{FOLLOWERS, OutboundBatch};
use crate::domain::{BatchId, JobUid};
use crate::engine::batch::{Batch, Tally};
use crate::engine::ports::store::{Arrival, BatchChange, Committed, Misfit, NewBatch, StoreError, Wakeup};
use crate::store::judge::{self, StoredBatch};
use crate::store::row;
use crate::store::unreadable::{Page, UnreadableRows, further};

const INSERT: &str =
    "INSERT INTO batches (uid, requester, batch_id, accepted_us, closes_us, members, terms, size, record, revision)
    SELECT uid, requester, batch_id, accepted_us, closes_us, 0, terms, size, record, 0
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int8[], $5::int8[], $6::text[], $7::int8[], $8::text[])
      WITH ORDINALITY AS n(uid, requester, batch_id, accepted_us, closes_us, terms, size, record, place)
    ORDER BY place ON CONFLICT DO NOTHING RETURNING uid";
const LOCK: &str = "SELECT uid, terms, size, members, closes_us, ended_us IS NOT NULL FROM batches
    WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE";
const RAISE: &str = "UPDATE batches b SET members = n.members FROM unnest($1::uuid[], $2::int8[]) AS n(uid, members)
    WHERE b.uid = n.uid";
const DELETE: &str = "DELETE FROM batches WHERE uid = ANY ($1)";

/// The batches of the messages of one transaction.
#[derive(Default)]
pub(super) struct JoinedBatches {
    rows: BTreeMap<Uuid, StoredBatch>,
    /// Those that this transaction has inserted, until they are announced.
    new: HashSet<Uuid>,
    /// Those that a job has got into.
    raised: HashSet<Uuid>,
    /// Which queues were told the end of which.
    told: HashSet<(Uuid, String)>,
}

impl JoinedBatches {
    /// The statements of [`JoinedBatches::lock`] and [`JoinedBatches::write`].
    pub(super) const PREPARED: [&str; 4] = [INSERT, LOCK, RAISE, DELETE];

    /// Inserts the batches of `new` requests that are not there, and locks these and those of `repeated` ones.
    pub(super) async fn lock(
        pipeline: Pipeline<'_>,
        new: &[&Arrival],
        repeated: impl Iterator<Item = &Arrival>,
    ) -> Result<Self, PgError> {
        let first: BTreeMap<Uuid, &NewBatch> =
            new.iter().rev().filter_map(|arrival| arrival.batch.as_deref()).map(|new| (new.batch.uid.0, new)).collect();
        let named = repeated.filter_map(|arrival| Some(arrival.batch.as_ref()?.batch.uid.0));
        let uids: Vec<Uuid> = first.keys().copied().chain(named).collect();
        if uids.is_empty() {
            return Ok(Self::default());
        }
        let (inserted, locked) = tokio::try_join!(
            biased;
            insert(pipeline, &first),
            async { pipeline.query(LOCK, &[&uids]).await },
        )?;
        let rows: BTreeMap<Uuid, StoredBatch> = locked.iter().map(|row| (row.get(0), stored(row))).collect();
        if first.keys().any(|uid| !rows.contains_key(uid)) {
            let why = "a batch was deleted at this moment, because it was old";
            return Err(PgError::Collided(StoreError::Unavailable(why.into())));
        }
        Ok(Self { rows, new: inserted.iter().map(|row| row.get(0)).collect(), ..Self::default() })
    }

    /// The uids of all of them.
    pub(super) fn uids(&self) -> impl Iterator<Item = Uuid> {
        self.rows.keys().copied()
    }

    /// Gets a new job into its batch, if it has one. `Some` changes nothing.
    pub(super) fn join(&mut self, arrival: &Arrival) -> Result<Option<Misfit>, StoreError> {
        let Some(asked) = arrival.batch.as_deref() else { return Ok(None) };
        let uid = asked.batch.uid.0;
        let Some(stored) = self.rows.get_mut(&uid) else { return Ok(None) };
        if let Some(misfit) = judge::fit(stored, &asked.batch)? {
            return Ok(Some(misfit));
        }
        stored.members += 1;
        self.raised.insert(uid);
        Ok(None)
    }

    /// Adds what is to be said of the batch of a job that was taken.
    pub(super) fn answer(&mut self, arrival: &Arrival, outbound: &mut OutboundBatch) -> Result<(), StoreError> {
        let Some(NewBatch { batch, outbound: said }) = arrival.batch.as_deref() else { return Ok(()) };
        let uid = batch.uid.0;
        if self.raised.contains(&uid) && self.new.remove(&uid) {
            outbound.add(batch.uid, said)?;
        }
        let Some(queue) = &batch.origin.reply_to else { return Ok(()) };
        outbound.add_queue(batch.uid, &batch.origin);
        // Who asks after the end gets it at once, also again, and not once for each job.
        let ended = self.rows.get(&uid).is_some_and(|stored| stored.ended);
        if ended && self.told.insert((uid, queue.clone())) {
            outbound.repeat_latest(batch.uid, &batch.origin)?;
        }
        Ok(())
    }

    /// Writes how many jobs they have. A batch that was inserted for jobs of which none got in is deleted.
    pub(super) async fn write(&self, pipeline: Pipeline<'_>) -> Result<(), PgError> {
        let raised: Vec<Uuid> = self.raised.iter().copied().collect();
        let members: Vec<i64> = raised.iter().map(|uid| self.rows[uid].members.into()).collect();
        let empty: Vec<Uuid> = self.new.iter().copied().filter(|uid| !self.raised.contains(uid)).collect();
        tokio::try_join!(
            biased;
            async { if raised.is_empty() { Ok(()) } else { pipeline.execute(RAISE, &[&raised, &members]).await } },
            async { if empty.is_empty() { Ok(()) } else { pipeline.execute(DELETE, &[&empty]).await } },
        )
        .map(drop)
    }
}

async fn insert(pipeline: Pipeline<'_>, batches: &BTreeMap<Uuid, &NewBatch>) -> Result<Vec<Row>, PgError> {
    if batches.is_empty() {
        return Ok(Vec::new());
    }
    let all = || batches.values().map(|new| &new.batch);
    let uids: Vec<Uuid> = batches.keys().copied().collect();
    let requesters: Vec<&str> = all().map(|batch| batch.requester.as_str()).collect();
    let ids: Vec<&str> = all().map(|batch| batch.terms.id.as_str()).collect();
    let accepted: Vec<i64> = all().map(|batch| row::at_or_before(batch.accepted_at)).collect();
    let closes: Vec<i64> = all().map(|batch| row::not_before(batch.closes_at)).collect();
    let terms = all().map(row::terms).collect::<Result<Vec<_>, _>>()?;
    let sizes: Vec<i64> = all().map(|batch| batch.terms.size.into()).collect();
    let records = all().map(row::write_batch).collect::<Result<Vec<_>, _>>()?;
    pipeline.query(INSERT, &[&uids, &requesters, &ids, &accepted, &closes, &terms, &sizes, &records]).await
}

fn stored(row: &Row) -> StoredBatch {
    StoredBatch {
        terms: row.get(1),
        size: count(row.get(2)),
        members: count(row.get(3)),
        closes_us: row.get(4),
        ended: row.get(5),
    }
}

fn count(jobs: i64) -> u32 {
    u32::try_from(jobs).unwrap_or(u32::MAX)
}

pub(super) async fn load(conn: &Connection, uid: JobUid) -> Result<Option<(Batch, Tally)>, PgError> {
    let Some(found) = conn.query_opt("SELECT record, members FROM batches WHERE uid = $1", &[&uid.0]).await? else {
        return Ok(None);
    };
    let sql = "SELECT state, count(*) FROM jobs WHERE batch = $1 GROUP BY state";
    let mut states = BTreeMap::new();
    for row in conn.query(sql, &[&uid.0]).await? {
        states.insert(row::state(row.get(0))?, row.get::<_, i64>(1).unsigned_abs());
    }
    Ok(Some((row::read_batch(uid, found.get(0))?, Tally { members: count(found.get(1)), states })))
}

pub(super) async fn list(
    conn: &Connection,
    rows: &UnreadableRows,
    open: bool,
    mut before: Option<JobUid>,
    mut limit: usize,
) -> Result<Vec<Batch>, PgError> {
    let open = if open { " AND ended_us IS NULL" } else { "" };
    let mut batches = Vec::new();
    loop {
        let most = row::limit(limit);
        let page = match before {
            None => {
                let sql = format!(
                    "SELECT uid, record FROM batches WHERE true{open} ORDER BY accepted_us DESC, uid DESC LIMIT $1"
                );
                many(conn, rows, &sql, &[&most]).await?
            }
            Some(before) => {
                let sql = format!(
                    "SELECT uid, record FROM batches
                     WHERE (accepted_us, uid) < (SELECT accepted_us, uid FROM batches WHERE uid = $2){open}
                     ORDER BY accepted_us DESC, uid DESC LIMIT $1"
                );
                many(conn, rows, &sql, &[&most, &before.0]).await?
            }
        };
        let Some((last, missing)) = further(&mut batches, page, limit) else { return Ok(batches) };
        (before, limit) = (Some(last), missing);
    }
}

pub(super) async fn by_id(conn: &Connection, rows: &UnreadableRows, id: &BatchId) -> Result<Vec<Batch>, PgError> {
    let sql = "SELECT uid, record FROM batches WHERE batch_id = $1 ORDER BY requester LIMIT 100";
    Ok(many(conn, rows, sql, &[&id.as_str()]).await?.into_iter().filter_map(|(_, batch)| batch).collect())
}

async fn many(
    conn: &Connection,
    unreadable: &UnreadableRows,
    sql: &str,
    values: Values<'_>,
) -> Result<Page<Batch>, PgError> {
    let read = |row: &tokio_postgres::Row| {
        let uid = JobUid(row.get(0));
        (uid, unreadable.batch(uid, row.get(1)))
    };
    Ok(conn.query(sql, values).await?.iter().map(read).collect())
}

/// Applies a change, whole or not at all.
pub(super) async fn commit(conn: &Connection, change: &BatchChange) -> Result<(Committed, Wakeup), PgError> {
    let BatchChange { batch, members, outbound: said } = change;
    let (revision, text) = (row::revision(batch.revision)?, row::write_batch(batch)?);
    let ended = batch.ended_at.map(row::at_or_before);
    let sql = "UPDATE batches SET record = $2, revision = $3, ended_us = $4
        WHERE uid = $1 AND revision + 1 = $3 AND members = $5 AND ended_us IS NULL";
    if conn.execute(sql, &[&batch.uid.0, &text, &revision, &ended, &i64::from(*members)]).await? == 0 {
        return Ok((Committed::Conflict, Wakeup::default()));
    }
    let mut outbound = OutboundBatch::default();
    outbound.learn_followers(&conn.query(FOLLOWERS, &[&vec![batch.uid.0]]).await?)?;
    outbound.add(batch.uid, said)?;
    conn.prepare(&OutboundBatch::PREPARED).await?;
    outbound.write(conn.pipeline()).await?;
    Ok((Committed::Done, Wakeup { mail: outbound.has_mail(), ..Wakeup::default() }))
}
