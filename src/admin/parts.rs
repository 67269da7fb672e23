//! What every handler works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, Semaphore, watch};

use super::open_door::OpenDoor;
use super::recent::Recent;
use super::reload::Reload;
use super::status::Status;
use super::tokens::AdminTokens;
use crate::broker::BrokerState;
use crate::domain::AccountUid;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::door::DoorPublisher;
use crate::engine::ports::store::{Ages, Counts, StoreError};
use crate::telemetry::Metrics;

/// How many streams of events there can be at a time. Each is a connection, of which there are 64, and a question to the store
/// every half second.
const MOST_STREAMS: usize = 16;

/// How many plans are made at a time: each reads the cloud, and may wait some seconds for its second look.
const MOST_PLANS: usize = 4;

/// The admin API of one worker.
#[derive(Clone)]
pub struct Admin(Arc<AdminState>);

struct AdminState {
    parts: AdminParts,
    asked: Asked,
    reload: Option<Arc<dyn Reload>>,
    door: Option<OpenDoor>,
    streams: Arc<Semaphore>,
    plans: Arc<Semaphore>,
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
    /// How old things are.
    pub ages: Recent<Option<Ages>>,
    /// How long the store took to be written and read, or what is wrong with it.
    pub probed: Recent<Result<Duration, String>>,
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
        Self::made(parts, None, None)
    }

    /// The API of a worker that can read its configuration again, or takes jobs, or both.
    pub fn made(parts: AdminParts, reload: Option<Arc<dyn Reload>>, door: Option<Arc<dyn DoorPublisher>>) -> Self {
        let began = parts.engine.clock.uptime();
        let (door, streams) = (door.map(OpenDoor::new), Arc::new(Semaphore::new(MOST_STREAMS)));
        let plans = Arc::new(Semaphore::new(MOST_PLANS));
        Self(Arc::new(AdminState { parts, asked: Asked::default(), reload, door, streams, plans, began }))
    }

    /// For how long the worker has been running.
    pub(super) fn running(&self) -> Duration {
        self.0.parts.engine.clock.uptime().saturating_sub(self.0.began)
    }

    pub(crate) fn parts(&self) -> &AdminParts {
        &self.0.parts
    }

    pub(super) fn asked(&self) -> &Asked {
        &self.0.asked
    }

    /// Where jobs come in; `None` if it is closed.
    pub(super) fn door(&self) -> Option<&OpenDoor> {
        self.0.door.as_ref()
    }

    /// The places of streams of events.
    pub(super) fn streams(&self) -> &Arc<Semaphore> {
        &self.0.streams
    }

    /// The places of plans that are made.
    pub(super) fn plans(&self) -> &Semaphore {
        &self.0.plans
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
