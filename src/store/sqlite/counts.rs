//! Jobs by kind and state, counted as they change: to count a million rows for every metrics scrape would take too long.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::Uid;
use crate::domain::{JobUid, Kind};
use crate::engine::ports::store::{Ages, Counts, Outlook, PARKED_READ, StoreError};
use crate::engine::record::State;
use crate::store::row;

/// By how much each count of jobs changes.
pub(super) type CountChanges = BTreeMap<(Kind, State), i64>;

pub(super) fn write(conn: &Connection, changes: &CountChanges) -> rusqlite::Result<()> {
    for ((kind, state), jobs) in changes.iter().filter(|(_, jobs)| **jobs != 0) {
        conn.prepare_cached(
            "INSERT INTO census (kind, state, jobs) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET jobs = jobs + excluded.jobs",
        )?
        .execute(params![kind.as_str(), state.as_str(), jobs])?;
    }
    Ok(())
}

/// Counts for the metrics; a kind and state without a job is left out.
pub(super) fn read(conn: &Connection) -> Result<Counts, StoreError> {
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    let mut counts = Counts {
        outbox: count("SELECT count(*) FROM outbox")?,
        refused: count(
            "SELECT count(*) FROM outbox
             WHERE due_us > 0 AND NOT (exchange = '' AND routing_key >= 'https://' AND routing_key < 'https:0')",
        )?,
        failed: count(
            "SELECT count(*) FROM outbox
             WHERE exchange = '' AND routing_key >= 'https://' AND routing_key < 'https:0' AND due_us > 0",
        )?,
        undeliverable: count("SELECT count(*) FROM undeliverable")?,
        rejected: count("SELECT count(*) FROM rejections")?,
        paused: count("SELECT count(*) FROM pauses WHERE active = 1")?,
        ..Counts::default()
    };
    let mut statement = conn.prepare_cached("SELECT kind, state, jobs FROM census WHERE jobs > 0")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let (kind, state): (String, String) = (row.get(0)?, row.get(1)?);
        counts.jobs.insert(row::kind_and_state(&kind, &state)?, row.get::<_, i64>(2)?.unsigned_abs());
    }
    let mut statement = conn.prepare_cached("SELECT held, count(*) FROM jobs WHERE held IS NOT NULL GROUP BY held")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        counts.held.insert(row::account(&row.get::<_, String>(0)?)?, row.get::<_, i64>(1)?.unsigned_abs());
    }
    let parked = counts.jobs.iter().filter(|((_, state), _)| *state == State::Parked).map(|(_, jobs)| jobs).sum();
    if parked > 0 {
        let mut statement = conn.prepare_cached(
            "SELECT substr(record, instr(record, ?1) + ?2, ?3), turn IS NOT NULL FROM jobs
             WHERE state = 'parked' ORDER BY turn IS NULL LIMIT ?4",
        )?;
        let values = params![row::ENDING, row::ENDING_LENGTH, row::REASON_LENGTH, PARKED_READ];
        let read = statement.query_map(values, |row| Ok((row::reason(&row.get::<_, String>(0)?), row.get(1)?)))?;
        counts.parked = row::count_parked(&read.collect::<rusqlite::Result<Vec<_>>>()?, parked);
    }
    Ok(counts)
}

/// How old things are. Each query reads the first entry of an index, and those of the jobs that can be overdue.
pub(super) fn ages(conn: &Connection, late: Timestamp) -> Result<Ages, StoreError> {
    let mut ages = Ages::default();
    let mut first = conn.prepare_cached("SELECT accepted_us FROM jobs WHERE state = ?1 ORDER BY uid LIMIT 1")?;
    for state in State::OPEN {
        let oldest: Option<i64> = first.query_row([state.as_str()], |row| row.get(0)).optional()?;
        ages.oldest.extend(oldest.map(|us| (state, row::time(us))));
    }
    let overdue: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM (SELECT record FROM jobs WHERE state = 'waiting' AND uid < ?1 ORDER BY uid LIMIT ?2)
             WHERE instr(record, ?3) > 0",
        )?
        .query_row(params![Uid(JobUid(row::first_uid(late))), PARKED_READ, row::OVERDUE], |row| row.get(0))?;
    ages.overdue = overdue.unsigned_abs();
    let mut first = conn.prepare_cached(
        "SELECT e.body FROM outbox o JOIN events e ON e.uid = o.uid AND e.sequence = o.sequence
         WHERE (o.exchange = '') = ?1 AND o.due_us IS NULL ORDER BY o.number LIMIT 1",
    )?;
    for replies in [false, true] {
        let body: Option<Vec<u8>> = first.query_row([replies], |row| row.get(0)).optional()?;
        ages.unpublished = [ages.unpublished, body.and_then(|body| row::said_at(&body))].into_iter().flatten().min();
    }
    let (open, oldest): (i64, Option<i64>) = conn
        .prepare_cached("SELECT count(*), min(accepted_us) FROM batches WHERE ended_us IS NULL")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    (ages.open_batches, ages.oldest_batch) = (open.unsigned_abs(), oldest.map(row::time));
    Ok(ages)
}

/// What goes on by itself.
pub(super) fn outlook(conn: &Connection) -> Result<Vec<Outlook>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT state, count(*), min(due_us), min(accepted_us) FROM jobs
         WHERE state IN ('queued', 'running', 'waiting') GROUP BY state",
    )?;
    let mut rows = statement.query([])?;
    let mut outlook = Vec::new();
    while let Some(row) = rows.next()? {
        outlook.push(row::outlook(&row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)?);
    }
    Ok(outlook)
}
