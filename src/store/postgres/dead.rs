//! Dead letters: rejected messages, and messages that could not be published.

use tokio_postgres::Row;

use super::connection::Connection;
use super::error::PgError;
use super::outbound;
use super::webhooks;
use crate::domain::{BatchId, JobUid};
use crate::engine::ports::store::{Rejected, RejectedMessage, StoreError, UndeliverableRow};
use crate::store::row;

/// What a rejection is read from.
const REJECTED: &str = "SELECT uid, at_us, requester, job_id, reasons, batch_id, not_listed FROM rejections";

pub(super) async fn rejections(
    conn: &Connection,
    limit: usize,
    before: Option<JobUid>,
) -> Result<Vec<Rejected>, PgError> {
    let sql = format!(
        "{REJECTED} WHERE $1::uuid IS NULL OR (at_us, uid) < (SELECT at_us, uid FROM rejections WHERE uid = $1)
        ORDER BY at_us DESC, uid DESC LIMIT $2"
    );
    let rows = conn.query(&sql, &[&before.map(|uid| uid.0), &row::limit(limit)]).await?;
    Ok(rows.iter().map(rejected).collect::<Result<_, _>>()?)
}

/// Rejected messages that name a batch, newest first.
pub(super) async fn rejections_of(conn: &Connection, batch: &BatchId, limit: usize) -> Result<Vec<Rejected>, PgError> {
    let sql = format!("{REJECTED} WHERE batch_id = $1 ORDER BY at_us DESC, uid DESC LIMIT $2");
    let rows = conn.query(&sql, &[&batch.as_str(), &row::limit(limit)]).await?;
    Ok(rows.iter().map(rejected).collect::<Result<_, _>>()?)
}

fn rejected(row: &Row) -> Result<Rejected, StoreError> {
    let uid = JobUid(row.get(0));
    let unreadable = |error| StoreError::Corrupt(format!("rejection {uid}: {error}"));
    let job_id = row.get::<_, Option<Vec<u8>>>(3).map(String::from_utf8).transpose().map_err(unreadable)?;
    row::rejected(uid, row.get(1), row.get(2), job_id, row.get(4), (row.get(5), row.get(6)))
}

pub(super) async fn rejection(conn: &Connection, uid: JobUid) -> Result<Option<RejectedMessage>, PgError> {
    let rows = conn.query(&format!("{REJECTED} WHERE uid = $1"), &[&uid.0]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let rejected = rejected(row)?;
    let sql = "SELECT 0::int8, address, about, body FROM events WHERE uid = $1 AND sequence = 0";
    let rows = conn.query(sql, &[&uid.0]).await?;
    let kept = rows.first().map(outbound::numbered).transpose()?;
    Ok(Some(RejectedMessage { rejected, kept: kept.map(|(_, message)| message) }))
}

pub(super) async fn undeliverable(
    conn: &Connection,
    after: i64,
    limit: usize,
) -> Result<Vec<UndeliverableRow>, PgError> {
    let sql = "SELECT number, address, about, body, reason, tries FROM undeliverable
        WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = conn.query(sql, &[&after, &row::limit(limit)]).await?;
    let rows = rows.into_iter().map(|row| {
        let tries = u32::try_from(row.get::<_, i32>(5)).unwrap_or_default();
        let (number, outgoing) = outbound::numbered(&row)?;
        Ok(UndeliverableRow { number, outgoing, reason: row.get(4), tries })
    });
    Ok(rows.collect::<Result<_, StoreError>>()?)
}

pub(super) async fn replay(conn: &Connection, numbers: &[i64]) -> Result<usize, PgError> {
    let sql = format!(
        "WITH gone AS (DELETE FROM undeliverable WHERE number = ANY ($1) RETURNING *)
        INSERT INTO outbox (number, uid, address, about, body)
        SELECT {}, uid, address, about, body
        FROM (SELECT *, starts_with(address, $2) AS reply FROM gone ORDER BY array_position($1, number)) AS ordered",
        outbound::NEXT_NUMBER
    );
    let put_back = conn.execute(&sql, &[&numbers, &outbound::REPLY]).await?;
    Ok(put_back + webhooks::bring_forward(conn, numbers).await?)
}

pub(super) async fn drop_undeliverable(conn: &Connection, numbers: &[i64]) -> Result<usize, PgError> {
    conn.execute("DELETE FROM undeliverable WHERE number = ANY ($1)", &[&numbers]).await
}
