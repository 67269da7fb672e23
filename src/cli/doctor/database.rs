//! The database of workers: who else may connect to it. That it can be used is told with the rest of this machine.

use super::finding::{DoctorFinding, unclear};
use crate::config::{Config, StoreConfig};
use crate::domain::Code;
use crate::store::Postgres;

/// Nothing for a store in a file, and for a database that cannot be reached.
pub(super) async fn database(config: &Config) -> Option<DoctorFinding> {
    let StoreConfig::Database(settings) = &config.store else { return None };
    let commands = Postgres::open_to_all(settings).await.ok()??;
    let says = "every role of the server may connect to the database, and could hold the locks by which workers share out their \
                work: then no event would be published";
    Some(unclear("database", Code::DatabaseOpen, says, format!("run `{commands}`")))
}
