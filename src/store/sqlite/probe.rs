//! A counter that is raised and read back, to find out whether the store can be used.

use rusqlite::Connection;

use crate::engine::ports::store::StoreError;

/// Raises the counter; returns its new value.
pub(super) fn write(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row(
        "INSERT INTO probe (id, writes) VALUES (1, 1) ON CONFLICT DO UPDATE SET writes = writes + 1 RETURNING writes",
        [],
        |row| row.get(0),
    )?)
}

/// The counter as it is on disk.
pub(super) fn read(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.query_row("SELECT coalesce(max(writes), 0) FROM probe", [], |row| row.get(0))?)
}
