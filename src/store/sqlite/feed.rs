//! The feed of all events.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::feed::{FEED_SCAN, Feed, FeedEvent, FeedPage};
use crate::engine::ports::store::{KeptEvent, StoreError};
use crate::store::feed::{FeedRow, choose};

/// Adds an event, which gets the next number.
pub(super) fn add(conn: &Connection, uid: JobUid, sequence: u32, requester: &str) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO feed (uid, sequence, requester) VALUES (?1, ?2, ?3)")?.execute(params![
        Uid(uid),
        sequence,
        requester
    ])?;
    Ok(())
}

pub(super) fn page(conn: &Connection, page: &FeedPage) -> Result<Feed, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT number, uid, sequence, requester FROM feed WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let scanned = statement.query_map(params![page.after, row::limit(FEED_SCAN)], |row| {
        Ok(FeedRow { number: row.get(0)?, uid: row.get::<_, Uid>(1)?.0, sequence: row.get(2)?, requester: row.get(3)? })
    })?;
    let chosen = choose(page, scanned.collect::<Result<_, _>>()?);
    let mut body = conn.prepare_cached("SELECT body FROM events WHERE uid = ?1 AND sequence = ?2")?;
    let (mut events, mut bytes, mut left) = (Vec::new(), 0, None);
    for FeedRow { number, uid, sequence, .. } in &chosen.rows {
        let found = body.query_row(params![Uid(*uid), sequence], |row| row.get::<_, Vec<u8>>(0)).optional()?;
        let Some(found) = found else { continue };
        bytes += found.len();
        if bytes > page.bytes && !events.is_empty() {
            left = Some(*number);
            break;
        }
        let (uid, sequence) = (*uid, sequence.unsigned_abs());
        let event = KeptEvent { uid, sequence, text: row::event_text(uid, found)? };
        events.push(FeedEvent { number: *number, event });
    }
    Ok(chosen.page(events, left, end(conn)?))
}

/// The highest number that was ever given.
pub(super) fn end(conn: &Connection) -> Result<i64, StoreError> {
    let last = conn
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'feed'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}
