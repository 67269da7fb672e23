//! The outbox: messages that are still to be published.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{OutboxRow, StoreError};

/// The number of the last message that was ever put in.
pub(super) fn last_number(conn: &Connection) -> Result<i64, StoreError> {
    let last =
        conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")?.query_row([], |row| row.get(0));
    Ok(last.optional()?.unwrap_or(0))
}

pub(super) fn page(conn: &Connection, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
    read(
        conn,
        "SELECT number, message_id, exchange, routing_key, correlation_id, content_type, headers, body
         FROM mail WHERE number > ?1 ORDER BY number LIMIT ?2",
        after,
        limit,
    )
}

/// The messages that `sql` selects by `after` and `limit`.
pub(super) fn read(conn: &Connection, sql: &str, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![after, row::limit(limit)])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let number = row.get(0)?;
        let headers: String = row.get(6)?;
        page.push(OutboxRow {
            number,
            outgoing: Outgoing {
                message_id: row.get(1)?,
                exchange: row.get(2)?,
                routing_key: row.get(3)?,
                correlation_id: row.get(4)?,
                content_type: row.get(5)?,
                headers: serde_json::from_str(&headers)
                    .map_err(|e| StoreError::Corrupt(format!("headers of message {number}: {e}")))?,
                body: Bytes::from(row.get::<_, Vec<u8>>(7)?),
            },
        });
    }
    Ok(page)
}

/// Removes published messages; keeps undeliverable ones aside. A number that is not there was removed before.
pub(super) fn mark_sent(conn: &Connection, confirmed: &[i64], undeliverable: &[i64]) -> Result<(), StoreError> {
    let mut aside = conn.prepare_cached(
        "INSERT INTO undeliverable
           (number, uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body)
         SELECT number, uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body
         FROM mail WHERE number = ?1",
    )?;
    for number in undeliverable {
        aside.execute([number])?;
    }
    let mut delete = conn.prepare_cached("DELETE FROM outbox WHERE number = ?1")?;
    for number in confirmed.iter().chain(undeliverable) {
        delete.execute([number])?;
    }
    Ok(())
}
