//! Messages of the outbox that are for webhooks.

use jiff::Timestamp;

use super::connection::Connection;
use super::error::PgError;
use super::outbox::outbox_row;
use crate::engine::ports::store::{OutboxRow, StoreError};
use crate::store::row;

/// Those that are due, by their turn among those of their host, which stands between the second and the third slash.
const DUE: &str = "WITH due AS (
      SELECT number, row_number() OVER (
          PARTITION BY rtrim(split_part(queue, '/', 3), '\"') ORDER BY due_us NULLS FIRST, number) AS turn
      FROM outbox WHERE queue >= '\"https://' AND queue < '\"https:0'
        AND (due_us IS NULL OR due_us <= $1 OR due_us BETWEEN $3 AND $4)
      ORDER BY turn, number LIMIT $2)
    SELECT m.number, m.address, m.about, m.body, o.tries
    FROM due JOIN mail m ON m.number = due.number JOIN outbox o ON o.number = due.number
    ORDER BY due.turn, due.number";

pub(super) async fn due(conn: &Connection, now: Timestamp, limit: usize) -> Result<Vec<OutboxRow>, PgError> {
    let (at, far) = (row::at_or_before(now), row::webhook_put_off_too_far(now));
    let rows = conn.query(DUE, &[&at, &row::limit(limit), far.start(), far.end()]).await?;
    Ok(rows.iter().map(outbox_row).collect::<Result<_, StoreError>>()?)
}

pub(super) async fn next(conn: &Connection, now: Timestamp) -> Result<Option<Timestamp>, PgError> {
    let sql = "SELECT min(due_us) FROM outbox WHERE queue >= '\"https://' AND queue < '\"https:0' AND due_us > $1";
    let row = conn.query_one(sql, &[&row::at_or_before(now)]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}
