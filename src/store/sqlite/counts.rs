//! Jobs by kind and state, counted as they change: to count a million rows for every metrics scrape would take too long.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use crate::domain::Kind;
use crate::engine::ports::store::{Counts, StoreError};
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
        refused: count("SELECT count(*) FROM outbox WHERE due_us IS NOT NULL")?,
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
    Ok(counts)
}
