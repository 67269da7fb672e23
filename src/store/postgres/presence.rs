//! How many workers share the database. Each holds one lock, which all of them can hold at once, on the connection of its
//! listener, and every few seconds counts those who do.
//!
//! The connection of a worker that is stopped, or whose machine is gone without a word, remains for a while, and with it
//! the locks by which it alone publishes or sweeps. To count is therefore also a sign of life, since the server remembers
//! when a connection was last used. A worker that has given none for [`SILENT`] is not counted, and its connection is
//! ended. If it wakes up, it connects again. Its leases end by themselves. Signs of life of a worker with another database
//! role cannot be seen: that one counts for as long as it is connected.

use std::time::Duration;

use super::connection::Connection;
use super::database_time::DatabaseTime;
use super::error::PgError;
use super::lease_clock::now_us;
use super::lock_keys::{self, WORKER_CLASS};
use crate::engine::ports::store::StoreError;

/// How often a worker counts, and acts as if it had been notified of everything.
pub(super) const POLL: Duration = Duration::from_secs(5);

/// After this time without a sign of life a worker does not count.
const SILENT: Duration = POLL.saturating_mul(4);

const COUNT: &str = concat!(
    "
    WITH worker AS MATERIALIZED (
        SELECT l.pid, coalesce(a.usename = current_user AND a.state = 'idle'
            AND a.state_change < clock_timestamp() - make_interval(secs => $3), false) AS silent
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::int4::oid AND l.objid = $2::int4::oid
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT count(*) FILTER (WHERE NOT silent), count(CASE WHEN silent THEN pg_terminate_backend(pid) END), ",
    now_us!(),
    " FROM worker"
);

/// Makes the worker count for as long as this connection lasts.
pub(super) async fn begin(conn: &Connection) -> Result<(), PgError> {
    let sql = "SELECT pg_advisory_lock_shared($1, $2)";
    conn.query(sql, &[&WORKER_CLASS, &lock_keys::presence()]).await.map(drop)
}

/// How many workers there are, this one included. Ends the connections of silent ones. `time` hears the database's.
pub(super) async fn count(conn: &Connection, time: &DatabaseTime) -> Result<u32, StoreError> {
    let asked = time.uptime();
    let counted = conn.query_one(COUNT, &[&WORKER_CLASS, &lock_keys::presence(), &SILENT.as_secs_f64()]).await;
    let row = counted.map_err(StoreError::from)?;
    let (workers, silent): (i64, i64) = (row.get(0), row.get(1));
    time.heard(row.get(2), asked);
    if silent > 0 {
        tracing::warn!(workers = silent, seconds = SILENT.as_secs(), "ended the connections of silent workers");
    }
    Ok(u32::try_from(workers).unwrap_or(u32::MAX).max(1))
}
