//! The queue of an instance: its jobs run one at a time, in the order in which they entered it.
//!
//! Only the first of a queue is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. In return, the transaction in which a job leaves must mark the next one as first. Two transactions must not
//! change one queue at the same time: each would see the job of the other where it no longer is, and no job would be
//! first. So a transaction in which a job enters or leaves locks the queue, before any row and in one order for all.

use std::collections::HashMap;

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::Connection;
use super::error::PgError;
use crate::domain::{InstanceId, JobUid};

/// Locks queues until the end of the transaction, in the order of the keys given.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1, key) FROM unnest($2::int4[]) AS key";

/// The last turn of each queue that is not empty.
pub(super) const LAST: &str = "SELECT * FROM (SELECT instance_id, (SELECT max(turn) FROM jobs j
      WHERE j.instance_id = n.instance_id AND turn IS NOT NULL) AS last FROM unnest($1::text[]) AS n(instance_id)) AS lines
    WHERE last IS NOT NULL";

/// The last turns of the queues that are locked.
#[derive(Default)]
pub(super) struct LastTurns(HashMap<String, i64>);

impl LastTurns {
    /// From rows of [`LAST`].
    pub(super) fn read(rows: &[Row]) -> Self {
        Self(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// The turn of a job that enters now, behind all others. Whether it is first depends on which have left.
    pub(super) fn enter(&mut self, instance: &str) -> i64 {
        let last = self.0.entry(instance.to_owned()).or_insert(0);
        *last += 1;
        *last
    }

    /// Whether the queue was empty, and no job has entered it since.
    pub(super) fn is_empty(&self, instance: &str) -> bool {
        !self.0.contains_key(instance)
    }
}

pub(super) async fn first(conn: &Connection, instance: &InstanceId) -> Result<Option<JobUid>, PgError> {
    let sql = "SELECT uid FROM jobs WHERE instance_id = $1 AND turn IS NOT NULL ORDER BY turn LIMIT 1";
    let row = conn.query_opt(sql, &[&instance.as_str()]).await?;
    Ok(row.map(|row| JobUid(row.get::<_, Uuid>(0))))
}
