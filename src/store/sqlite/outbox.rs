//! The outbox: messages that are still to be published. Those to webhooks are told from replies by what their routing key begins
//! with: `'https:0'` is the first text after all that begin with `https://`.

use bytes::Bytes;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql, params};

use super::row;
use crate::domain::webhook::SCHEME;
use crate::engine::ports::mail::{Lane, Outgoing};
use crate::engine::ports::store::{Outbox, OutboxPage, OutboxRow, SetAside, Settlement, StoreError};

/// The numbers of messages that no queue has refused; of replies, those whose queue refuses no other.
const FRESH: &str = "
    SELECT number FROM outbox o
    WHERE (exchange = '') = ?1 AND due_us IS NULL AND number > ?2
      AND NOT (?1 AND routing_key >= 'https://' AND routing_key < 'https:0')
      AND NOT (?1 AND EXISTS (SELECT 1 FROM outbox w
                              WHERE w.exchange = '' AND w.routing_key = o.routing_key AND w.due_us IS NOT NULL))
    ORDER BY number LIMIT ?3";

/// The numbers of messages that were put off and are due.
const PUT_OFF: &str = "
    SELECT number FROM outbox
    WHERE (exchange = '') = ?1 AND due_us IS NOT NULL
      AND NOT (?1 AND routing_key >= 'https://' AND routing_key < 'https:0') AND (due_us <= ?2 OR due_us BETWEEN ?4 AND ?5)
    ORDER BY number LIMIT ?3";

/// The number of the last message that was ever put in.
pub(super) fn last_number(conn: &Connection) -> Result<i64, StoreError> {
    let last =
        conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'outbox'")?.query_row([], |row| row.get(0));
    Ok(last.optional()?.unwrap_or(0))
}

pub(super) fn page(conn: &Connection, page: OutboxPage) -> Result<Vec<OutboxRow>, StoreError> {
    let (replies, limit) = (page.lane == Lane::Replies, row::limit(page.messages));
    let numbers = match page.which {
        Outbox::Fresh(after) => numbers(conn, FRESH, params![replies, after, limit])?,
        Outbox::PutOff(now) => {
            let (now, far) = (row::at_or_before(now), row::put_off_too_far(now));
            numbers(conn, PUT_OFF, params![replies, now, limit, far.start(), far.end()])?
        }
    };
    read(conn, numbers, page.bytes)
}

/// The messages of these numbers, in this order, until they have as many bytes; but the first whatever its size.
pub(super) fn read(conn: &Connection, numbers: Vec<i64>, most: usize) -> Result<Vec<OutboxRow>, StoreError> {
    let mut read = conn.prepare_cached(
        "SELECT m.number, m.message_id, m.exchange, m.routing_key, m.correlation_id, m.content_type, m.headers, m.body,
                o.tries
         FROM mail m JOIN outbox o ON o.number = m.number WHERE m.number = ?1",
    )?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for number in numbers {
        let Some(message) = read.query_row([number], |row| Ok(outbox_row(row))).optional()? else { continue };
        let message = message?;
        bytes += message.outgoing.body.len();
        if bytes > most && !rows.is_empty() {
            break;
        }
        rows.push(message);
    }
    Ok(rows)
}

pub(super) fn numbers(conn: &Connection, sql: &str, of: &[&dyn ToSql]) -> Result<Vec<i64>, StoreError> {
    Ok(conn.prepare_cached(sql)?.query_map(of, |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(super) fn next_retry(conn: &Connection, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
    let due: Option<i64> = conn
        .prepare_cached(
            "SELECT min(due_us) FROM outbox WHERE (exchange = '') = ?1 AND due_us IS NOT NULL
               AND NOT (?1 AND routing_key >= 'https://' AND routing_key < 'https:0')",
        )?
        .query_row([lane == Lane::Replies], |row| row.get(0))?;
    Ok(due.map(row::time))
}

fn outbox_row(row: &Row<'_>) -> Result<OutboxRow, StoreError> {
    Ok(OutboxRow { number: row.get(0)?, outgoing: outgoing(row)?, tries: row.get(8)? })
}

/// A message from the columns after the first: message id, exchange, routing key, correlation id, content type, headers and
/// body.
pub(super) fn outgoing(row: &Row<'_>) -> Result<Outgoing, StoreError> {
    let (number, headers): (i64, String) = (row.get(0)?, row.get(6)?);
    Ok(Outgoing {
        message_id: row.get(1)?,
        exchange: row.get(2)?,
        routing_key: row.get(3)?,
        correlation_id: row.get(4)?,
        content_type: row.get(5)?,
        headers: serde_json::from_str(&headers)
            .map_err(|e| StoreError::Corrupt(format!("headers of message {number}: {e}")))?,
        body: Bytes::from(row.get::<_, Vec<u8>>(7)?),
    })
}

/// Settles messages of a lane or, since nothing stays behind those, to webhooks.
pub(super) fn settle(conn: &Connection, settlement: &Settlement) -> Result<(), StoreError> {
    for number in &settlement.done {
        leave(conn, *number, false)?;
    }
    let mut aside = conn.prepare_cached(
        "INSERT INTO undeliverable
           (number, uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body, reason, tries)
         SELECT number, uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body, ?2, ?3
         FROM mail WHERE number = ?1",
    )?;
    for SetAside { number, reason, tries, given_up } in &settlement.undeliverable {
        aside.execute(params![number, reason, tries])?;
        leave(conn, *number, *given_up)?;
    }
    for (number, due) in &settlement.refused {
        refuse(conn, *number, row::not_before(*due))?;
    }
    let mut reason = conn.prepare_cached("UPDATE outbox SET reason = ?2 WHERE number = ?1")?;
    settlement.reasons.iter().try_for_each(|(number, why)| reason.execute(params![number, why]).map(drop))?;
    Ok(())
}

/// Removes a message. Replies that stayed behind it because their queue had refused it are due; if it was given up, each has
/// one more chance.
fn leave(conn: &Connection, number: i64, given_up: bool) -> Result<(), StoreError> {
    let gone = conn
        .prepare_cached("DELETE FROM outbox WHERE number = ?1 RETURNING tries, exchange, routing_key")?
        .query_row([number], |row| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))
        .optional()?;
    let Some((tries, exchange, queue)) = gone else { return Ok(()) };
    if Lane::of(&exchange) == Lane::Replies && tries > 0 {
        conn.prepare_cached(
            "UPDATE outbox SET due_us = 0, tries = ?3 WHERE exchange = '' AND routing_key = ?1 AND due_us = ?2",
        )?
        .execute(params![queue, row::BEHIND, if given_up { tries } else { 0 }])?;
    }
    Ok(())
}

/// Puts a refused message off; a reply together with all others to its queue, which stay behind the first that was refused.
fn refuse(conn: &Connection, number: i64, due_us: i64) -> Result<(), StoreError> {
    let refused = conn
        .prepare_cached("SELECT exchange, routing_key FROM outbox WHERE number = ?1")?
        .query_row([number], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    let Some((exchange, queue)) = refused else { return Ok(()) };
    let mut first = number;
    if Lane::of(&exchange) == Lane::Replies && !queue.starts_with(SCHEME) {
        let earlier: Option<i64> = conn
            .prepare_cached(
                "SELECT min(number) FROM outbox
                 WHERE exchange = '' AND routing_key = ?1 AND due_us BETWEEN 1 AND ?2 AND number < ?3",
            )?
            .query_row(params![queue, row::BEHIND - 1, number], |row| row.get(0))?;
        first = earlier.unwrap_or(number);
        let behind = "UPDATE outbox SET due_us = ?2
            WHERE exchange = '' AND routing_key = ?1 AND (due_us IS NULL OR due_us < ?2) AND number <> ?3";
        conn.prepare_cached(behind)?.execute(params![queue, row::BEHIND, first])?;
    }
    if first == number {
        conn.prepare_cached("UPDATE outbox SET tries = tries + 1, due_us = ?2 WHERE number = ?1")?
            .execute(params![number, due_us])?;
    }
    Ok(())
}
