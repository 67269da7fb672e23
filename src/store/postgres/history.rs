//! The events that are kept with their jobs, and publishing them again.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::error::PgError;
use super::outbound;
use crate::domain::JobUid;
use crate::engine::ports::store::{KeptEvent, StoreError};
use crate::store::row;

pub(super) async fn jobs_between(
    conn: &Connection,
    since: Timestamp,
    until: Timestamp,
    after: Option<JobUid>,
    limit: usize,
) -> Result<Vec<JobUid>, PgError> {
    let sql = "SELECT uid FROM jobs
        WHERE uid > $1 AND accepted_us < $2 AND (NOT ended OR finished_us >= $3) ORDER BY uid LIMIT $4";
    let after = after.map_or(Uuid::nil(), |uid| uid.0);
    let (since, until) = (row::at_or_before(since), row::not_before(until));
    let rows = conn.query(sql, &[&after, &until, &since, &row::limit(limit)]).await?;
    Ok(rows.iter().map(|row| JobUid(row.get(0))).collect())
}

pub(super) async fn events(conn: &Connection, uids: &[JobUid]) -> Result<Vec<KeptEvent>, PgError> {
    let uids: Vec<Uuid> = uids.iter().map(|uid| uid.0).collect();
    let sql = "SELECT uid, sequence, body FROM events WHERE uid = ANY ($1) AND sequence > 0 ORDER BY uid, sequence";
    let rows = conn.query(sql, &[&uids]).await?;
    let events = rows.iter().map(|row| {
        let uid = JobUid(row.get(0));
        let sequence = u32::try_from(row.get::<_, i32>(1)).unwrap_or_default();
        Ok(KeptEvent { uid, sequence, text: row::event_text(uid, row.get(2))? })
    });
    Ok(events.collect::<Result<_, StoreError>>()?)
}

/// Locks what the events are about first, in the order of all locks: retention must not delete an event whose row is just put into
/// the outbox.
pub(super) async fn publish_again(conn: &Connection, events: &[(JobUid, u32)]) -> Result<usize, PgError> {
    let uids: Vec<Uuid> = events.iter().map(|(uid, _)| uid.0).collect();
    let sequences = events.iter().map(|(_, sequence)| outbound::sequence(*sequence)).collect::<Result<Vec<_>, _>>()?;
    for sql in [
        "SELECT uid FROM batches WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE",
        "SELECT uid FROM rejections WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE",
        "SELECT uid FROM jobs WHERE uid = ANY ($1) ORDER BY uid FOR NO KEY UPDATE",
    ] {
        conn.query(sql, &[&uids]).await?;
    }
    let sql = format!(
        "INSERT INTO outbox (number, uid, sequence, address, due_us)
        SELECT {}, uid, sequence, address, 0
        FROM (SELECT e.uid, e.sequence, e.address, starts_with(e.address, $3) AS reply
          FROM unnest($1::uuid[], $2::int4[]) WITH ORDINALITY AS n(uid, sequence, place)
          JOIN events e ON e.uid = n.uid AND e.sequence = n.sequence ORDER BY place) AS ordered",
        outbound::NEXT_NUMBER
    );
    conn.execute(&sql, &[&uids, &sequences, &outbound::REPLY]).await
}
