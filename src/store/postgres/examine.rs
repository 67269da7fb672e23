//! Whether a worker could use the database, found out without a change: for a program that only checks.

use super::connection::Connection;
use super::connector::Connector;
use super::error::PgError;
use super::{open, preconditions};
use crate::engine::ports::store::StoreError;

/// Reads the version of the schema, which a worker raises when it starts; 0 if there is none yet.
///
/// # Errors
/// As those of opening it, but for the name of the worker: that may be in use.
pub(super) async fn examine(connector: &Connector) -> Result<usize, StoreError> {
    let (first, second) = (connector.connect_first().await?, connector.connect_first().await?);
    preconditions::own_sessions(&first, &second).await?;
    drop(second);
    preconditions::encoding(&first).await?;
    Ok(looked_at(&first).await?)
}

async fn looked_at(conn: &Connection) -> Result<usize, PgError> {
    if !open::has_schema(conn).await? {
        preconditions::may_create(conn).await?;
        return Ok(0);
    }
    let found = open::found(conn).await?;
    if found > 0 {
        if found < open::MIGRATIONS.len() {
            preconditions::no_other_worker(conn).await?;
        }
        preconditions::may_work(conn).await?;
        // Another session that holds the table locked would keep a worker from it. The end of the transaction undoes it.
        conn.batch("BEGIN; LOCK TABLE jobs IN ROW EXCLUSIVE MODE; ROLLBACK").await?;
    }
    Ok(found)
}
