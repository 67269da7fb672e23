//! The line of an instance: jobs on one instance run one at a time, in the order in which they entered it.
//!
//! Only the first of a line is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. The price is that whoever leaves must hand on the first place, in the same transaction.

use rusqlite::{Connection, OptionalExtension as _};

use super::row::Uid;
use crate::domain::{InstanceId, JobUid};
use crate::engine::ports::store::StoreError;

/// The place of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number; `None` outside the line.
    pub(super) turn: Option<i64>,
    /// Whether nothing is before it.
    pub(super) is_first: bool,
}

impl Place {
    /// Not in the line, so nobody is in its way.
    pub(super) const OUTSIDE: Self = Self { turn: None, is_first: true };
}

/// The place of one that enters now: behind all others.
pub(super) fn enter(conn: &Connection, instance: &str) -> Result<Place, StoreError> {
    let last: Option<i64> = conn
        .prepare_cached("SELECT max(turn) FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL")?
        .query_row([instance], |row| row.get(0))?;
    Ok(Place { turn: Some(last.unwrap_or(0) + 1), is_first: last.is_none() })
}

/// Makes the lowest turn of the line its first, after another has left.
pub(super) fn hand_on(conn: &Connection, instance: &str) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE jobs SET is_first = 1 WHERE is_first = 0 AND uid =
           (SELECT uid FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL ORDER BY turn LIMIT 1)",
    )?
    .execute([instance])?;
    Ok(())
}

/// The first in the line of an instance.
pub(super) fn head(conn: &Connection, instance: &InstanceId) -> Result<Option<JobUid>, StoreError> {
    let head = conn
        .prepare_cached("SELECT uid FROM jobs WHERE instance_id = ?1 AND turn IS NOT NULL ORDER BY turn LIMIT 1")?
        .query_row([instance.as_str()], |row| row.get::<_, Uid>(0))
        .optional()?;
    Ok(head.map(|uid| uid.0))
}
