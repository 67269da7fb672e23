//! Health: whether the process is alive and the worker ready, and its metrics.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::parts::Admin;
use crate::broker::{Link, LinkStatus};
use crate::domain::Kind;
use crate::engine::loops::timekeeping;
use crate::telemetry::metrics;

/// The time limit for an answer of the store; after it the store counts as down.
const PROBE: Duration = Duration::from_secs(5);

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// `store`, `broker-consume`, `broker-publish`, `definitions` or `running`; or one that never fails: `accounts`, which
    /// lists those that are paused, and `clock`, which says how far off this machine's is.
    pub name: String,
    /// Whether the check passed.
    pub ok: bool,
    /// The fault, or something worth knowing. Left out for a request without the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The answer to `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether all checks passed.
    pub ready: bool,
    /// One for each part that must work.
    pub checks: Vec<HealthCheck>,
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
    let counts = match tokio::time::timeout(PROBE, admin.parts().engine.store.counts()).await {
        Ok(Ok(counts)) => Some(counts),
        Ok(Err(error)) => {
            tracing::warn!(%error, "jobs not counted");
            None
        }
        Err(_) => None,
    };
    let text = admin.parts().metrics.render(counts.as_ref(), admin.parts().broker.as_deref());
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response()
}

impl Admin {
    /// Runs all checks.
    pub async fn readiness(&self) -> Readiness {
        let parts = self.parts();
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
        let detail = timekeeping::fault(parts.engine.clock.machine_ahead());
        checks.push(HealthCheck { name: "clock".into(), ok: true, detail });
        Readiness { ready: checks.iter().all(|check| check.ok), checks }
    }

    /// Lists the paused accounts. An operator paused them on purpose, so the worker is still ready.
    async fn accounts(&self) -> HealthCheck {
        let pauses = tokio::time::timeout(PROBE, self.parts().engine.store.pauses()).await;
        let paused = match pauses {
            Ok(Ok(pauses)) => pauses.iter().map(|pause| pause.account.to_string()).collect::<Vec<_>>(),
            // The check of the store reports this.
            Ok(Err(_)) | Err(_) => vec![],
        };
        let detail = (!paused.is_empty()).then(|| format!("{} paused: {}", paused.len(), paused.join(", ")));
        HealthCheck { name: "accounts".into(), ok: true, detail }
    }

    async fn store(&self) -> HealthCheck {
        let fault = match tokio::time::timeout(PROBE, self.parts().engine.store.probe()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer within {PROBE:?}")),
        };
        check("store", fault)
    }
}

fn link(name: &str, status: LinkStatus) -> HealthCheck {
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

fn check(name: &str, fault: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), ok: fault.is_none(), detail: fault }
}
