//! The queue of an instance: its jobs run one at a time, in the order in which they entered it.
//!
//! Only the first of a queue is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. In return, the transaction in which a job leaves must mark the next one as first.

use rusqlite::{Connection, OptionalExtension as _};

use super::row::{QueuePlace, Uid};
use crate::domain::{InstanceId, JobUid};
use crate::engine::ports::store::StoreError;

/// The place of a job that enters now, behind all others.
pub(super) fn enter(conn: &Connection, instance: &str) -> Result<QueuePlace, StoreError> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(turn) FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL")?
        .query_row([instance], |row| row.get(0))?;
    Ok(QueuePlace { turn: Some(last.unwrap_or(0) + 1), is_first: last.is_none() })
}

/// Marks the job with the lowest turn as first, after another has left.
pub(super) fn mark_first(conn: &Connection, instance: &str) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE jobs SET is_first = 1 WHERE is_first = 0 AND uid =
           (SELECT uid FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL ORDER BY turn LIMIT 1)",
    )?
    .execute([instance])?;
    Ok(())
}

pub(super) fn first(conn: &Connection, instance: &InstanceId) -> Result<Option<JobUid>, StoreError> {
    let first = conn
        .prepare_cached("SELECT uid FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL ORDER BY turn LIMIT 1")?
        .query_row([instance.as_str()], |row| row.get::<_, Uid>(0))
        .optional()?;
    Ok(first.map(|uid| uid.0))
}
