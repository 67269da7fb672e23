//! Dead letters: rejected messages, and messages that could not be published.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::outbox;
use super::row::{self, Uid};
use super::webhooks;
use crate::domain::{BatchId, JobUid};
use crate::engine::ports::store::{Rejected, RejectedMessage, StoreError, UndeliverableRow};

/// What a rejection is read from.
const REJECTED: &str = "SELECT uid, at_us, requester, job_id, reasons, batch_id, not_listed FROM rejections";

pub(super) fn rejections(conn: &Connection, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError> {
    let mut statement = conn.prepare_cached(&format!(
        "{REJECTED} WHERE ?1 IS NULL OR (at_us, uid) < (SELECT at_us, uid FROM rejections WHERE uid = ?1)
         ORDER BY at_us DESC, uid DESC LIMIT ?2"
    ))?;
    let rows = statement.query_map(params![before.map(Uid), row::limit(limit)], |row| Ok(rejected(row)))?;
    rows.map(|row| row?).collect()
}

/// Rejected messages that name a batch, newest first.
pub(super) fn rejections_of(conn: &Connection, batch: &BatchId, limit: usize) -> Result<Vec<Rejected>, StoreError> {
    let mut statement =
        conn.prepare_cached(&format!("{REJECTED} WHERE batch_id = ?1 ORDER BY at_us DESC, uid DESC LIMIT ?2"))?;
    let rows = statement.query_map(params![batch.as_str(), row::limit(limit)], |row| Ok(rejected(row)))?;
    rows.map(|row| row?).collect()
}

fn rejected(row: &Row<'_>) -> Result<Rejected, StoreError> {
    let (uid, requester, reasons): (Uid, String, String) = (row.get(0)?, row.get(2)?, row.get(4)?);
    row::rejected(uid.0, row.get(1)?, &requester, row.get(3)?, &reasons, (row.get(5)?, row.get(6)?))
}

pub(super) fn rejection(conn: &Connection, uid: JobUid) -> Result<Option<RejectedMessage>, StoreError> {
    let found = conn
        .prepare_cached(&format!("{REJECTED} WHERE uid = ?1"))?
        .query_row([Uid(uid)], |row| Ok(rejected(row)))
        .optional()?;
    let Some(rejected) = found.transpose()? else { return Ok(None) };
    let kept = conn
        .prepare_cached(
            "SELECT sequence, message_id, exchange, routing_key, correlation_id, content_type, headers, body
             FROM events WHERE uid = ?1 AND sequence = 0",
        )?
        .query_row([Uid(uid)], |row| Ok(outbox::outgoing(row)))
        .optional()?;
    Ok(Some(RejectedMessage { rejected, kept: kept.transpose()? }))
}

pub(super) fn undeliverable(conn: &Connection, after: i64, limit: usize) -> Result<Vec<UndeliverableRow>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT number, message_id, exchange, routing_key, correlation_id, content_type, headers, body, reason, tries
         FROM undeliverable WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![after, row::limit(limit)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(UndeliverableRow {
            number: row.get(0)?,
            outgoing: outbox::outgoing(row)?,
            reason: row.get(8)?,
            tries: row.get(9)?,
        });
    }
    Ok(page)
}

pub(super) fn replay(conn: &Connection, numbers: &[i64]) -> Result<usize, StoreError> {
    let mut again = conn.prepare_cached(
        "INSERT INTO outbox (uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body)
         SELECT uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body
         FROM undeliverable WHERE number = ?1",
    )?;
    let mut delete = conn.prepare_cached("DELETE FROM undeliverable WHERE number = ?1")?;
    let mut replayed = 0;
    for number in numbers {
        replayed += again.execute([number])?;
        delete.execute([number])?;
    }
    Ok(replayed + webhooks::bring_forward(conn, numbers)?)
}

pub(super) fn drop_undeliverable(conn: &Connection, numbers: &[i64]) -> Result<usize, StoreError> {
    let mut delete = conn.prepare_cached("DELETE FROM undeliverable WHERE number = ?1")?;
    let mut dropped = 0;
    for number in numbers {
        dropped += delete.execute([number])?;
    }
    Ok(dropped)
}
