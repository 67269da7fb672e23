//! What is still to be published, and what became of it.

use tokio_postgres::Row;

use super::error::Fault;
use super::outbound;
use super::session::Session;
use crate::engine::ports::store::{OutboxRow, StoreError};
use crate::store::row;

/// The next messages after number `after`, and those before it that were missing.
pub(super) async fn page(session: &Session, after: i64, missed: &[i64], limit: usize) -> Result<Vec<OutboxRow>, Fault> {
    let sql = "SELECT * FROM (
          (SELECT number, address, about, body FROM mail WHERE number = ANY ($2) AND number <= $1)
          UNION ALL
          (SELECT number, address, about, body FROM mail WHERE number > $1 ORDER BY number LIMIT $3)) AS page
        ORDER BY number LIMIT $3";
    let rows = session.query(sql, &[&after, &missed, &row::limit(limit)]).await?;
    Ok(rows.into_iter().map(read).collect::<Result<_, _>>()?)
}

/// A message from its row: number, address, about, body.
pub(super) fn read(row: Row) -> Result<OutboxRow, StoreError> {
    let number = row.get(0);
    let missing = || StoreError::Corrupt(format!("message {number} has lost its event"));
    let about = row.get::<_, Option<&str>>(2).ok_or_else(missing)?;
    let body = row.get::<_, Option<Vec<u8>>>(3).ok_or_else(missing)?;
    Ok(OutboxRow { number, outgoing: outbound::outgoing(row.get(1), about, body)? })
}

/// Takes published messages out. Numbers that are not there were settled before.
pub(super) async fn mark_sent(session: &Session, confirmed: &[i64], undeliverable: &[i64]) -> Result<(), Fault> {
    if !undeliverable.is_empty() {
        let sql = "INSERT INTO undeliverable (number, uid, address, about, body)
            SELECT number, uid, address, about, body FROM mail WHERE number = ANY ($1) ON CONFLICT DO NOTHING";
        session.execute(sql, &[&undeliverable]).await?;
    }
    let all: Vec<i64> = confirmed.iter().chain(undeliverable).copied().collect();
    session.execute("DELETE FROM outbox WHERE number = ANY ($1)", &[&all]).await.map(drop)
}
