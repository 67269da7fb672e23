//! Messages of the outbox that are for webhooks.

use jiff::Timestamp;

use super::connection::Connection;
use super::error::PgError;
use super::outbox::outbox_row;
use crate::domain::JobUid;
use crate::engine::ports::store::{OutboxRow, StoreError, WaitingWebhook};
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

/// Those that are about a job or a batch. The column `queue` has the URL as it is written in JSON.
pub(super) async fn of(conn: &Connection, uid: JobUid, limit: usize) -> Result<Vec<WaitingWebhook>, PgError> {
    let sql = "SELECT number, queue, tries, due_us, reason FROM outbox
        WHERE uid = $1 AND queue >= '\"https://' AND queue < '\"https:0' ORDER BY number LIMIT $2";
    let rows = conn.query(sql, &[&uid.0, &row::limit(limit)]).await?;
    let waiting = |row: &tokio_postgres::Row| WaitingWebhook {
        number: row.get(0),
        url: serde_json::from_str(row.get(1)).unwrap_or_default(),
        tries: row.get::<_, i32>(2).unsigned_abs(),
        due: row.get::<_, Option<i64>>(3).map(row::time),
        reason: row.get(4),
    };
    Ok(rows.iter().map(waiting).collect())
}

/// Makes those of these numbers due that are put off.
pub(super) async fn bring_forward(conn: &Connection, numbers: &[i64]) -> Result<usize, PgError> {
    let sql = "UPDATE outbox SET due_us = 0
        WHERE number = ANY ($1) AND due_us IS NOT NULL AND queue >= '\"https://' AND queue < '\"https:0'";
    conn.execute(sql, &[&numbers]).await
}
