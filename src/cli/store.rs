//! The store that the configuration names.

use std::sync::Arc;

use crate::clock::Clock;
use crate::config::StoreConfig;
use crate::engine::ports::store::{Store, StoreError};
use crate::store::{LeaseClock, Postgres, Sqlite};

/// Opens the store, creating it if it does not exist. `as_found` accepts a file that is older than it was, or empty where
/// there was a store.
pub(super) async fn open(
    config: &StoreConfig,
    clock: &Arc<dyn Clock>,
    as_found: bool,
) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config {
        StoreConfig::File(path) if as_found => Arc::new(Sqlite::open_as_found(path)?),
        StoreConfig::File(path) => Arc::new(Sqlite::open(path)?),
        StoreConfig::Database(settings) => {
            Arc::new(Postgres::open(settings, LeaseClock::Database(Arc::clone(clock))).await?)
        }
    })
}

/// The path of the file, or the address of the database without its password.
pub(super) fn place(config: &StoreConfig) -> String {
    match config {
        StoreConfig::File(path) => path.display().to_string(),
        StoreConfig::Database(settings) => settings.place(),
    }
}
