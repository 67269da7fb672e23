//! Leases: which worker may work on a job, and until when.
//!
//! A lease is exclusive because its row is locked when it is given, and rows that another claim has locked are skipped. It
//! is fenced by its token: a worker that was stopped until after its lease had ended commits with an old token, and that
//! is a conflict.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::database_time::DatabaseTime;
use super::error::PgError;
use super::lease_clock::now_us;
use crate::domain::JobUid;
use crate::engine::ports::store::{Claimed, Lease};
use crate::store::row;

/// Jobs that were held for an account that is no longer paused come first: they have waited longest. One whose own time has
/// come is in both lists.
const CLAIM: &str = concat!(
    "WITH released AS MATERIALIZED (
       SELECT uid, held FROM jobs
       WHERE held IS NOT NULL AND held IN (SELECT account FROM pauses WHERE NOT active) AND is_first
         AND uid <> ALL ($8) AND lease_until_us <= coalesce($2, least($7, ",
    now_us!(),
    ")) ORDER BY held, uid LIMIT $3 FOR NO KEY UPDATE OF jobs SKIP LOCKED),
     due AS MATERIALIZED (
       SELECT uid, due_us FROM jobs
       WHERE is_first AND NOT swept AND due_us IS NOT NULL AND due_us <= $1
         AND uid <> ALL ($8) AND lease_until_us <= coalesce($2, least($7, ",
    now_us!(),
    ")) ORDER BY due_us, uid LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED),
     free AS (
       SELECT uid, min(held) AS held, min(due_us) AS due_us FROM (
         SELECT uid, held, NULL::int8 AS due_us FROM released UNION ALL SELECT uid, NULL, due_us FROM due) AS found
       GROUP BY uid ORDER BY held NULLS LAST, due_us, uid LIMIT $3)
     UPDATE jobs j SET lease_holder = $4, lease_token = lease_token + 1, lease_until_us = coalesce($5, ",
    now_us!(),
    " + $6) FROM free WHERE j.uid = free.uid RETURNING j.uid, record, lease_token, free.held, free.due_us"
);

/// The ends of leases are converted to the caller's clock, unless leases go by that. Nothing is said of them as long as they
/// cannot be judged.
const NEXT: &str = concat!(
    "WITH off AS (SELECT CASE WHEN $1::int8 IS NULL THEN 0 ELSE least($2::int8, ",
    now_us!(),
    ") - $1 END AS by WHERE $1 IS NULL OR $2 IS NOT NULL)
     SELECT min(at) FROM (
       (SELECT due_us AS at FROM jobs
        WHERE is_first AND NOT swept AND due_us IS NOT NULL AND lease_holder IS NULL ORDER BY due_us LIMIT 1)
       UNION ALL
       SELECT min(greatest(due_us, lease_until_us - off.by)) FROM jobs, off
       WHERE lease_holder IS NOT NULL AND is_first AND NOT swept AND due_us IS NOT NULL
       UNION ALL
       (SELECT 0 FROM jobs WHERE held IS NOT NULL AND held IN (SELECT account FROM pauses WHERE NOT active)
          AND is_first AND lease_holder IS NULL LIMIT 1)
       UNION ALL
       SELECT min(lease_until_us - off.by) FROM jobs, off
       WHERE lease_holder IS NOT NULL AND is_first
         AND held IS NOT NULL AND held IN (SELECT account FROM pauses WHERE NOT active)) AS next"
);

/// Leases jobs that are due.
///
/// A row that cannot be read is leased too and left out, so that it is logged once in the time of a lease and does not hold
/// up the jobs behind it.
pub(super) async fn claim(
    conn: &Connection,
    time: &DatabaseTime,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
    in_hand: &[JobUid],
) -> Result<Vec<Claimed>, PgError> {
    let (at, end) = (time.clock().now(now), time.clock().end(now, until));
    // A lease that was released ended at 0, which is past for certain.
    let trusted = time.trusted_us().unwrap_or_default();
    let in_hand: Vec<Uuid> = in_hand.iter().map(|uid| uid.0).collect();
    let (due, limit) = (row::at_or_before(now), row::limit(limit));
    let rows =
        conn.query(CLAIM, &[&due, &at, &limit, &holder, &end.until_us, &end.length_us, &trusted, &in_hand]).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let uid = JobUid(row.get(0));
        let (held, due): (Option<String>, Option<i64>) = (row.get(3), row.get(4));
        match row::read(uid, row.get(1)) {
            Ok(record) => {
                let lease = Lease { holder: holder.to_owned(), token: row.get(2), until };
                claimed.push(((held.is_none(), held, due, uid), Claimed { record, lease }));
            }
            Err(error) => tracing::error!(job.uid = %uid, %error, "cannot read a job that is due; leaves it out"),
        }
    }
    claimed.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(claimed.into_iter().map(|(_, claimed)| claimed).collect())
}

pub(super) async fn reclaim(conn: &Connection, holder: &str) -> Result<usize, PgError> {
    let sql = "UPDATE jobs SET lease_holder = NULL, lease_until_us = 0
        WHERE uid IN (SELECT uid FROM jobs WHERE lease_holder = $1 ORDER BY uid FOR NO KEY UPDATE)";
    conn.execute(sql, &[&holder]).await
}

/// Ends leases that end more than `ahead_us` from now. Returns how many there were.
pub(super) async fn end_impossible(conn: &Connection, ahead_us: i64) -> Result<usize, PgError> {
    let sql = concat!(
        "UPDATE jobs SET lease_holder = NULL, lease_until_us = 0
        WHERE uid IN (SELECT uid FROM jobs WHERE lease_holder IS NOT NULL AND lease_until_us > $1 + ",
        now_us!(),
        " ORDER BY uid FOR NO KEY UPDATE)"
    );
    conn.execute(sql, &[&ahead_us]).await
}

/// Makes every job that is to be looked at later due now.
pub(super) async fn bring_forward(conn: &Connection, now: Timestamp) -> Result<usize, PgError> {
    let sql = "UPDATE jobs SET due_us = $1
        WHERE uid IN (SELECT uid FROM jobs WHERE due_us > $1 ORDER BY uid FOR NO KEY UPDATE)";
    conn.execute(sql, &[&row::at_or_before(now)]).await
}

/// When a claim will next find a job, by the caller's clock: the first due time of those that are not leased, or the end of
/// a lease.
pub(super) async fn next_due(conn: &Connection, time: &DatabaseTime) -> Result<Option<Timestamp>, PgError> {
    let row = conn.query_one(NEXT, &[&time.clock().caller_us(), &time.trusted_us()]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}
