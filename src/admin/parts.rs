//! What every handler works with.

use std::sync::Arc;

use tokio::sync::watch;

use super::tokens::Tokens;
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
    /// The tokens that requests can carry. With none, commands and everything about jobs are off.
    pub tokens: Tokens,
    /// The names, besides addresses and `localhost`, under which clients reach this worker.
    pub hosts: Vec<String>,
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
