//! What is said: events are kept as history, and everything goes to the outbox in the transaction it tells of.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::Uid;
use crate::domain::JobUid;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventKey, OutboundMessage, StoreError};
use crate::engine::record::Origin;

/// So many may follow a job; who comes later still gets the latest event.
const FOLLOWERS: i64 = 32;

/// Puts outbound about `about` into the outbox, in their order.
pub(super) fn post(conn: &Connection, about: JobUid, outbound: &[OutboundMessage]) -> Result<(), StoreError> {
    for message in outbound {
        match message.event {
            Some(key) => say(conn, key, &message.outgoing)?,
            None => post_alone(conn, about, &message.outgoing)?,
        }
    }
    Ok(())
}

fn headers(outgoing: &Outgoing) -> Result<String, StoreError> {
    serde_json::to_string(&outgoing.headers)
        .map_err(|e| StoreError::Corrupt(format!("headers of {} cannot be written: {e}", outgoing.message_id)))
}

fn post_alone(conn: &Connection, about: JobUid, outgoing: &Outgoing) -> Result<(), StoreError> {
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

fn say(conn: &Connection, key: EventKey, outgoing: &Outgoing) -> Result<(), StoreError> {
    let new =
        conn.prepare_cached(
            "INSERT INTO events
               (uid, sequence, message_id, exchange, routing_key, correlation_id, content_type, headers, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            Uid(key.uid),
            key.sequence,
            outgoing.message_id,
            outgoing.exchange,
            outgoing.routing_key,
            outgoing.correlation_id,
            outgoing.content_type,
            headers(outgoing)?,
            outgoing.body.as_ref(),
        ])? == 1;
    if !new && !is_the_same(conn, key, outgoing)? {
        return Err(StoreError::Corrupt(format!("event {} of {} was said with other content", key.sequence, key.uid)));
    }
    let (exchange, to, correlation) = (&outgoing.exchange, &outgoing.routing_key, outgoing.correlation_id.as_deref());
    send(conn, key.uid, key.sequence, exchange, to, correlation)?;
    if new && key.terminal {
        conn.prepare_cached(
            "INSERT INTO outbox (uid, sequence, exchange, routing_key, correlation_id)
             SELECT uid, ?2, '', reply_to, correlation_id FROM followers WHERE uid = ?1 ORDER BY rowid",
        )?
        .execute(params![Uid(key.uid), key.sequence])?;
    }
    Ok(())
}

fn is_the_same(conn: &Connection, key: EventKey, outgoing: &Outgoing) -> Result<bool, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM events WHERE uid = ?1 AND sequence = ?2 AND message_id = ?3 AND body = ?4)",
        )?
        .query_row(params![Uid(key.uid), key.sequence, outgoing.message_id, outgoing.body.as_ref()], |row| {
            row.get(0)
        })?)
}

/// Puts an event of the history into the outbox.
fn send(
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

/// Answers a repetition: the latest event again, to who asked now, or to where it went first.
pub(super) fn repeat(conn: &Connection, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
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
        Some(reply_to) => send(conn, uid, sequence, "", reply_to, origin.correlation_id.as_deref()),
        None => send(conn, uid, sequence, &exchange, &routing_key, correlation_id.as_deref()),
    }
}

/// Remembers who else gets the terminal event. One queue may follow under several correlation ids: each is somebody's
/// open question.
pub(super) fn follow(conn: &Connection, uid: JobUid, origin: &Origin) -> Result<(), StoreError> {
    let Some(reply_to) = &origin.reply_to else { return Ok(()) };
    conn.prepare_cached(
        "INSERT INTO followers (uid, reply_to, correlation_id) SELECT ?1, ?2, ?3
         WHERE NOT EXISTS (SELECT 1 FROM followers WHERE uid = ?1 AND reply_to = ?2 AND correlation_id IS ?3)
           AND (SELECT count(*) FROM followers WHERE uid = ?1) < ?4",
    )?
    .execute(params![Uid(uid), reply_to, origin.correlation_id, FOLLOWERS])?;
    Ok(())
}

/// The events said of a job, in order.
pub(super) fn events(conn: &Connection, uid: JobUid) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT body FROM events WHERE uid = ?1 ORDER BY sequence")?;
    let mut rows = statement.query([Uid(uid)])?;
    let mut texts = Vec::new();
    while let Some(row) = rows.next()? {
        texts.push(
            String::from_utf8(row.get(0)?)
                .map_err(|e| StoreError::Corrupt(format!("an event of {uid} is not a text: {e}")))?,
        );
    }
    Ok(texts)
}
