//! Turns: which of the jobs that can be leased are leased next, so that each requester gets its turn.
//!
//! The index of jobs that can be claimed is in the order of requesters, and each step to the next one is a search in it. So a
//! hundred thousand jobs of one requester cost a claim no more than one.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, Uid};
use crate::domain::JobUid;
use crate::engine::ports::store::{StoreError, Turns};

/// A requester in a claim.
struct InTurn {
    requester: String,
    /// How many more slots it may have.
    left: usize,
    found: Vec<JobUid>,
    /// Whether it may have more than were found.
    more: bool,
}

/// Up to `limit` jobs that can be leased at `now`: a first one of each requester, then a second one of each, and so on, from
/// the requester after the one whose turn was last.
pub(super) fn next(conn: &Connection, now: i64, limit: usize, turns: &Turns) -> Result<Vec<JobUid>, StoreError> {
    let mut requesters = requesters(conn, now, limit, turns)?;
    let mut each = 1;
    loop {
        for requester in requesters.iter_mut().filter(|requester| requester.more) {
            let most = each.min(requester.left);
            requester.found = of_requester(conn, now, &requester.requester, most, turns)?;
            requester.more = requester.found.len() == each && each < requester.left;
        }
        let found: usize = requesters.iter().map(|requester| requester.found.len()).sum();
        if found >= limit || !requesters.iter().any(|requester| requester.more) {
            break;
        }
        each = limit.div_ceil(requesters.len()).max(2 * each);
    }
    let of_round = |round| requesters.iter().filter_map(move |requester| requester.found.get(round).copied());
    Ok((0..each).flat_map(of_round).take(limit).collect())
}

/// The requesters whose turn is next and who have a job that can be leased, at most `limit`.
fn requesters(conn: &Connection, now: i64, limit: usize, turns: &Turns) -> Result<Vec<InTurn>, StoreError> {
    let last = turns.after.as_ref().map_or("", |requester| requester.as_str());
    let mut requesters = Vec::new();
    let mut add = |requester: &str| {
        let left = turns.left(requester);
        if left > 0 && !of_requester(conn, now, requester, 1, turns)?.is_empty() {
            requesters.push(InTurn { requester: requester.to_owned(), left, found: vec![], more: true });
        }
        Ok::<_, StoreError>(requesters.len() < limit)
    };
    // From the one after the last to the end, then from the beginning to the last.
    for (from, to) in [(last, None), ("", Some(last))] {
        let mut at = from.to_owned();
        while let Some(next) = requester_after(conn, &at)?.filter(|next| to.is_none_or(|to| next.as_str() <= to)) {
            if !add(&next)? {
                return Ok(requesters);
            }
            at = next;
        }
    }
    Ok(requesters)
}

/// The next requester, in the order of names, with a job that is or will be due, or is held.
fn requester_after(conn: &Connection, requester: &str) -> Result<Option<String>, StoreError> {
    let first = conn
        .prepare_cached(
            "SELECT min(requester) FROM (
               SELECT * FROM (SELECT requester FROM jobs INDEXED BY jobs_ready
                 WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND requester > ?1 ORDER BY requester LIMIT 1)
               UNION ALL
               SELECT * FROM (SELECT requester FROM jobs INDEXED BY jobs_held_by
                 WHERE held IS NOT NULL AND requester > ?1 ORDER BY requester LIMIT 1))",
        )?
        .query_row([requester], |row| row.get::<_, Option<String>>(0))
        .optional()?;
    Ok(first.flatten())
}

/// Up to `limit` jobs of a requester that can be leased. Those that were held for an account that is no longer paused come
/// first: they have waited longest.
fn of_requester(
    conn: &Connection,
    now: i64,
    requester: &str,
    limit: usize,
    turns: &Turns,
) -> Result<Vec<JobUid>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT * FROM (SELECT uid FROM jobs INDEXED BY jobs_held_by
           WHERE requester = ?1 AND held IN (SELECT account FROM pauses WHERE active = 0) AND is_first = 1
             AND lease_until_us <= ?2 ORDER BY held, uid LIMIT ?3)
         UNION ALL
         SELECT * FROM (SELECT uid FROM jobs INDEXED BY jobs_ready
           WHERE requester = ?1 AND is_first = 1 AND swept = 0 AND due_us IS NOT NULL AND due_us <= ?2
             AND lease_until_us <= ?2 AND (held IS NULL OR held NOT IN (SELECT account FROM pauses WHERE active = 0))
           ORDER BY due_us, uid LIMIT ?3)",
    )?;
    let found = statement.query_map(params![requester, now, row::limit(limit + turns.in_hand.len())], |row| {
        row.get::<_, Uid>(0).map(|uid| uid.0)
    })?;
    let free = found.filter(|uid| uid.as_ref().map_or(true, |uid| !turns.in_hand.contains_key(uid)));
    Ok(free.take(limit).collect::<Result<_, _>>()?)
}
