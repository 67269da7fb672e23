//! Whether the worker lives and can work, and its metrics.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::broker::{Link, LinkStatus};
use crate::domain::Kind;
use crate::telemetry::metrics;

/// How long a store may take to answer before it counts as down.
const PROBE: Duration = Duration::from_secs(5);

/// One thing that must be in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `store`, `broker-consume`, `broker-publish`, `definitions`, `running`, or `accounts`, which never fails and tells
    /// of those that are paused.
    pub name: String,
    /// Whether it is.
    pub ok: bool,
    /// What is the matter, or worth knowing; only for those who bear the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Whether the worker can work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether all checks are good.
    pub ready: bool,
    /// Each.
    pub checks: Vec<Check>,
}

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let mut readiness = admin.readiness().await;
    if !admin.trusts(&headers) {
        readiness.checks.iter_mut().for_each(|check| check.detail = None);
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

pub(super) async fn metrics(State(admin): State<Admin>) -> Response {
    let counts = match tokio::time::timeout(PROBE, admin.0.engine.store.counts()).await {
        Ok(Ok(counts)) => Some(counts),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot count the jobs");
            None
        }
        Err(_) => None,
    };
    let text = admin.0.metrics.render(counts.as_ref(), admin.0.broker.as_deref());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

impl Admin {
    /// Looks at everything that must be in order.
    pub async fn readiness(&self) -> Readiness {
        let parts = &self.0;
        let stopping = *parts.stopping.borrow();
        let mut checks = vec![check("running", stopping.then(|| "told to stop".to_owned())), self.store().await];
        if let Some(broker) = &parts.broker {
            checks.push(link("broker-consume", broker.consuming()));
            checks.push(link("broker-publish", broker.publishing()));
        }
        let missing: Vec<&str> = Kind::ALL
            .iter()
            .filter(|kind| !parts.engine.catalog.definitions.contains_key(kind))
            .map(|kind| kind.as_str())
            .collect();
        let missing = (!missing.is_empty()).then(|| format!("no definition of {}", missing.join(", ")));
        checks.push(check("definitions", missing));
        checks.push(self.accounts().await);
        Readiness { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// A pause is a person's wish: the worker is ready all the same.
    async fn accounts(&self) -> Check {
        let pauses = tokio::time::timeout(PROBE, self.0.engine.store.pauses()).await;
        let paused = match pauses {
            Ok(Ok(pauses)) => pauses.iter().map(|pause| pause.account.to_string()).collect::<Vec<_>>(),
            // The check of the store says so.
            Ok(Err(_)) | Err(_) => vec![],
        };
        let detail = (!paused.is_empty()).then(|| format!("{} paused: {}", paused.len(), paused.join(", ")));
        Check { name: "accounts".into(), ok: true, detail }
    }

    async fn store(&self) -> Check {
        let fault = match tokio::time::timeout(PROBE, self.0.engine.store.probe()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {PROBE:?}")),
        };
        check("store", fault)
    }
}

fn link(name: &str, status: LinkStatus) -> Check {
    let fault = match status.link {
        Link::Connected => None,
        Link::Down => Some(format!("down since {}", status.since)),
        Link::Blocked { reason } => Some(format!("blocked since {}: {reason}", status.since)),
        Link::Held { reason } => Some(format!("holding deliveries since {}: {reason}", status.since)),
    };
    let fault = fault.map(|fault| match status.last_error {
        Some(error) => format!("{fault}; last error: {error}"),
        None => fault,
    });
    check(name, fault)
}

fn check(name: &str, fault: Option<String>) -> Check {
    Check { name: name.to_owned(), ok: fault.is_none(), detail: fault }
}
