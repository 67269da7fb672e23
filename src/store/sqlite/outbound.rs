//! Outbound messages. In the transaction that they report, events are added to the history and every message to the
//! outbox.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::feed;
use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventKey, OutboundMessage, StoreError};
use crate::engine::record::Origin;
use crate::store::judge;

/// Adds messages about a job or a rejection, in their order.
pub(super) fn add(conn: &Connection, about: JobUid, outbound: &[OutboundMessage]) -> Result<(), StoreError> {
    for message in outbound {
        match message.event {
            Some(key) => add_event(conn, key, &message.outgoing)?,
            None => add_copy(conn, about, &message.outgoing)?,
        }
    }
    Ok(())
}

fn headers(outgoing: &Outgoing) -> Result<String, StoreError> {
    serde_json::to_string(&outgoing.headers)
        .map_err(|e| StoreError::Corrupt(format!("headers of {} cannot be written: {e}", outgoing.message_id)))
}

/// Adds a message that is no event: it is in the outbox with its content.
fn add_copy(conn: &Connection, about: JobUid, outgoing: &Outgoing) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO outbox (uid, exchange, routing_key, correlation_id, message_id, content_type, headers, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        Uid(about),
        outgoing.exchange,
        outgoing.routing_key,
        outgoing.correlation_id,
        outgoing.message_id,
        outgoing.content_type,
        headers(outgoing)?,
        outgoing.body.as_ref(),
    ])?;
    Ok(())
}

/// Keeps the message of a rejection. Among what is kept of a uid it is number 0: the events count from 1.
pub(super) fn keep(conn: &Connection, uid: JobUid, message: &Outgoing) -> Result<(), StoreError> {
    insert_event(conn, uid, 0, message).map(drop)
}

/// Whether it is new.
fn insert_event(conn: &Connection, uid: JobUid, sequence: u32, outgoing: &Outgoing) -> Result<bool, StoreError> {
    let inserted = conn
        .prepare_cached(
            "INSERT INTO events
               (uid, sequence, message_id, exchange, routing_key, correlation_id, content_type, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            Uid(uid),
            sequence,
            outgoing.message_id,
            outgoing.exchange,
            outgoing.routing_key,
            outgoing.correlation_id,
            outgoing.content_type,
            headers(outgoing)?,
            outgoing.body.as_ref(),
        ])?;
    Ok(inserted == 1)
}

fn add_event(conn: &Connection, key: EventKey, outgoing: &Outgoing) -> Result<(), StoreError> {
    let new = insert_event(conn, key.uid, key.sequence, outgoing)?;
    if new {
        feed::add(conn, key.uid, key.sequence, row::requester(outgoing))?;
    } else {
        let (message_id, body) = stored(conn, key)?;
        judge::same_event(key, (&message_id, &body), outgoing)?;
    }
    let (exchange, to, correlation) = (&outgoing.exchange, &outgoing.routing_key, outgoing.correlation_id.as_deref());
    enqueue(conn, key.uid, key.sequence, exchange, to, correlation)?;
    if new && key.terminal {
        conn.prepare_cached(
            "INSERT INTO outbox (uid, sequence, exchange, routing_key, correlation_id)
             SELECT uid, ?2, '', reply_to, correlation_id FROM followers WHERE uid = ?1 ORDER BY rowid",
        )?
        .execute(params![Uid(key.uid), key.sequence])?;
    }
    Ok(())
}

/// The message id and body of a stored event.
fn stored(conn: &Connection, key: EventKey) -> Result<(String, Vec<u8>), StoreError> {
    Ok(conn
        .prepare_cached("SELECT message_id, body FROM events WHERE uid = ?1 AND sequence = ?2")?
        .query_row(params![Uid(key.uid), key.sequence], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Adds an event of the history to the outbox.
fn enqueue(
    conn: &Connection,
    uid: JobUid,
    sequence: u32,
    exchange: &str,
    to: &str,
    correlation: Option<&str>,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO outbox (uid, sequence, exchange, routing_key, correlation_id) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![Uid(uid), sequence, exchange, to, correlation])?;
    Ok(())
}

/// Answers a repetition with the latest event: to its `reply_to`, or else to where the event was sent first.
pub(super) fn repeat_latest(conn: &Connection, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
    let latest = conn
        .prepare_cached(
            "SELECT sequence, exchange, routing_key, correlation_id FROM events
             WHERE uid = ?1 ORDER BY sequence DESC LIMIT 1",
        )?
        .query_row([Uid(uid)], |row| {
            Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get(3)?))
        })
        .optional()?;
    let Some((sequence, exchange, routing_key, correlation_id)) = latest else { return Ok(()) };
    let correlation_id: Option<String> = correlation_id;
    match &origin.reply_to {
        Some(reply_to) => enqueue(conn, uid, sequence, "", reply_to, origin.correlation_id.as_deref()),
        None => enqueue(conn, uid, sequence, &exchange, &routing_key, correlation_id.as_deref()),
    }
}

/// Adds the `reply_to` of a request to the places that get the terminal event. One queue may be there under several
/// correlation ids, because each belongs to a request that waits for its answer.
pub(super) fn add_follower(conn: &Connection, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
    let Some(reply_to) = &origin.reply_to else { return Ok(()) };
    conn.prepare_cached(
        "INSERT INTO followers (uid, reply_to, correlation_id) SELECT ?1, ?2, ?3
         WHERE NOT EXISTS (SELECT 1 FROM followers WHERE uid = ?1 AND reply_to = ?2 AND correlation_id IS ?3)
           AND (SELECT count(*) FROM followers WHERE uid = ?1) < ?4",
    )?
    .execute(params![Uid(uid), reply_to, origin.correlation_id, row::limit(row::MAX_FOLLOWERS)])?;
    Ok(())
}

/// Adds a queue to the places that get the end of a batch. Each queue gets it once, however many jobs have named it.
pub(super) fn add_queue(conn: &Connection, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
    let Some(reply_to) = &origin.reply_to else { return Ok(()) };
    conn.prepare_cached(
        "INSERT INTO followers (uid, reply_to, correlation_id) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM followers WHERE uid = ?1 AND reply_to = ?2)
               AND (SELECT count(*) FROM followers WHERE uid = ?1) < ?4",
    )?
    .execute(params![Uid(uid), reply_to, origin.correlation_id, row::limit(row::MAX_FOLLOWERS)])?;
    Ok(())
}

pub(super) fn events(conn: &Connection, uid: JobUid) -> Result<Vec<String>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT body FROM events WHERE uid = ?1 AND sequence > 0 ORDER BY sequence")?;
    let mut rows = statement.query([Uid(uid)])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        texts.push(row::event_text(uid, row.get(0)?)?);
    }
    Ok(texts)
}
