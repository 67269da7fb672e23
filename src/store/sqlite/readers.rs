//! Reads, on a few read-only connections that are opened when first needed.
//!
//! A read of a few rows by an index takes some microseconds, less than handing it to another thread, so it runs on the
//! caller's ([`Readers::look_up`]). A read that walks along many rows runs on a thread for blocking work
//! ([`Readers::run`]).

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open;
use crate::engine::ports::store::StoreError;

/// Reads at one time. More would only wait for the processor.
const CONNECTIONS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Arc::default(), permits: Arc::new(Semaphore::new(CONNECTIONS)) }
    }

    /// Runs `work`, one statement that reads a few rows.
    pub(super) async fn look_up<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let _permit = self.permits.acquire().await.expect("the semaphore is never closed");
        use_one(&self.path, &self.idle, work)
    }

    /// Runs `work` in a read transaction, so that it sees the file as of one moment.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let read = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            use_one(&path, &idle, |conn| {
                let snapshot = conn.unchecked_transaction()?;
                work(&snapshot)
            })
        });
        read.await.map_err(|e| StoreError::Unavailable(format!("a read was interrupted: {e}")))?
    }
}

fn use_one<T>(
    path: &Path,
    idle: &Mutex<Vec<Connection>>,
    work: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let reused = idle.lock().expect("no holder of this lock panics").pop();
    let conn = reused.map_or_else(|| open::connect_to_read(path), Ok)?;
    let result = work(&conn);
    // A connection that failed may hold a file that is no longer there.
    if result.is_ok() {
        idle.lock().expect("no holder of this lock panics").push(conn);
    }
    result
}
