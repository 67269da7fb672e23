//! Leases: which worker may work on a job, and until when.
//!
//! A lease is exclusive because it is given in the writer's transaction. It is fenced by its token: a worker that was
//! stopped until after its lease had ended commits with an old token, and that is a conflict.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, Row, params};

use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::store::{Claimed, Lease, StoreError};

/// Leases jobs that are due. Those that were held for an account that is no longer paused come first: they have waited
/// longest.
///
/// A row that cannot be read is leased too and left out, so that it is logged once in the time of a lease and does not hold
/// up the jobs behind it.
pub(super) fn claim(
    conn: &Connection,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
    in_hand: &HashSet<JobUid>,
) -> Result<Vec<Claimed>, StoreError> {
    let now = row::at_or_before(now);
    let mut released = conn.prepare_cached(
        "SELECT uid, record FROM jobs INDEXED BY jobs_held
         WHERE held IN (SELECT account FROM pauses WHERE active = 0) AND is_first = 1 AND lease_until_us <= ?1
         ORDER BY held, uid LIMIT ?2",
    )?;
    let mut due = conn.prepare_cached(
        "SELECT uid, record FROM jobs INDEXED BY jobs_ready
         WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND due_us <= ?1 AND lease_until_us <= ?1
         ORDER BY due_us, uid LIMIT ?2",
    )?;
    let read = |statement: &mut CachedStatement<'_>| {
        let row = |row: &Row<'_>| Ok((row.get::<_, Uid>(0)?, row.get::<_, String>(1)?));
        let rows = statement.query_map(params![now, row::limit(limit + in_hand.len())], row)?;
        let free = |row: &Result<(Uid, String), rusqlite::Error>| {
            row.as_ref().map_or(true, |(uid, _)| !in_hand.contains(&uid.0))
        };
        rows.filter(free).collect::<Result<Vec<_>, _>>()
    };
    let mut rows = read(&mut released)?;
    // A held job whose own time has come is in both.
    let known: HashSet<JobUid> = rows.iter().map(|(uid, _)| uid.0).collect();
    rows.extend(read(&mut due)?.into_iter().filter(|(uid, _)| !known.contains(&uid.0)));
    rows.truncate(limit);
    let mut lease = conn.prepare_cached(
        "UPDATE jobs SET lease_holder = ?2, lease_token = lease_token + 1, lease_until_us = ?3
         WHERE uid = ?1 RETURNING lease_token",
    )?;
    let mut claimed = Vec::with_capacity(rows.len());
    for (uid, text) in rows {
        let token = lease.query_row(params![uid, holder, row::not_before(until)], |row| row.get(0))?;
        match row::read(uid.0, &text) {
            Ok(record) => claimed.push(Claimed { record, lease: Lease { holder: holder.to_owned(), token, until } }),
            Err(error) => tracing::error!(job.uid = %uid.0, %error, "cannot read a job that is due; leaves it out"),
        }
    }
    Ok(claimed)
}

pub(super) fn reclaim(conn: &Connection, holder: &str) -> Result<usize, StoreError> {
    Ok(conn
        .prepare_cached("UPDATE jobs SET lease_holder = NULL, lease_until_us = 0 WHERE lease_holder = ?1")?
        .execute([holder])?)
}

/// Makes every job that is to be looked at later due now.
pub(super) fn bring_forward(conn: &Connection, now: Timestamp) -> Result<usize, StoreError> {
    Ok(conn.prepare_cached("UPDATE jobs SET due_us = ?1 WHERE due_us > ?1")?.execute([row::at_or_before(now)])?)
}

/// When a claim will next find a job: the first due time of those that are not leased, or the end of a lease.
pub(super) fn next_due(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = conn
        .prepare_cached(
            "SELECT min(at) FROM (
               SELECT * FROM (
                 SELECT due_us AS at FROM jobs INDEXED BY jobs_ready
                 WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND lease_holder IS NULL
                 ORDER BY due_us LIMIT 1)
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
