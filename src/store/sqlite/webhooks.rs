//! Messages of the outbox that are for webhooks.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::outbox;
use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::store::{OutboxRow, StoreError, WaitingWebhook};

/// The numbers of those that are due, by their turn among those of their host, which is what stands before the third slash.
const DUE: &str = "
    SELECT number FROM (
      SELECT number, row_number() OVER (
          PARTITION BY substr(routing_key, 1, 7 + instr(substr(routing_key, 9) || '/', '/'))
          ORDER BY due_us NULLS FIRST, number) AS turn
      FROM outbox WHERE exchange = '' AND routing_key >= 'https://' AND routing_key < 'https:0'
        AND (due_us IS NULL OR due_us <= ?1 OR due_us BETWEEN ?3 AND ?4))
    ORDER BY turn, number LIMIT ?2";

pub(super) fn due(conn: &Connection, now: Timestamp, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
    let (at, far) = (row::at_or_before(now), row::webhook_put_off_too_far(now));
    let numbers = outbox::numbers(conn, DUE, params![at, row::limit(limit), far.start(), far.end()])?;
    outbox::read(conn, numbers, usize::MAX)
}

pub(super) fn next(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let sql = "SELECT min(due_us) FROM outbox
        WHERE exchange = '' AND routing_key >= 'https://' AND routing_key < 'https:0' AND due_us > ?1";
    let due: Option<i64> = conn.prepare_cached(sql)?.query_row([row::at_or_before(now)], |row| row.get(0))?;
    Ok(due.map(row::time))
}

/// Those that are about a job or a batch.
pub(super) fn of(conn: &Connection, uid: JobUid, limit: usize) -> Result<Vec<WaitingWebhook>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT number, routing_key, tries, due_us, reason FROM outbox
         WHERE uid = ?1 AND exchange = '' AND routing_key >= 'https://' AND routing_key < 'https:0' ORDER BY number LIMIT ?2",
    )?;
    let rows = statement.query_map(params![Uid(uid), row::limit(limit)], |row| {
        let due: Option<i64> = row.get(3)?;
        Ok(WaitingWebhook {
            number: row.get(0)?,
            url: row.get(1)?,
            tries: row.get(2)?,
            due: due.map(row::time),
            reason: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes those of these numbers due that are put off.
pub(super) fn bring_forward(conn: &Connection, numbers: &[i64]) -> Result<usize, StoreError> {
    let mut statement = conn.prepare_cached(
        "UPDATE outbox SET due_us = 0 WHERE number = ?1 AND due_us IS NOT NULL AND exchange = ''
           AND routing_key >= 'https://' AND routing_key < 'https:0'",
    )?;
    let mut brought = 0;
    for number in numbers {
        brought += statement.execute([number])?;
    }
    Ok(brought)
}
