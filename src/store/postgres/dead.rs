//! What came to nothing: rejected messages, and messages of ours that nobody took.

use super::error::Fault;
use super::outbox;
use super::session::Session;
use crate::domain::{JobUid, Requester};
use crate::engine::ports::store::{OutboxRow, Rejected, StoreError};
use crate::store::row;

/// Rejections, newest first, older than `before`.
pub(super) async fn rejections(
    session: &Session,
    limit: usize,
    before: Option<JobUid>,
) -> Result<Vec<Rejected>, Fault> {
    let sql = "SELECT uid, at_us, requester, job_id, reasons FROM rejections
        WHERE $1::uuid IS NULL OR (at_us, uid) < (SELECT at_us, uid FROM rejections WHERE uid = $1)
        ORDER BY at_us DESC, uid DESC LIMIT $2";
    let rows = session.query(sql, &[&before.map(|uid| uid.0), &row::limit(limit)]).await?;
    let mut rejections = Vec::with_capacity(rows.len());
    for row in rows {
        let uid = JobUid(row.get(0));
        let unreadable = |why: String| StoreError::Corrupt(format!("rejection {uid}: {why}"));
        let job_id: Option<Vec<u8>> = row.get(3);
        rejections.push(Rejected {
            uid,
            at: row::time(row.get(1)),
            requester: Requester::parse(row.get::<_, String>(2)).map_err(|error| unreadable(error.to_string()))?,
            job_id: job_id.map(String::from_utf8).transpose().map_err(|error| unreadable(error.to_string()))?,
            reasons: serde_json::from_str(row.get(4)).map_err(|error| unreadable(error.to_string()))?,
        });
    }
    Ok(rejections)
}

/// Messages nobody took, by number, after `after`.
pub(super) async fn undeliverable(session: &Session, after: i64, limit: usize) -> Result<Vec<OutboxRow>, Fault> {
    let sql = "SELECT number, address, about, body FROM undeliverable WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = session.query(sql, &[&after, &row::limit(limit)]).await?;
    Ok(rows.into_iter().map(outbox::read).collect::<Result<_, _>>()?)
}

/// Puts messages nobody took into the outbox again, as they were, under new numbers.
pub(super) async fn replay(session: &Session, numbers: &[i64]) -> Result<usize, Fault> {
    let sql = "WITH gone AS (DELETE FROM undeliverable WHERE number = ANY ($1) RETURNING *)
        INSERT INTO outbox (uid, address, about, body)
        SELECT uid, address, about, body FROM gone ORDER BY array_position($1, number)";
    session.execute(sql, &[&numbers]).await
}
