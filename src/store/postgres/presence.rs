//! How many workers share the database. Each holds one lock, which all of them can hold at once, on the connection of its
//! listener, and every few seconds counts those who do.
//!
//! The connection of a worker that is stopped, or whose machine is gone without a word, remains for a while, and with it
//! the locks by which it alone publishes or sweeps. To count is therefore also a sign of life, since the server remembers
//! when a connection was last used. A worker that has given none for [`SILENT`] is not counted, and its connection is
//! ended. If it wakes up, it connects again. Its leases end by themselves. Signs of life of a worker with another database
//! role cannot be seen: that one counts for as long as it is connected.
//!
//! The keys of these locks are no secret, and every role that may connect to the database can take one. So only sessions count whose role
//! may write jobs, and other sessions that hold a lock of workers are told of: the locks by which one worker publishes or sweeps would
//! keep all of them from it, and those of transactions would keep jobs from beginning.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio_postgres::types::ToSql;

use super::connection::Connection;
use super::database_time::DatabaseTime;
use super::error::PgError;
use super::lease_clock::now_us;
use super::lock_keys::{self, TRANSACTION_CLASS, WORKER_CLASS};
use crate::engine::ports::store::StoreError;

/// How often a worker counts, and acts as if it had been notified of everything.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// After this time without a sign of life a worker does not count.
const SILENT: Duration = POLL.saturating_mul(4);

const COUNT: &str = concat!(
    "
    WITH holder AS MATERIALIZED (
        SELECT l.pid, a.usename, l.classid = $1::int4::oid AS of_workers,
            l.classid = $1::int4::oid AND l.objid = $2::int4::oid AS present,
            coalesce(has_table_privilege(a.usesysid, to_regclass('crossgrant.jobs'), 'UPDATE'), false) AS may_work,
            coalesce(a.usename = current_user AND a.state = 'idle'
                AND a.state_change < clock_timestamp() - make_interval(secs => $3), false) AS silent
        FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2 AND l.classid IN ($1::int4::oid, $4::int4::oid)
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    worker AS (SELECT pid, silent FROM holder WHERE present AND may_work)
    SELECT count(*) FILTER (WHERE NOT silent), count(CASE WHEN silent THEN pg_terminate_backend(pid) END), ",
    now_us!(),
    ", (SELECT coalesce(array_agg(DISTINCT concat(pid, ' of the role ', usename)), '{}') FROM holder
        WHERE NOT may_work OR (of_workers AND pid NOT IN (SELECT pid FROM worker)))
    FROM worker"
);

/// What was counted.
pub(super) struct Counted {
    /// How many workers there are, this one included.
    pub workers: u32,
    /// The sessions that hold locks of workers and are none, each with its role.
    pub strangers: BTreeSet<String>,
}

/// Strangers that were seen before. One that is seen twice holds its lock for long.
#[derive(Default)]
pub(super) struct Strangers {
    seen: BTreeSet<String>,
    told: BTreeSet<String>,
}

impl Strangers {
    /// Takes note of those that are there; returns those to tell of, each once.
    pub(super) fn news(&mut self, there: BTreeSet<String>) -> Vec<String> {
        let long: BTreeSet<String> = there.intersection(&self.seen).cloned().collect();
        let untold = long.difference(&self.told).cloned().collect();
        (self.seen, self.told) = (there, long);
        untold
    }
}

/// Makes the worker count for as long as this connection lasts.
pub(super) async fn begin(conn: &Connection) -> Result<(), PgError> {
    let sql = "SELECT pg_advisory_lock_shared($1, $2)";
    conn.query(sql, &[&WORKER_CLASS, &lock_keys::presence()]).await.map(drop)
}

/// Whether somebody holds a lock of workers.
pub(super) async fn is_held(conn: &Connection, key: i32) -> Result<bool, PgError> {
    let sql = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2
        AND classid = $1::int4::oid AND objid = $2::int4::oid
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";
    Ok(conn.query_one(sql, &[&WORKER_CLASS, &key]).await?.get(0))
}

/// Counts the workers, and ends the connections of silent ones. `time` hears the database's.
pub(super) async fn count(conn: &Connection, time: &DatabaseTime) -> Result<Counted, StoreError> {
    let asked = time.uptime();
    let values: [&(dyn ToSql + Sync); 4] =
        [&WORKER_CLASS, &lock_keys::presence(), &SILENT.as_secs_f64(), &TRANSACTION_CLASS];
    let counted = conn.query_one(COUNT, &values).await;
    let row = counted.map_err(StoreError::from)?;
    let (workers, silent): (i64, i64) = (row.get(0), row.get(1));
    time.heard(row.get(2), asked);
    if silent > 0 {
        tracing::warn!(workers = silent, seconds = SILENT.as_secs(), "ended the connections of silent workers");
    }
    let strangers = row.get::<_, Vec<String>>(3).into_iter().collect();
    Ok(Counted { workers: u32::try_from(workers).unwrap_or(u32::MAX).max(1), strangers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_that_stays_is_told_of_once() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut strangers = Strangers::default();
        assert_eq!(strangers.news(set(&["1", "2"])), Vec::<String>::new(), "it may be gone in a moment");
        assert_eq!(strangers.news(set(&["1"])), ["1"]);
        assert_eq!(strangers.news(set(&["1", "3"])), Vec::<String>::new());
        assert_eq!(strangers.news(set(&["1", "3"])), ["3"]);
        assert_eq!(strangers.news(set(&[])), Vec::<String>::new());
        assert_eq!(strangers.news(set(&["1"])), Vec::<String>::new());
        assert_eq!(strangers.news(set(&["1"])), ["1"], "it came again");
    }
}
