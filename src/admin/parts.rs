//! What every handler works with.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::sync::watch;

use crate::broker::BrokerState;
use crate::engine::loops::shared::Engine;
use crate::telemetry::Metrics;

/// The admin API of one worker.
#[derive(Clone)]
pub struct Admin(Arc<AdminParts>);

/// The parts of an [`Admin`].
pub struct AdminParts {
    /// Answers for jobs, approvals and pauses.
    pub engine: Arc<Engine>,
    /// Rendered at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The state of the broker's connections; `None` for a worker without a broker.
    pub broker: Option<Arc<BrokerState>>,
    /// The bearer token that requests must carry. With `None` every request is trusted, which is for loopback only.
    pub token: Option<SecretString>,
    /// True once the worker is told to stop: from then on it is not ready.
    pub stopping: watch::Receiver<bool>,
}

impl Admin {
    /// Makes the API; [`Admin::router`] serves it.
    pub fn new(parts: AdminParts) -> Self {
        Self(Arc::new(parts))
    }

    pub(super) fn parts(&self) -> &AdminParts {
        &self.0
    }
}
