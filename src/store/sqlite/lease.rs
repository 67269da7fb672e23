//! Leases: which worker may work on a job, and until when.
//!
//! A lease is exclusive because it is given in the writer's transaction. It is fenced by its token: a worker that was
//! stopped until after its lease had ended commits with an old token, and that is a conflict.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::row::{self, Uid};
use super::turns;
use crate::domain::AccountUid;
use crate::engine::ports::store::{Claimed, LatestDue, Lease, StoreError, Turns};
use crate::store::unreadable::UnreadableRows;

/// Leases jobs that are due, each requester in its turn.
///
/// A row that cannot be read is leased too and left out, so that it does not hold up the jobs behind it.
pub(super) fn claim(
    conn: &Connection,
    unreadable: &UnreadableRows,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
    turns: &Turns,
) -> Result<Vec<Claimed>, StoreError> {
    let next = turns::next(conn, row::at_or_before(now), limit, turns)?;
    let mut lease = conn.prepare_cached(
        "UPDATE jobs SET lease_holder = ?2, lease_token = lease_token + 1, lease_until_us = ?3
         WHERE uid = ?1 RETURNING lease_token, record",
    )?;
    let mut claimed = Vec::with_capacity(next.len());
    for uid in next {
        let leased = params![Uid(uid), holder, row::not_before(until)];
        let (token, text) = lease.query_row(leased, |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        if let Some(record) = unreadable.job(uid, &text) {
            claimed.push(Claimed { record, lease: Lease { holder: holder.to_owned(), token, until } });
        }
    }
    Ok(claimed)
}

pub(super) fn reclaim(conn: &Connection, holder: &str) -> Result<usize, StoreError> {
    Ok(conn
        .prepare_cached("UPDATE jobs SET lease_holder = NULL, lease_until_us = 0 WHERE lease_holder = ?1")?
        .execute([holder])?)
}

/// Makes jobs due now that are to be looked at later than is right, or only those of an account. Finds them among those that have
/// not ended.
pub(super) fn bring_forward(
    conn: &Connection,
    now: Timestamp,
    latest: LatestDue,
    of: Option<&AccountUid>,
) -> Result<usize, StoreError> {
    let mut update = conn.prepare_cached(
        "UPDATE jobs SET due_us = ?1 WHERE state IN ('queued', 'running', 'waiting') AND held IS NULL
           AND due_us > CASE state WHEN 'waiting' THEN ?3 ELSE ?2 END AND (state <> 'queued' OR turn IS NOT NULL)
           AND (?4 IS NULL OR instance_owner = ?4 OR cen_owner = ?4)",
    )?;
    let [now, resting, waiting] = [now, latest.resting, latest.waiting].map(row::at_or_before);
    Ok(update.execute(params![now, resting, waiting, of.map(AccountUid::as_str)])?)
}

/// When a claim will next find a job: the first due time of those that are not leased, or the end of a lease.
pub(super) fn next_due(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = conn
        .prepare_cached(
            "WITH RECURSIVE requesters (name) AS (
               SELECT '' UNION ALL
               SELECT (SELECT requester FROM jobs INDEXED BY jobs_ready
                 WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND requester > name
                 ORDER BY requester LIMIT 1) FROM requesters WHERE name IS NOT NULL)
             SELECT min(at) FROM (
               SELECT (SELECT due_us FROM jobs INDEXED BY jobs_ready
                 WHERE requester = name AND is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND lease_holder IS NULL
                 ORDER BY due_us LIMIT 1) AS at FROM requesters
               UNION ALL
               SELECT min(max(due_us, lease_until_us)) FROM jobs INDEXED BY jobs_leased
               WHERE lease_holder IS NOT NULL AND is_first = 1 AND swept = 0 AND due_us IS NOT NULL
               UNION ALL
               SELECT * FROM (
                 SELECT 0 FROM jobs INDEXED BY jobs_held
                 WHERE held IN (SELECT account FROM pauses WHERE active = 0) AND is_first = 1 AND lease_holder IS NULL
                 LIMIT 1)
               UNION ALL
               SELECT min(lease_until_us) FROM jobs INDEXED BY jobs_leased
               WHERE lease_holder IS NOT NULL AND is_first = 1
                 AND held IN (SELECT account FROM pauses WHERE active = 0))",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(row::time))
}
