//! Leases: which worker may work on a job, and until when.
//!
//! A lease is exclusive because its row is locked when it is given, and rows that another claim has locked are skipped. It
//! is fenced by its token: a worker that was stopped until after its lease had ended commits with an old token, and that
//! is a conflict.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::database_time::{DatabaseTime, Trusted};
use super::error::PgError;
use super::lease_clock::now_us;
use crate::domain::{AccountUid, JobUid};
use crate::engine::ports::store::{Claimed, LatestDue, Lease, Turns};
use crate::store::row;
use crate::store::unreadable::UnreadableRows;

/// Whether the lease on a row has ended: by the caller's clock, `$2`; else by the time that may be trusted, `$12`, once the clock
/// of the database has gone steadily for its length, `$13`. Then its holder, if it is alive, has prolonged it by that clock. One
/// that ends further ahead than it is long was given before the clock was set back.
macro_rules! ended {
    () => {
        concat!(
            "CASE WHEN $2::int8 IS NOT NULL THEN lease_until_us <= $2 WHEN lease_until_us = 0 THEN true
               WHEN lease_length_us > $13::int8 THEN false
               ELSE lease_until_us <= least($12::int8, ",
            now_us!(),
            ") OR lease_until_us > greatest($12, ",
            now_us!(),
            ") + lease_length_us END"
        )
    };
}

/// Leases jobs of each requester in its turn. The index of jobs that can be claimed is in the order of requesters, and each
/// step to the next one is a search in it. So a hundred thousand jobs of one requester cost a claim no more than one.
///
/// Of each requester as many rows are locked as its part of the limit. Those that were held for an account that is no longer
/// paused come first: they have waited longest. One whose own time has come is in both lists.
const CLAIM: &str = concat!(
    "WITH RECURSIVE waiting (requester) AS (
       (SELECT requester FROM jobs WHERE is_first AND NOT swept AND due_us IS NOT NULL ORDER BY requester LIMIT 1)
       UNION ALL
       SELECT (SELECT j.requester FROM jobs j WHERE is_first AND NOT swept AND due_us IS NOT NULL
         AND j.requester > w.requester ORDER BY j.requester LIMIT 1) FROM waiting w WHERE w.requester IS NOT NULL),
     holding (requester) AS (
       (SELECT requester FROM jobs WHERE held IS NOT NULL ORDER BY requester LIMIT 1)
       UNION ALL
       SELECT (SELECT j.requester FROM jobs j WHERE held IS NOT NULL
         AND j.requester > h.requester ORDER BY j.requester LIMIT 1) FROM holding h WHERE h.requester IS NOT NULL),
     in_turn AS MATERIALIZED (
       SELECT requester, $9 - coalesce(jobs, 0) AS has_left
       FROM (SELECT requester FROM waiting UNION SELECT requester FROM holding) AS requesters
         LEFT JOIN unnest($7::text[], $8::int8[]) AS in_work (requester, jobs) USING (requester)
       WHERE requester IS NOT NULL AND $9 > coalesce(jobs, 0)),
     part AS MATERIALIZED (SELECT ceil($3::int8::float8 / greatest(count(*), 1))::int8 AS rows FROM in_turn),
     released AS MATERIALIZED (
       SELECT requester, has_left, uid, held FROM in_turn CROSS JOIN LATERAL (
         SELECT uid, held FROM jobs j
         WHERE j.requester = in_turn.requester AND held IN (SELECT account FROM pauses WHERE NOT active) AND is_first
           AND uid <> ALL ($11::uuid[]) AND ",
    ended!(),
    " ORDER BY held, uid LIMIT (SELECT rows FROM part) FOR NO KEY UPDATE OF j SKIP LOCKED) AS found),
     due AS MATERIALIZED (
       SELECT requester, has_left, uid, due_us FROM in_turn CROSS JOIN LATERAL (
         SELECT uid, due_us FROM jobs j
         WHERE j.requester = in_turn.requester AND is_first AND NOT swept AND due_us IS NOT NULL AND due_us <= $1
           AND uid <> ALL ($11::uuid[]) AND ",
    ended!(),
    " ORDER BY due_us, uid LIMIT (SELECT rows FROM part) FOR NO KEY UPDATE OF j SKIP LOCKED) AS found),
     found AS (
       SELECT requester, has_left, uid,
         row_number() OVER (PARTITION BY requester ORDER BY min(held) NULLS LAST, min(due_us), uid) AS round
       FROM (SELECT requester, has_left, uid, held, NULL::int8 AS due_us FROM released
             UNION ALL SELECT requester, has_left, uid, NULL, due_us FROM due) AS either
       GROUP BY requester, has_left, uid),
     next AS (
       SELECT uid, row_number() OVER (ORDER BY round, requester <= $10, requester) AS place FROM found
       WHERE round <= has_left ORDER BY place LIMIT $3)
     UPDATE jobs j SET lease_holder = $4, lease_token = lease_token + 1, lease_until_us = coalesce($5, ",
    now_us!(),
    " + $6), lease_length_us = coalesce($6, 0) FROM next WHERE j.uid = next.uid
     RETURNING j.uid, record, lease_token, place, (SELECT count(*) FROM in_turn) AS requesters"
);

/// The ends of leases are converted to the caller's clock, unless leases go by that. Nothing is said of those that cannot be
/// judged yet; see `ended`.
const NEXT: &str = concat!(
    "WITH RECURSIVE off AS (SELECT CASE WHEN $1::int8 IS NULL THEN 0 ELSE least($2::int8, ",
    now_us!(),
    ") - $1 END AS by WHERE $1 IS NULL OR $2 IS NOT NULL),
     leased AS (
       SELECT due_us, swept, held,
         CASE WHEN $1 IS NOT NULL AND lease_until_us > greatest($2, ",
    now_us!(),
    ") + lease_length_us THEN 0 ELSE lease_until_us - off.by END AS ends_us
       FROM jobs, off WHERE lease_holder IS NOT NULL AND is_first AND ($1 IS NULL OR lease_length_us <= $3::int8)),
     requesters (name) AS (
       (SELECT requester FROM jobs WHERE is_first AND NOT swept AND due_us IS NOT NULL ORDER BY requester LIMIT 1)
       UNION ALL
       SELECT (SELECT requester FROM jobs WHERE is_first AND NOT swept AND due_us IS NOT NULL AND requester > name
         ORDER BY requester LIMIT 1) FROM requesters WHERE name IS NOT NULL)
     SELECT min(at) FROM (
       SELECT (SELECT due_us FROM jobs
         WHERE requester = name AND is_first AND NOT swept AND due_us IS NOT NULL AND lease_holder IS NULL
         ORDER BY due_us LIMIT 1) AS at FROM requesters
       UNION ALL
       SELECT min(greatest(due_us, ends_us)) FROM leased WHERE NOT swept AND due_us IS NOT NULL
       UNION ALL
       (SELECT 0 FROM jobs WHERE held IS NOT NULL AND held IN (SELECT account FROM pauses WHERE NOT active)
          AND is_first AND lease_holder IS NULL LIMIT 1)
       UNION ALL
       SELECT min(ends_us) FROM leased WHERE held IS NOT NULL AND held IN (SELECT account FROM pauses WHERE NOT active)) AS next"
);

/// Leases jobs that are due, each requester in its turn.
///
/// A row that cannot be read is leased too and left out, so that it does not hold up the jobs behind it.
pub(super) async fn claim(
    conn: &Connection,
    (time, unreadable): (&DatabaseTime, &UnreadableRows),
    holder: &str,
    now: Timestamp,
    until: Timestamp,
    limit: usize,
    turns: &Turns,
) -> Result<Vec<Claimed>, PgError> {
    let (due, at, end) = (row::at_or_before(now), time.clock().now(now), time.clock().end(now, until));
    let Trusted { now_us: trusted, steady_us } = time.trusted().unwrap_or(Trusted::NOTHING);
    let after = turns.after.as_ref().map_or("", |requester| requester.as_str());
    let in_hand: Vec<Uuid> = turns.in_hand.keys().map(|uid| uid.0).collect();
    let (mut in_work, most) = (turns.in_work(), row::limit(turns.most));
    let (mut claimed, mut leased) = (Vec::with_capacity(limit), 0);
    // A requester with few jobs leaves some of its part to the others.
    loop {
        let (requesters, jobs): (Vec<&str>, Vec<i64>) =
            in_work.iter().map(|(requester, jobs)| (requester.as_str(), row::limit(*jobs))).unzip();
        let left = row::limit(limit - leased);
        let mut rows = conn
            .query(
                CLAIM,
                &[
                    &due,
                    &at,
                    &left,
                    &holder,
                    &end.until_us,
                    &end.length_us,
                    &requesters,
                    &jobs,
                    &most,
                    &after,
                    &in_hand,
                    &trusted,
                    &steady_us,
                ],
            )
            .await?;
        rows.sort_unstable_by_key(|row| row.get::<_, i64>("place"));
        let (found, alone) = (rows.len(), rows.first().is_none_or(|row| row.get::<_, i64>("requesters") == 1));
        for row in rows {
            let uid = JobUid(row.get(0));
            if let Some(record) = unreadable.job(uid, row.get(1)) {
                *in_work.entry(record.requester.clone()).or_default() += 1;
                let lease = Lease { holder: holder.to_owned(), token: row.get(2), until };
                claimed.push(Claimed { record, lease });
            }
        }
        leased += found;
        if alone || found == 0 || leased >= limit {
            return Ok(claimed);
        }
    }
}

pub(super) async fn reclaim(conn: &Connection, holder: &str) -> Result<usize, PgError> {
    let sql = "UPDATE jobs SET lease_holder = NULL, lease_until_us = 0
        WHERE uid IN (SELECT uid FROM jobs WHERE lease_holder = $1 ORDER BY uid FOR NO KEY UPDATE)";
    conn.execute(sql, &[&holder]).await
}

/// Makes jobs due now that are to be looked at later than is right, or only those of an account. Finds them among those that have
/// not ended.
pub(super) async fn bring_forward(
    conn: &Connection,
    now: Timestamp,
    latest: LatestDue,
    of: Option<&AccountUid>,
) -> Result<usize, PgError> {
    let sql = "UPDATE jobs SET due_us = $1 WHERE uid IN (SELECT uid FROM jobs
        WHERE state IN ('queued', 'running', 'waiting') AND held IS NULL
          AND due_us > CASE state WHEN 'waiting' THEN $3::int8 ELSE $2::int8 END AND (state <> 'queued' OR turn IS NOT NULL)
          AND ($4::text IS NULL OR instance_owner = $4 OR cen_owner = $4)
        ORDER BY uid FOR NO KEY UPDATE)";
    let [now, resting, waiting] = [now, latest.resting, latest.waiting].map(row::at_or_before);
    conn.execute(sql, &[&now, &resting, &waiting, &of.map(AccountUid::as_str)]).await
}

/// When a claim will next find a job, by the caller's clock: the first due time of those that are not leased, or the end of
/// a lease.
pub(super) async fn next_due(conn: &Connection, time: &DatabaseTime) -> Result<Option<Timestamp>, PgError> {
    let trusted = time.trusted();
    let (by, steady) = (trusted.map(|trusted| trusted.now_us), trusted.map(|trusted| trusted.steady_us));
    let row = conn.query_one(NEXT, &[&time.clock().caller_us(), &by, &steady]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}
