//! The queue of an instance and of the owner that jobs name for it: they run one at a time, in the order in which they
//! entered it.
//!
//! Only the first of a queue is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. In return, the transaction in which a job leaves must mark the next one as first. Two transactions must not
//! change one queue at the same time: each would see the job of the other where it no longer is, and no job would be
//! first. So a transaction in which a job enters or leaves locks all queues of the instance, before any row and in one order
//! for all. So does one in which a job gets the lock of the instance, which one of its jobs has at a time, whatever its owner.

use std::collections::HashMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::error::PgError;
use crate::domain::{Instance, JobUid};
use crate::engine::record::Record;

/// Names a queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct QueueKey {
    pub(super) instance: String,
    pub(super) owner: String,
}

impl QueueKey {
    pub(super) fn of(record: &Record) -> Self {
        let Instance { id, owner, .. } = &record.job.instance;
        Self { instance: id.to_string(), owner: owner.to_string() }
    }
}

/// Locks queues until the end of the transaction, in the order of the keys given.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1, key) FROM unnest($2::int4[]) AS key";

/// The last turn of each queue that is not empty.
pub(super) const LAST: &str = "SELECT * FROM (SELECT instance_id, owner, (SELECT max(turn) FROM jobs j
      WHERE j.instance_id = n.instance_id AND j.instance_owner = n.owner AND turn IS NOT NULL) AS last
      FROM unnest($1::text[], $2::text[]) AS n(instance_id, owner)) AS lines
    WHERE last IS NOT NULL";

/// The jobs that have the locks of these instances.
pub(super) const LOCKED_BY: &str = "SELECT uid, instance_id FROM jobs WHERE locks AND instance_id = ANY ($1)";

/// The last turns of the queues that are locked.
#[derive(Default)]
pub(super) struct LastTurns(HashMap<QueueKey, i64>);

impl LastTurns {
    /// From rows of [`LAST`].
    pub(super) fn read(rows: &[Row]) -> Self {
        let key = |row: &Row| QueueKey { instance: row.get(0), owner: row.get(1) };
        Self(rows.iter().map(|row| (key(row), row.get(2))).collect())
    }

    /// The turn of a job that enters now, behind all others. Whether it is first depends on which have left.
    pub(super) fn enter(&mut self, queue: &QueueKey) -> i64 {
        let last = self.0.entry(queue.clone()).or_insert(0);
        *last += 1;
        *last
    }

    /// Whether the queue was empty, and no job has entered it since.
    pub(super) fn is_empty(&self, queue: &QueueKey) -> bool {
        !self.0.contains_key(queue)
    }
}

pub(super) async fn first(conn: &Connection, instance: &Instance) -> Result<Option<JobUid>, PgError> {
    let sql = "SELECT uid FROM jobs WHERE instance_id = $1 AND instance_owner = $2 AND turn IS NOT NULL
        ORDER BY turn LIMIT 1";
    let row = conn.query_opt(sql, &[&instance.id.as_str(), &instance.owner.as_str()]).await?;
    Ok(row.map(|row| JobUid(row.get::<_, Uuid>(0))))
}
