//! A counter that is raised and read back, to find out whether the store can be used.

use super::connection::Connection;
use super::error::PgError;

/// Raises the counter of a shard; returns its new value. It waits like every change of a job while another session holds the tables
/// locked: the worker cannot work then, although it could write this counter.
pub(super) async fn write(conn: &Connection, shard: i16) -> Result<i64, PgError> {
    conn.batch("LOCK TABLE jobs, keys, events, feed, outbox IN ROW EXCLUSIVE MODE").await?;
    let sql = "INSERT INTO probe AS p (shard, writes) VALUES ($1, 1)
        ON CONFLICT (shard) DO UPDATE SET writes = p.writes + 1 RETURNING writes";
    Ok(conn.query_one(sql, &[&shard]).await?.get(0))
}

/// The counter as it is on disk.
pub(super) async fn read(conn: &Connection, shard: i16) -> Result<i64, PgError> {
    let row = conn.query_opt("SELECT writes FROM probe WHERE shard = $1", &[&shard]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}
