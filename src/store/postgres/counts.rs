//! Jobs by kind and state, counted as they change: to count a million rows for every metrics scrape would take too long.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Row;

use super::connection::{Connection, Pipeline, Values};
use super::error::PgError;
use crate::engine::ports::store::{Ages, Counts, Outlook, PARKED_READ};
use crate::engine::record::State;
use crate::store::row;

/// By how much each count of jobs changes, by kind and state.
pub(super) type CountChanges<'a> = BTreeMap<(&'a str, &'a str), i64>;

/// A row for each kind and state, in one order, so that two transactions never wait for each other in a circle.
pub(super) const COUNT: &str = "INSERT INTO census AS c (shard, kind, state, jobs)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int8[]) AS n(kind, state, jobs)
    ON CONFLICT (shard, kind, state) DO UPDATE SET jobs = c.jobs + excluded.jobs";

/// Adds the changes to the counts of a shard. [`COUNT`] must be prepared.
pub(super) async fn write(pipeline: Pipeline<'_>, changes: &CountChanges<'_>, shard: i16) -> Result<(), PgError> {
    let changes: Vec<_> = changes.iter().filter(|(_, jobs)| **jobs != 0).collect();
    if changes.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = changes.iter().map(|((kind, _), _)| *kind).collect();
    let states: Vec<&str> = changes.iter().map(|((_, state), _)| *state).collect();
    let jobs: Vec<i64> = changes.iter().map(|(_, jobs)| **jobs).collect();
    pipeline.execute(COUNT, &[&shard, &kinds, &states, &jobs]).await
}

/// The bytes of all tables, with their indexes.
pub(super) async fn size(conn: &Connection) -> Result<u64, PgError> {
    let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::int8 FROM pg_class
        WHERE relnamespace = 'crossgrant'::regnamespace AND relkind = 'r'";
    Ok(conn.query_one(sql, &[]).await?.get::<_, i64>(0).unsigned_abs())
}

/// Counts for the metrics; a kind and state without a job is left out.
pub(super) async fn read(conn: &Connection) -> Result<Counts, PgError> {
    let count = |row: &Row, column: usize| row.get::<_, i64>(column).unsigned_abs();
    let sql = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM undeliverable),
        (SELECT count(*) FROM rejections), (SELECT count(*) FROM pauses WHERE active),
        (SELECT count(*) FROM outbox WHERE due_us > 0),
        (SELECT count(*) FROM outbox WHERE queue >= '\"https://' AND queue < '\"https:0' AND due_us > 0)";
    let row = conn.query_one(sql, &[]).await?;
    let mut counts = Counts {
        outbox: count(&row, 0),
        refused: count(&row, 4).saturating_sub(count(&row, 5)),
        failed: count(&row, 5),
        undeliverable: count(&row, 1),
        rejected: count(&row, 2),
        paused: count(&row, 3),
        ..Counts::default()
    };
    let sql = "SELECT kind, state, sum(jobs)::int8 FROM census GROUP BY kind, state HAVING sum(jobs) > 0";
    for row in conn.query(sql, &[]).await? {
        counts.jobs.insert(row::kind_and_state(row.get(0), row.get(1))?, count(&row, 2));
    }
    for row in conn.query("SELECT held, count(*) FROM jobs WHERE held IS NOT NULL GROUP BY held", &[]).await? {
        counts.held.insert(row::account(row.get(0))?, count(&row, 1));
    }
    let parked = counts.jobs.iter().filter(|((_, state), _)| *state == State::Parked).map(|(_, jobs)| jobs).sum();
    if parked > 0 {
        let sql = "SELECT substr(record, strpos(record, $1) + $2, $3), turn IS NOT NULL FROM jobs
            WHERE state = 'parked' ORDER BY turn IS NULL LIMIT $4";
        let values: Values<'_> = &[&row::ENDING, &row::ENDING_LENGTH, &row::REASON_LENGTH, &i64::from(PARKED_READ)];
        let read: Vec<_> =
            conn.query(sql, values).await?.iter().map(|row| (row::reason(row.get(0)), row.get(1))).collect();
        counts.parked = row::count_parked(&read, parked);
    }
    Ok(counts)
}

/// How old things are. Each query reads the first entry of an index, and those of the jobs that can be overdue.
pub(super) async fn ages(conn: &Connection, late: Timestamp) -> Result<Ages, PgError> {
    let mut ages = Ages::default();
    let sql = "SELECT state, (SELECT accepted_us FROM jobs WHERE jobs.state = open.state ORDER BY uid LIMIT 1)
        FROM unnest($1::text[]) AS open(state)";
    let open = State::OPEN.map(State::as_str);
    for row in conn.query(sql, &[&&open[..]]).await? {
        let oldest: Option<i64> = row.get(1);
        if let Some(us) = oldest {
            ages.oldest.insert(row::state(row.get(0))?, row::time(us));
        }
    }
    let sql = "SELECT (SELECT count(*) FROM
          (SELECT record FROM jobs WHERE state = 'waiting' AND uid < $1 ORDER BY uid LIMIT $2) AS late
          WHERE strpos(record, $3) > 0),
        (SELECT count(*) FROM batches WHERE ended_us IS NULL),
        (SELECT min(accepted_us) FROM batches WHERE ended_us IS NULL)";
    let values: Values<'_> = &[&row::first_uid(late), &i64::from(PARKED_READ), &row::OVERDUE];
    let row = conn.query_one(sql, values).await?;
    ages.overdue = row.get::<_, i64>(0).unsigned_abs();
    ages.open_batches = row.get::<_, i64>(1).unsigned_abs();
    ages.oldest_batch = row.get::<_, Option<i64>>(2).map(row::time);
    for lane in ["IS NULL", "IS NOT NULL"] {
        let sql = format!(
            "SELECT e.body FROM outbox o JOIN events e ON e.uid = o.uid AND e.sequence = o.sequence
             WHERE o.queue {lane} AND o.due_us IS NULL ORDER BY o.number LIMIT 1"
        );
        let body = conn.query(&sql, &[]).await?.first().and_then(|row| row::said_at(row.get(0)));
        ages.unpublished = [ages.unpublished, body].into_iter().flatten().min();
    }
    Ok(ages)
}

/// What goes on by itself.
pub(super) async fn outlook(conn: &Connection) -> Result<Vec<Outlook>, PgError> {
    let sql = "SELECT state, count(*), min(due_us), min(accepted_us) FROM jobs
        WHERE state IN ('queued', 'running', 'waiting') GROUP BY state ORDER BY state";
    let rows = conn.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| row::outlook(row.get(0), row.get(1), row.get(2), row.get(3))).collect::<Result<_, _>>()?)
}
