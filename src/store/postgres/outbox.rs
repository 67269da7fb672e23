//! The outbox: messages that are still to be published.

use tokio_postgres::Row;

use super::connection::Connection;
use super::error::PgError;
use super::outbound;
use crate::engine::ports::store::{OutboxRow, StoreError};
use crate::store::row;

/// The next messages after number `after`, and those of the numbers in `missing` that have appeared; in order.
pub(super) async fn page(
    conn: &Connection,
    after: i64,
    missing: &[i64],
    limit: usize,
) -> Result<Vec<OutboxRow>, PgError> {
    let sql = "SELECT * FROM (
          (SELECT number, address, about, body FROM mail WHERE number = ANY ($2) AND number <= $1)
          UNION ALL
          (SELECT number, address, about, body FROM mail WHERE number > $1 ORDER BY number LIMIT $3)) AS page
        ORDER BY number LIMIT $3";
    let rows = conn.query(sql, &[&after, &missing, &row::limit(limit)]).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// A message from the columns number, address, about and body.
pub(super) fn read(row: Row) -> Result<OutboxRow, StoreError> {
    let number = row.get(0);
    let lost = || StoreError::Corrupt(format!("message {number} has lost its event"));
    let about = row.get::<_, Option<&str>>(2).ok_or_else(lost)?;
    let body = row.get::<_, Option<Vec<u8>>>(3).ok_or_else(lost)?;
    Ok(OutboxRow { number, outgoing: outbound::outgoing(row.get(1), about, body)? })
}

/// Removes published messages; keeps undeliverable ones aside. A number that is not there was removed before.
pub(super) async fn mark_sent(conn: &Connection, confirmed: &[i64], undeliverable: &[i64]) -> Result<(), PgError> {
    if !undeliverable.is_empty() {
        let sql = "INSERT INTO undeliverable (number, uid, address, about, body)
            SELECT number, uid, address, about, body FROM mail WHERE number = ANY ($1) ON CONFLICT DO NOTHING";
        conn.execute(sql, &[&undeliverable]).await?;
    }
    let all: Vec<i64> = confirmed.iter().chain(undeliverable).copied().collect();
    conn.execute("DELETE FROM outbox WHERE number = ANY ($1)", &[&all]).await.map(drop)
}
