//! Batches: their rows, and how a job gets into one.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Params, params};

use super::outbound;
use super::row::{self, Uid};
use super::transaction::SharedTransaction;
use crate::domain::{BatchId, JobUid};
use crate::engine::batch::{Batch, Tally};
use crate::engine::ports::store::{BatchChange, Committed, Misfit, NewBatch, StoreError};
use crate::engine::record::{Origin, State};
use crate::store::judge::{self, StoredBatch};
use crate::store::unreadable::{Page, UnreadableRows, further};

/// Gets a job into its batch, which it makes if it is the first. `Some` changes nothing.
pub(super) fn join(conn: &Connection, new: &NewBatch) -> Result<Option<Misfit>, StoreError> {
    let uid = Uid(new.batch.uid);
    let stored = conn
        .prepare_cached("SELECT terms, size, members, closes_us, ended_us IS NOT NULL FROM batches WHERE uid = ?1")?
        .query_row([uid], |row| {
            Ok(StoredBatch {
                terms: row.get(0)?,
                size: row.get(1)?,
                members: row.get(2)?,
                closes_us: row.get(3)?,
                ended: row.get(4)?,
            })
        })
        .optional()?;
    let is_new = stored.is_none();
    let batch = match stored {
        Some(stored) => stored,
        None => StoredBatch::of(&new.batch)?,
    };
    if let Some(misfit) = judge::fit(&batch, &new.batch)? {
        return Ok(Some(misfit));
    }
    if is_new {
        conn.prepare_cached(
            "INSERT INTO batches (uid, requester, batch_id, accepted_us, closes_us, members, terms, size, record, revision)
             VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            uid,
            new.batch.requester.as_str(),
            new.batch.terms.id.as_str(),
            row::at_or_before(new.batch.accepted_at),
            batch.closes_us,
            batch.terms,
            batch.size,
            row::write_batch(&new.batch)?,
            row::revision(new.batch.revision)?,
        ])?;
        outbound::add(conn, new.batch.uid, &new.outbound)?;
    }
    conn.prepare_cached("UPDATE batches SET members = members + 1 WHERE uid = ?1")?.execute([uid])?;
    Ok(None)
}

/// Which queues were told the end of which batches, in one transaction.
pub(super) type Told = BTreeSet<(JobUid, String)>;

/// Lets a queue have the end of a batch. One that asks after the end gets it at once, also again, and not once for each job.
pub(super) fn follow(conn: &Connection, uid: JobUid, origin: &Origin, told: &mut Told) -> Result<(), StoreError> {
    let Some(queue) = &origin.reply_to else { return Ok(()) };
    outbound::add_queue(conn, uid, origin)?;
    if told.contains(&(uid, queue.clone())) {
        return Ok(());
    }
    let ended = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM batches WHERE uid = ?1 AND ended_us IS NOT NULL)")?
        .query_row([Uid(uid)], |row| row.get(0))?;
    if ended {
        outbound::repeat_latest(conn, uid, origin)?;
        told.insert((uid, queue.clone()));
    }
    Ok(())
}

pub(super) fn load(conn: &Connection, uid: JobUid) -> Result<Option<(Batch, Tally)>, StoreError> {
    let found = conn
        .prepare_cached("SELECT record, members FROM batches WHERE uid = ?1")?
        .query_row([Uid(uid)], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))
        .optional()?;
    let Some((text, members)) = found else { return Ok(None) };
    let mut statement = conn.prepare_cached("SELECT state, count(*) FROM jobs WHERE batch = ?1 GROUP BY state")?;
    let mut rows = statement.query([Uid(uid)])?;
    let mut states: BTreeMap<State, u64> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        states.insert(row::state(&row.get::<_, String>(0)?)?, row.get::<_, i64>(1)?.unsigned_abs());
    }
    Ok(Some((row::read_batch(uid, &text)?, Tally { members, states })))
}

pub(super) fn list(
    conn: &Connection,
    rows: &UnreadableRows,
    open: bool,
    mut before: Option<JobUid>,
    mut limit: usize,
) -> Result<Vec<Batch>, StoreError> {
    let open = if open { " AND ended_us IS NULL" } else { "" };
    let mut batches = Vec::new();
    loop {
        let most = row::limit(limit);
        let page = match before {
            None => {
                let sql = format!(
                    "SELECT uid, record FROM batches WHERE 1{open} ORDER BY accepted_us DESC, uid DESC LIMIT ?1"
                );
                many(conn, rows, &sql, [most])?
            }
            Some(before) => {
                let sql = format!(
                    "SELECT uid, record FROM batches
                     WHERE (accepted_us, uid) < (SELECT accepted_us, uid FROM batches WHERE uid = ?2){open}
                     ORDER BY accepted_us DESC, uid DESC LIMIT ?1"
                );
                many(conn, rows, &sql, params![most, Uid(before)])?
            }
        };
        let Some((last, missing)) = further(&mut batches, page, limit) else { return Ok(batches) };
        (before, limit) = (Some(last), missing);
    }
}

pub(super) fn by_id(conn: &Connection, rows: &UnreadableRows, id: &BatchId) -> Result<Vec<Batch>, StoreError> {
    let sql = "SELECT uid, record FROM batches WHERE batch_id = ?1 ORDER BY requester LIMIT 100";
    Ok(many(conn, rows, sql, [id.as_str()])?.into_iter().filter_map(|(_, batch)| batch).collect())
}

fn many(
    conn: &Connection,
    unreadable: &UnreadableRows,
    sql: &str,
    params: impl Params,
) -> Result<Page<Batch>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let uid = row.get::<_, Uid>(0)?.0;
        page.push((uid, unreadable.batch(uid, &row.get::<_, String>(1)?)));
    }
    Ok(page)
}

/// Applies a change, whole or not at all.
pub(super) fn commit(tx: &SharedTransaction<'_>, change: &BatchChange) -> Result<Committed, StoreError> {
    let BatchChange { batch, members, outbound } = change;
    let revision = row::revision(batch.revision)?;
    let changed = tx
        .prepare_cached(
            "UPDATE batches SET record = ?2, revision = ?3, ended_us = ?4
             WHERE uid = ?1 AND revision = ?3 - 1 AND members = ?5 AND ended_us IS NULL",
        )?
        .execute(params![
            Uid(batch.uid),
            row::write_batch(batch)?,
            revision,
            batch.ended_at.map(row::at_or_before),
            members,
        ])?;
    if changed == 0 {
        return Ok(Committed::Conflict);
    }
    outbound::add(tx, batch.uid, outbound)?;
    Ok(Committed::Done)
}
