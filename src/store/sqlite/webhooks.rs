//! Messages of the outbox that are for webhooks.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::outbox;
use super::row;
use crate::engine::ports::store::{OutboxRow, StoreError};

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
