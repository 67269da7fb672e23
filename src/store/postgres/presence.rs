//! How many workers share the database. Each holds one lock, which all of them can hold at once, for as long as its
//! connection to the others lasts, and counts those who do every few seconds.
//!
//! A connection outlives a worker that is stopped, or whose machine is gone without a word, and with it the locks by which
//! it has its turns: to publish, to sweep. What a worker counts with is also its sign of life: the server remembers when a
//! connection was last used. Who has given none for [`SILENT`] is not counted, and his connection is ended; should he wake,
//! he connects anew. His leases end by themselves. Signs of life of a worker with another role cannot be seen: it counts as
//! long as it is connected.

use std::time::Duration;

use super::bell::{CLASS, POLL, key};
use super::error::Fault;
use super::session::Session;
use crate::engine::ports::store::StoreError;

/// A worker that has given no sign of life for so long is not there.
pub(super) const SILENT: Duration = POLL.saturating_mul(4);

const COUNT: &str = "
    WITH worker AS MATERIALIZED (
        SELECT l.pid, coalesce(a.usename = current_user AND a.state = 'idle'
            AND a.state_change < clock_timestamp() - make_interval(secs => $3), false) AS silent
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.classid = $1::int4::oid AND l.objid = $2::int4::oid
            AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
    SELECT count(*) FILTER (WHERE NOT silent), count(CASE WHEN silent THEN pg_terminate_backend(pid) END) FROM worker";

fn lock() -> i32 {
    key("worker", "")
}

/// From now on, as long as this session lasts, there is one worker more.
pub(super) async fn begin(session: &Session) -> Result<(), Fault> {
    session.query("SELECT pg_advisory_lock_shared($1, $2)", &[&CLASS, &lock()]).await.map(drop)
}

/// How many workers there are, this one included; ends the sessions of those that are silent.
pub(super) async fn count(session: &Session) -> Result<u32, StoreError> {
    let row = session.query_one(COUNT, &[&CLASS, &lock(), &SILENT.as_secs_f64()]).await.map_err(StoreError::from)?;
    let (workers, silent): (i64, i64) = (row.get(0), row.get(1));
    if silent > 0 {
        tracing::warn!(workers = silent, seconds = SILENT.as_secs(), "ended the connections of silent workers");
    }
    Ok(u32::try_from(workers).unwrap_or(u32::MAX).max(1))
}
