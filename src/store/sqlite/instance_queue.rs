//! The queue of an instance and of the owner that jobs name for it: they run one at a time, in the order in which they
//! entered it.
//!
//! Only the first of a queue is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. In return, the transaction in which a job leaves must mark the next one as first.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{Indexed, QueuePlace, Uid};
use crate::domain::{Instance, JobUid};
use crate::engine::ports::store::StoreError;
use crate::engine::record::Record;

/// The place of a job that enters now, behind all others.
pub(super) fn enter(conn: &Connection, job: &Indexed<'_>) -> Result<QueuePlace, StoreError> {
    let last: Option<i64> = conn
        .prepare_cached(
            "SELECT max(turn) FROM jobs WHERE instance_id = ?1 AND instance_owner = ?2 AND turn IS NOT NULL",
        )?
        .query_row([job.instance_id, job.instance_owner], |row| row.get(0))?;
    Ok(QueuePlace { turn: Some(last.unwrap_or(0) + 1), is_first: last.is_none() })
}

/// Marks the job with the lowest turn as first, after `left` has left.
pub(super) fn mark_first(conn: &Connection, left: &Indexed<'_>) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE jobs SET is_first = 1 WHERE is_first = 0 AND uid =
           (SELECT uid FROM jobs WHERE instance_id = ?1 AND instance_owner = ?2 AND turn IS NOT NULL
            ORDER BY turn LIMIT 1)",
    )?
    .execute([left.instance_id, left.instance_owner])?;
    Ok(())
}

pub(super) fn first(conn: &Connection, instance: &Instance) -> Result<Option<JobUid>, StoreError> {
    let first = conn
        .prepare_cached(
            "SELECT uid FROM jobs WHERE instance_id = ?1 AND instance_owner = ?2 AND turn IS NOT NULL
             ORDER BY turn LIMIT 1",
        )?
        .query_row([instance.id.as_str(), instance.owner.as_str()], |row| row.get::<_, Uid>(0))
        .optional()?;
    Ok(first.map(|uid| uid.0))
}

/// Whether as many jobs as may be of the requester of `record` on its instance have not begun.
pub(super) fn is_full(conn: &Connection, record: &Record, most: Option<u32>) -> Result<bool, StoreError> {
    let Some(most) = most else { return Ok(false) };
    let unbegun: u32 = conn
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY jobs_unbegun
               WHERE instance_id = ?1 AND requester = ?2 AND ended = 0 AND begun_us IS NULL LIMIT ?3)",
        )?
        .query_row(params![record.job.instance.id.as_str(), record.requester.as_str(), most], |row| row.get(0))?;
    Ok(unbegun >= most)
}

/// The job besides `uid` that has the lock of an instance.
pub(super) fn locked_by(conn: &Connection, instance: &str, uid: JobUid) -> Result<Option<JobUid>, StoreError> {
    let other = conn
        .prepare_cached("SELECT uid FROM jobs WHERE locks = 1 AND instance_id = ?1 AND uid <> ?2 LIMIT 1")?
        .query_row(params![instance, Uid(uid)], |row| row.get::<_, Uid>(0))
        .optional()?;
    Ok(other.map(|uid| uid.0))
}
