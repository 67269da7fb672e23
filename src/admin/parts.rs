//! What every handler works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::recent::Recent;
use super::reload::Reload;
use super::status::Status;
use super::tokens::AdminTokens;
use crate::broker::BrokerState;
use crate::domain::AccountUid;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{Counts, StoreError};
use crate::telemetry::Metrics;

/// The admin API of one worker.
#[derive(Clone)]
pub struct Admin(Arc<AdminState>);

struct AdminState {
    parts: AdminParts,
    asked: Asked,
    reload: Option<Arc<dyn Reload>>,
    /// The uptime of the clock when the worker began.
    began: Duration,
}

/// The parts of an [`Admin`].
pub struct AdminParts {
    /// Answers for jobs, approvals and pauses.
    pub engine: Arc<Engine>,
    /// Rendered at `/metrics`.
    pub metrics: Arc<Metrics>,
    /// The state of the broker's connections; `None` for a worker without a broker.
    pub broker: Option<Arc<BrokerState>>,
    /// The tokens that requests can carry. With none, commands and everything about jobs are off.
    pub tokens: AdminTokens,
    /// The names, besides addresses and `localhost`, under which clients reach this worker.
    pub hosts: Vec<String>,
    /// True once the worker is told to stop: from then on it is not ready.
    pub stopping: watch::Receiver<bool>,
}

/// What has been asked of the store for everybody.
#[derive(Default)]
pub(super) struct Asked {
    pub counts: Recent<Option<Counts>>,
    /// What is wrong with the store.
    pub fault: Recent<Option<String>>,
    /// The paused accounts.
    pub paused: Recent<Vec<AccountUid>>,
    /// Everything at a glance.
    pub status: Recent<Result<Status, StoreError>>,
    /// Held by the one command on many jobs that is carried out.
    pub bulk: Mutex<()>,
}

impl Admin {
    /// Makes the API; [`Admin::router`] serves it.
    pub fn new(parts: AdminParts) -> Self {
        Self::made(parts, None)
    }

    /// The API of a worker that can read its configuration again.
    pub fn reloading(parts: AdminParts, reload: Arc<dyn Reload>) -> Self {
        Self::made(parts, Some(reload))
    }

    fn made(parts: AdminParts, reload: Option<Arc<dyn Reload>>) -> Self {
        let began = parts.engine.clock.uptime();
        Self(Arc::new(AdminState { parts, asked: Asked::default(), reload, began }))
    }

    /// For how long the worker has been running.
    pub(super) fn running(&self) -> Duration {
        self.0.parts.engine.clock.uptime().saturating_sub(self.0.began)
    }

    pub(super) fn parts(&self) -> &AdminParts {
        &self.0.parts
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    /// After a command: what everybody can ask for is asked of the store anew.
    pub(super) async fn changed(&self) {
        let Asked { counts, paused, status, .. } = self.asked();
        counts.forget().await;
        paused.forget().await;
        status.forget().await;
    }

    pub(super) fn reload(&self) -> Option<Arc<dyn Reload>> {
        self.0.reload.clone()
    }
}
