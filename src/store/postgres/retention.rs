//! Retention: old jobs and rejections are deleted, with all that belongs to them.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::counts::{self, CountChanges};
use super::error::PgError;
use crate::domain::JobUid;
use crate::store::row;

/// How many jobs, and how many rejections, one transaction deletes.
const PIECE: usize = 500;

/// Deletes some of the jobs that ended before `before`, and of the rejections that are older. One that has an unpublished message stays;
/// one that another transaction has locked stays until the next time. Returns how many jobs were deleted, and whether there
/// may be more to delete.
pub(super) async fn prune(conn: &Connection, before: Timestamp, shard: i16) -> Result<(usize, bool), PgError> {
    let before = row::at_or_before(before);
    let jobs = "SELECT j.uid FROM keys k JOIN jobs j ON j.uid = k.uid
        WHERE j.ended AND j.finished_us < $1 AND k.created_us < $1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = k.uid)
          AND NOT EXISTS (SELECT 1 FROM batches b WHERE b.uid = j.batch AND b.ended_us IS NULL)
        LIMIT $2 FOR UPDATE OF j SKIP LOCKED";
    let jobs = lock(conn, jobs, before).await?;
    let pruned = conn.query("DELETE FROM jobs WHERE uid = ANY ($1) RETURNING kind, state", &[&jobs]).await?;
    for sql in [
        "DELETE FROM keys WHERE uid = ANY ($1)",
        "DELETE FROM labels WHERE uid = ANY ($1)",
        "DELETE FROM followers WHERE uid = ANY ($1)",
    ] {
        conn.execute(sql, &[&jobs]).await?;
    }
    delete_messages(conn, &jobs).await?;
    delete_batches(conn, before).await?;
    let (_, more) = delete_rejections(conn, before).await?;
    let mut changes = CountChanges::new();
    for row in &pruned {
        *changes.entry((row.get(0), row.get(1))).or_default() -= 1;
    }
    conn.prepare(&[counts::COUNT]).await?;
    counts::write(conn.pipeline(), &changes, shard).await?;
    Ok((pruned.len(), more || jobs.len() == PIECE))
}

/// Deletes some of the rejections before `before`, the oldest first. One that has an unpublished message stays, and one that another
/// transaction has locked. Returns how many, and whether there may be more.
pub(super) async fn delete_rejections(conn: &Connection, before: i64) -> Result<(usize, bool), PgError> {
    let sql = "SELECT uid FROM rejections r
        WHERE at_us < $1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = r.uid)
        ORDER BY at_us, uid LIMIT $2 FOR UPDATE SKIP LOCKED";
    let rejections = lock(conn, sql, before).await?;
    conn.execute("DELETE FROM rejections WHERE uid = ANY ($1)", &[&rejections]).await?;
    delete_messages(conn, &rejections).await?;
    Ok((rejections.len(), rejections.len() == PIECE))
}

/// Deletes these rejections, except those with an unpublished message. Returns how many there were.
pub(super) async fn drop_rejections(conn: &Connection, uids: &[JobUid]) -> Result<usize, PgError> {
    let uids: Vec<Uuid> = uids.iter().map(|uid| uid.0).collect();
    let locked =
        conn.query("SELECT uid FROM rejections WHERE uid = ANY ($1) ORDER BY uid FOR UPDATE", &[&uids]).await?;
    let free = without_mail(conn, &locked.iter().map(|row| row.get(0)).collect::<Vec<_>>()).await?;
    conn.execute("DELETE FROM rejections WHERE uid = ANY ($1)", &[&free]).await?;
    delete_messages(conn, &free).await?;
    Ok(free.len())
}

/// Deletes some of the batches that ended before `before`, once their jobs are deleted.
async fn delete_batches(conn: &Connection, before: i64) -> Result<(), PgError> {
    let sql = "SELECT uid FROM batches b
        WHERE ended_us < $1 AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.batch = b.uid)
          AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = b.uid)
        LIMIT $2 FOR UPDATE SKIP LOCKED";
    let batches = lock(conn, sql, before).await?;
    conn.execute("DELETE FROM batches WHERE uid = ANY ($1)", &[&batches]).await?;
    conn.execute("DELETE FROM followers WHERE uid = ANY ($1)", &[&batches]).await?;
    delete_messages(conn, &batches).await
}

/// Before which time the rejections are more than `most`; `None` if they are not.
pub(super) async fn rejections_beyond(conn: &Connection, most: usize) -> Result<Option<i64>, PgError> {
    let sql = "SELECT at_us FROM rejections ORDER BY at_us DESC, uid DESC LIMIT 1 OFFSET $1";
    let rows = conn.query(sql, &[&row::limit(most)]).await?;
    Ok(rows.first().map(|row| row.get::<_, i64>(0).saturating_add(1)))
}

async fn delete_messages(conn: &Connection, uids: &[Uuid]) -> Result<(), PgError> {
    for sql in [
        "DELETE FROM events WHERE uid = ANY ($1)",
        "DELETE FROM feed WHERE uid = ANY ($1)",
        "DELETE FROM undeliverable WHERE uid = ANY ($1)",
    ] {
        conn.execute(sql, &[&uids]).await?;
    }
    Ok(())
}

/// Locks what `sql` selects, and leaves out what was asked for again before it was locked: it has a new message.
async fn lock(conn: &Connection, sql: &str, before: i64) -> Result<Vec<Uuid>, PgError> {
    let rows = conn.query(sql, &[&before, &row::limit(PIECE)]).await?;
    without_mail(conn, &rows.iter().map(|row| row.get(0)).collect::<Vec<_>>()).await
}

/// Those of which no message is to be published.
async fn without_mail(conn: &Connection, uids: &[Uuid]) -> Result<Vec<Uuid>, PgError> {
    let sql = "SELECT uid FROM unnest($1::uuid[]) AS n(uid)
        WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = n.uid)";
    let rows = conn.query(sql, &[&uids]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
