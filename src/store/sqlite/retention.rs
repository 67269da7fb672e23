//! Retention: old jobs and rejections are deleted, with all that belongs to them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, Uid};
use super::transaction::SharedTransaction;
use crate::domain::JobUid;
use crate::engine::ports::store::StoreError;

/// How many jobs, and how many rejections, one transaction deletes: it holds up all other writes.
const PIECE: usize = 500;

/// Deletes some of the jobs that ended before `before`, and of the rejections that are older. One that has an unpublished message stays.
/// Returns how many jobs were deleted, and whether there may be more to delete.
pub(super) fn prune(tx: &SharedTransaction<'_>, before: Timestamp) -> Result<(usize, bool), StoreError> {
    let before = row::at_or_before(before);
    let jobs = uids(
        tx,
        "SELECT k.uid FROM keys k JOIN jobs j ON j.uid = k.uid
         WHERE j.ended = 1 AND j.finished_us < ?1 AND k.created_us < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = k.uid)
           AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.uid = j.batch AND b.ended_us IS NULL) LIMIT ?2",
        before,
    )?;
    for uid in &jobs {
        tx.prepare_cached("DELETE FROM keys WHERE uid = ?1")?.execute([uid])?;
        let (kind, state): (String, String) = tx
            .prepare_cached("DELETE FROM jobs WHERE uid = ?1 RETURNING kind, state")?
            .query_row([uid], |row| Ok((row.get(0)?, row.get(1)?)))?;
        // One with a name that this program does not know was counted by another version.
        if let Ok((kind, state)) = row::kind_and_state(&kind, &state) {
            tx.count(kind, state, -1);
        }
        delete_messages(tx, *uid)?;
        delete_followers(tx, *uid)?;
    }
    delete_batches(tx, before)?;
    let (_, more) = delete_rejections(tx, before)?;
    Ok((jobs.len(), more || jobs.len() == PIECE))
}

/// Deletes some of the rejections before `before`, the oldest first. One that has an unpublished message stays. Returns how many, and
/// whether there may be more.
pub(super) fn delete_rejections(tx: &SharedTransaction<'_>, before: i64) -> Result<(usize, bool), StoreError> {
    let rejections = uids(
        tx,
        "SELECT uid FROM rejections r
         WHERE at_us < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = r.uid) ORDER BY at_us LIMIT ?2",
        before,
    )?;
    for uid in &rejections {
        tx.prepare_cached("DELETE FROM rejections WHERE uid = ?1")?.execute([uid])?;
        delete_messages(tx, *uid)?;
    }
    Ok((rejections.len(), rejections.len() == PIECE))
}

/// Deletes these rejections, except those with an unpublished message. Returns how many there were.
pub(super) fn drop_rejections(conn: &Connection, uids: &[JobUid]) -> Result<usize, StoreError> {
    let mut delete = conn
        .prepare_cached("DELETE FROM rejections WHERE uid = ?1 AND NOT EXISTS (SELECT 1 FROM outbox WHERE uid = ?1)")?;
    let mut dropped = 0;
    for uid in uids {
        if delete.execute([Uid(*uid)])? == 1 {
            delete_messages(conn, Uid(*uid))?;
            dropped += 1;
        }
    }
    Ok(dropped)
}

/// Before which time the rejections are more than `most`; `None` if they are not.
pub(super) fn rejections_beyond(conn: &Connection, most: usize) -> Result<Option<i64>, StoreError> {
    let newest = conn
        .prepare_cached("SELECT at_us FROM rejections ORDER BY at_us DESC LIMIT 1 OFFSET ?1")?
        .query_row([row::limit(most)], |row| row.get::<_, i64>(0))
        .optional()?;
    Ok(newest.map(|at| at.saturating_add(1)))
}

/// Deletes some of the batches that ended before `before`, once their jobs are deleted.
fn delete_batches(conn: &Connection, before: i64) -> Result<(), StoreError> {
    let batches = uids(
        conn,
        "SELECT uid FROM batches b WHERE ended_us < ?1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.batch = b.uid)
           AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = b.uid) LIMIT ?2",
        before,
    )?;
    for uid in batches {
        conn.prepare_cached("DELETE FROM batches WHERE uid = ?1")?.execute([uid])?;
        delete_messages(conn, uid)?;
        delete_followers(conn, uid)?;
    }
    Ok(())
}

fn delete_followers(conn: &Connection, uid: Uid) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM followers WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}

fn uids(conn: &Connection, sql: &str, before: i64) -> Result<Vec<Uid>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![before, row::limit(PIECE)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn delete_messages(conn: &Connection, uid: Uid) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM events WHERE uid = ?1")?.execute([uid])?;
    conn.prepare_cached("DELETE FROM feed WHERE uid = ?1")?.execute([uid])?;
    conn.prepare_cached("DELETE FROM undeliverable WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}
