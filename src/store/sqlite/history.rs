//! The events that are kept with their jobs, and publishing them again.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::store::{KeptEvent, StoreError};

pub(super) fn jobs_between(
    conn: &Connection,
    since: Timestamp,
    until: Timestamp,
    after: Option<JobUid>,
    limit: usize,
) -> Result<Vec<JobUid>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT uid FROM jobs
         WHERE uid > ?1 AND accepted_us < ?2 AND (ended = 0 OR finished_us >= ?3) ORDER BY uid LIMIT ?4",
    )?;
    let (after, until) = (after.map_or(vec![], |uid| uid.0.as_bytes().to_vec()), row::not_before(until));
    let rows = statement.query_map(params![after, until, row::at_or_before(since), row::limit(limit)], |row| {
        row.get::<_, Uid>(0).map(|uid| uid.0)
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn events(conn: &Connection, uids: &[JobUid]) -> Result<Vec<KeptEvent>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT sequence, body FROM events WHERE uid = ?1 AND sequence > 0 ORDER BY sequence")?;
    let mut events = Vec::new();
    for uid in uids {
        let mut rows = statement.query([Uid(*uid)])?;
        while let Some(row) = rows.next()? {
            events.push(KeptEvent { uid: *uid, sequence: row.get(0)?, text: row::event_text(*uid, row.get(1)?)? });
        }
    }
    Ok(events)
}

pub(super) fn publish_again(conn: &Connection, events: &[(JobUid, u32)]) -> Result<usize, StoreError> {
    let mut again = conn.prepare_cached(
        "INSERT INTO outbox (uid, sequence, exchange, routing_key, correlation_id, due_us)
         SELECT uid, sequence, exchange, routing_key, correlation_id, 0 FROM events WHERE uid = ?1 AND sequence = ?2",
    )?;
    let mut published = 0;
    for (uid, sequence) in events {
        published += again.execute(params![Uid(*uid), sequence])?;
    }
    Ok(published)
}
