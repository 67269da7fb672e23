//! A few connections, for reads and for transactions that are not committed in a group; and whether the database can be
//! reached.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use super::connector::Connector;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::StoreError;

/// Connections in use at one time. A worker has few loops that ask, and what the server can do at once is limited by its
/// processors. With those of the writer and the listener a worker has six connections, so a server with the usual limit of
/// a hundred has room for fifteen workers.
const CONNECTIONS: usize = 4;
/// How long no connection is tried after one has failed: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Pool {
    connector: Connector,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
    outage: Mutex<Option<Outage>>,
}

/// While the database cannot be reached.
struct Outage {
    error: StoreError,
    /// The uptime at which a connection is tried again.
    until: Duration,
    pause: Duration,
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        Self { connector, idle: Arc::default(), permits, outage: Mutex::default() }
    }

    /// Opens a connection outside the pool. During an outage it fails at once, so that a thousand callers do not all try to
    /// connect.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        if let Some(outage) = self.outage().as_ref().filter(|outage| SystemClock.uptime() < outage.until) {
            return Err(outage.error.clone());
        }
        match self.connector.connect().await {
            Ok(conn) => {
                *self.outage() = None;
                Ok(conn)
            }
            Err(error) => {
                let mut outage = self.outage();
                let pause = outage.as_ref().map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
                *outage = Some(Outage { error: error.clone(), until: SystemClock.uptime() + pause, pause });
                Err(error)
            }
        }
    }

    fn outage(&self) -> MutexGuard<'_, Option<Outage>> {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a connection of the pool.
    pub(super) async fn get(&self) -> Result<PooledConnection, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        let idle = loop {
            let next = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(conn) if conn.is_closed() => {}
                other => break other,
            }
        };
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect().await?,
        };
        Ok(PooledConnection { conn: Some(conn), idle: Arc::clone(&self.idle), reusable: true, _permit: permit })
    }
}

/// A connection of the pool, returned when it is dropped.
pub(super) struct PooledConnection {
    conn: Option<Connection>,
    idle: Arc<Mutex<Vec<Connection>>>,
    /// False during a transaction: the connection is then closed instead of returned, and the server undoes the transaction.
    pub(super) reusable: bool,
    _permit: OwnedSemaphorePermit,
}

impl Deref for PooledConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("it is taken only on drop")
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && self.reusable
            && !conn.is_closed()
        {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}
