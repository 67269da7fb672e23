//! A transaction on a connection of the pool, for what is not committed in a group.

use std::ops::Deref;

use super::connection::{Connection, TRANSACTION_ID};
use super::error::PgError;
use super::outcome;
use super::pool::{Pool, PooledConnection};

/// Dropping it without a commit undoes it.
pub(super) struct Transaction<'a> {
    conn: PooledConnection,
    id: String,
    pool: &'a Pool,
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.conn
    }
}

impl<'a> Transaction<'a> {
    pub(super) async fn begin(pool: &'a Pool) -> Result<Self, PgError> {
        let mut conn = pool.get().await?;
        conn.reusable = false;
        conn.prepare(&[TRANSACTION_ID]).await?;
        let id = conn.pipeline().begin().await?;
        Ok(Self { conn, id, pool })
    }

    /// If the answer is lost, finds out the outcome before it returns.
    pub(super) async fn commit(mut self) -> Result<(), PgError> {
        match self.conn.batch("COMMIT").await {
            Ok(()) => {
                self.conn.reusable = true;
                Ok(())
            }
            Err(error) => outcome::resolve(error, &self.id, self.pool).await,
        }
    }
}
