//! Reading the configuration again while the worker runs, as a port: what reads it is no part of the API.

use schemars::JsonSchema;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::domain::AccountUid;

/// The answer to `POST /v1/reload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reloaded {
    /// What differs from before; empty if nothing does.
    pub changes: Vec<ConfigChange>,
}

/// A part of the configuration that is not what it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigChange {
    /// `accounts`, `allow`, `approval`, `limits`, `budget`, `tokens`, `log`, or the section that needs a restart.
    pub part: String,
    /// Whether it is in force; if not, it needs a restart.
    pub in_force: bool,
    /// What has changed, in one sentence.
    pub says: String,
}

/// Reads the configuration of a worker again. Both functions read files.
pub trait Reload: Send + Sync {
    /// Takes over what can be taken over. `by` says who wants it.
    ///
    /// # Errors
    /// Every fault of the configuration. Then nothing was changed.
    fn reload(&self, by: &str) -> Result<Reloaded, Vec<String>>;

    /// The accounts whose configured credential is not the one in use.
    ///
    /// # Errors
    /// Every fault of the configuration.
    fn outdated(&self) -> Result<BTreeSet<AccountUid>, Vec<String>>;
}

/// Reads files on a thread that may wait for them.
pub(super) async fn reading<T: Send + 'static>(
    reload: Arc<dyn Reload>,
    read: impl FnOnce(&dyn Reload) -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(move || read(reload.as_ref())).await.map_err(|_| ApiError::TimedOut)
}
