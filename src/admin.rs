//! What a running worker answers over HTTP: whether it is alive and ready, its metrics, its jobs, and the commands on
//! them.
//!
//! | | |
//! |---|---|
//! | `GET /healthz` | the process is alive |
//! | `GET /readyz` | store, broker and definitions, each for itself; 503 when any is down |
//! | `GET /metrics` | OpenMetrics |
//! | `GET /v1/jobs` | jobs, newest first; `state`, `kind`, `instance`, `cen`, `requester`, `label=k=v`, `before`, `limit` |
//! | `GET /v1/jobs/{ref}` | one job with its explanation and events; by uid, or by `requester/id`, percent-encoded |
//! | `POST /v1/jobs/{ref}/cancel`, `/resume`, `/approve` | a command; 409 when the job is not in a state for it |
//! | `GET /v1/approvals` | jobs that an hourly limit has parked: how many, and the newest; filters as above, or `job=…` |
//! | `POST /v1/approvals` | lets them begin: `job=…` these, or with filters `expect=<count>`, if there are so many |
//! | `GET /v1/accounts/paused` | accounts whose jobs are not begun |
//! | `POST /v1/accounts/{uid}/pause`, `/unpause` | pauses one, with `by=…&reason=…`, or lets it go on |
//! | `GET /v1/rejections` | messages that were no jobs, newest first, with everything that is wrong; `before`, `limit` |
//! | `GET /v1/undeliverable` | messages of ours that nobody took, oldest first; `after`, `limit` |
//! | `POST /v1/undeliverable/replay` | sends them again: `number=…` these, `expect=<count>` all if there are so many |
//!
//! With a token, everything but `/healthz` and the bare verdict of `/readyz` asks for it: probes have no secrets.

mod accounts;
mod approvals;
mod auth;
mod commands;
mod dead;
mod error;
mod explain;
mod health;
mod jobs;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use secrecy::SecretString;
use tokio::sync::watch;

pub use accounts::{Paused, Unpaused};
pub use approvals::{Approvals, Approved};
pub use dead::{RejectionPage, Replayed, Undeliverable, UndeliverablePage};
pub use error::ApiError;
pub use explain::{Explanation, explain};
pub use health::{Check, Readiness};
pub use jobs::{JobPage, JobView};

use crate::broker::BrokerState;
use crate::engine::loops::shared::Engine;
use crate::telemetry::Metrics;

/// What the handlers work with.
#[derive(Clone)]
pub struct Admin(Arc<Parts>);

/// The parts of an [`Admin`].
pub struct Parts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// The broker's links; `None` for a worker without a broker.
    pub broker: Option<Arc<BrokerState>>,
    /// The bearer token to ask for; `None` asks for none, which is for loopback only.
    pub token: Option<SecretString>,
    /// Says true once the worker is told to stop: from then on it is not ready.
    pub stopping: watch::Receiver<bool>,
}

impl Admin {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Everything the admin HTTP answers.
    pub fn router(self) -> Router {
        let guarded = Router::new()
            .route("/metrics", get(health::metrics))
            .route("/v1/jobs", get(jobs::list))
            .route("/v1/jobs/{reference}", get(jobs::show))
            .route("/v1/jobs/{reference}/cancel", post(commands::cancel))
            .route("/v1/jobs/{reference}/resume", post(commands::resume))
            .route("/v1/jobs/{reference}/approve", post(commands::approve))
            .route("/v1/approvals", get(approvals::list).post(approvals::approve))
            .route("/v1/accounts/paused", get(accounts::paused))
            .route("/v1/accounts/{uid}/pause", post(accounts::pause))
            .route("/v1/accounts/{uid}/unpause", post(accounts::unpause))
            .route("/v1/rejections", get(dead::rejections))
            .route("/v1/undeliverable", get(dead::undeliverable))
            .route("/v1/undeliverable/replay", post(dead::replay))
            .route_layer(middleware::from_fn_with_state(self.clone(), auth::require));
        Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(health::ready))
            .merge(guarded)
            .fallback(error::no_such_page)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self)
    }
}
