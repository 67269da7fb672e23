//! Housekeeping: definitions, counts, the probe, and what is forgotten.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, Uid};
use super::transaction::{Tally, Transaction};
use crate::domain::Kind;
use crate::engine::ports::store::{Counts, StoreError};
use crate::engine::record::State;

/// So many jobs, and so many rejections, are forgotten in one transaction.
const PIECE: usize = 500;

/// Keeps a definition.
pub(super) fn put_definition(conn: &Connection, digest: &str, name: &str, text: &str) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO definitions (digest, name, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute([digest, name, text])?;
    Ok(())
}

/// A definition: its name and text.
pub(super) fn definition(conn: &Connection, digest: &str) -> Result<Option<(String, String)>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT name, text FROM definitions WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

/// Counts for the metrics; kinds and states without a job are left out.
pub(super) fn counts(conn: &Connection) -> Result<Counts, StoreError> {
    let mut census = Counts::default();
    let mut statement = conn.prepare_cached("SELECT kind, state, jobs FROM census WHERE jobs > 0")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, state): (String, String) = (row.get(0)?, row.get(1)?);
        let (Some(kind), Some(state)) = (Kind::parse(&kind), State::parse(&state)) else {
            return Err(StoreError::Corrupt(format!("unknown kind {kind} or state {state}")));
        };
        census.jobs.insert((kind, state), whole(row.get(2)?));
    }
    census.outbox = whole(conn.query_row("SELECT count(*) FROM outbox", [], |row| row.get(0))?);
    census.undeliverable = whole(conn.query_row("SELECT count(*) FROM undeliverable", [], |row| row.get(0))?);
    census.rejected = whole(conn.query_row("SELECT count(*) FROM rejections", [], |row| row.get(0))?);
    census.paused = whole(conn.query_row("SELECT count(*) FROM pauses WHERE active = 1", [], |row| row.get(0))?);
    Ok(census)
}

fn whole(n: i64) -> u64 {
    n.unsigned_abs()
}

/// Writes down how many jobs more there are.
pub(super) fn count(conn: &Connection, tally: &Tally) -> rusqlite::Result<()> {
    for ((kind, state), jobs) in tally.iter().filter(|(_, jobs)| **jobs != 0) {
        conn.prepare_cached(
            "INSERT INTO census (kind, state, jobs) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
        )?
        .execute(params![kind.as_str(), state.as_str(), jobs])?;
    }
    Ok(())
}

/// Writes something; says what.
pub(super) fn probe(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row(
        "INSERT INTO probe (id, writes) VALUES (1, 1) ON CONFLICT DO UPDATE SET writes = writes + 1 RETURNING writes",
        [],
        |row| row.get(0),
    )?)
}

/// Reads what [`probe`] wrote last.
pub(super) fn probed(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row("SELECT coalesce(max(writes), 0) FROM probe", [], |row| row.get(0))?)
}

/// What one piece of forgetting came to.
pub(super) struct Gone {
    pub(super) jobs: usize,
    /// Whether there is more to forget.
    pub(super) more: bool,
}

/// Forgets a piece of what is older than `before`. A job or rejection of which something is still to be published stays
/// until it is.
pub(super) fn prune(conn: &Transaction<'_>, before: Timestamp) -> Result<Gone, StoreError> {
    let before = row::at_or_before(before);
    let jobs = uids(
        conn,
        "SELECT k.uid FROM keys k JOIN jobs j ON j.uid = k.uid
         WHERE k.created_us < ?1 AND j.ended = 1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = k.uid) LIMIT ?2",
        before,
    )?;
    for uid in &jobs {
        conn.prepare_cached("DELETE FROM keys WHERE uid = ?1")?.execute([uid])?;
        let (kind, state): (String, String) = conn
            .prepare_cached("DELETE FROM jobs WHERE uid = ?1 RETURNING kind, state")?
            .query_row([uid], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let (Some(kind), Some(state)) = (Kind::parse(&kind), State::parse(&state)) {
            conn.count(kind, state, -1);
        }
        forget_letters(conn, *uid)?;
    }
    let rejections = uids(
        conn,
        "SELECT uid FROM rejections r
         WHERE at_us < ?1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = r.uid) LIMIT ?2",
        before,
    )?;
    for uid in &rejections {
        conn.prepare_cached("DELETE FROM rejections WHERE uid = ?1")?.execute([uid])?;
        forget_letters(conn, *uid)?;
    }
    Ok(Gone { jobs: jobs.len(), more: jobs.len() == PIECE || rejections.len() == PIECE })
}

fn uids(conn: &Connection, sql: &str, before: i64) -> Result<Vec<Uid>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let rows = statement.query_map(params![before, row::limit(PIECE)], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn forget_letters(conn: &Connection, uid: Uid) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM events WHERE uid = ?1")?.execute([uid])?;
    conn.prepare_cached("DELETE FROM undeliverable WHERE uid = ?1")?.execute([uid])?;
    Ok(())
}
