//! Retention: old jobs and rejections are deleted, with all that belongs to them.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::row::{self, Uid};
use super::transaction::SharedTransaction;
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
         WHERE j.ended = 1 AND j.finished_us < ?1 AND k.created_us < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = k.uid) LIMIT ?2",
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
    }
    let rejections = uids(
        tx,
        "SELECT uid FROM rejections r
         WHERE at_us < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = r.uid) LIMIT ?2",
        before,
    )?;
    for uid in &rejections {
        tx.prepare_cached("DELETE FROM rejections WHERE uid = ?1")?.execute([uid])?;
        delete_messages(tx, *uid)?;
    }
    Ok((jobs.len(), jobs.len() == PIECE || rejections.len() == PIECE))
}

fn uids(conn: &Connection, sql: &str, before: i64) -> Result<Vec<Uid>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![before, row::limit(PIECE)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn delete_messages(conn: &Connection, uid: Uid) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM events WHERE uid = ?1")?.execute([uid])?;
    conn.prepare_cached("DELETE FROM undeliverable WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}
