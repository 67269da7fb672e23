//! Health: whether the process is alive and the worker ready, and its metrics.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use super::checks::{HealthCheck, Readiness};
use super::parts::Admin;
use super::tokens::AdminRole;
use crate::broker::{Link, LinkStatus};
use crate::clock::earlier;
use crate::domain::{AccountUid, Kind, whole_second};
use crate::engine::loops::timekeeping;
use crate::engine::ports::account::{InTrouble, in_trouble};
use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::{Ages, Counts};
use crate::telemetry::metrics::{Format, StoreScrape};

/// The time limit for an answer of the store; after it the store counts as down.
const PROBE: Duration = Duration::from_secs(5);

pub(super) async fn alive() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let mut readiness = admin.readiness().await;
    if !admin.authority(&headers).is_ok_and(|authority| authority.role >= AdminRole::Reader) {
        readiness.checks.iter_mut().for_each(|check| check.detail = None);
    }
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

pub(super) async fn metrics(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let parts = admin.parts();
    let engine = &parts.engine;
    // Together, so that a store that hangs takes one time limit and not three.
    let (counts, ages, probed) = tokio::join!(admin.counts(), admin.ages(), admin.probed());
    let store = StoreScrape {
        counts: counts.as_ref(),
        ages: ages.as_ref(),
        probed: probed.ok(),
        workers: engine.store.workers(),
        now: engine.clock.now(),
    };
    let format = Format::accepted(headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()));
    let text = parts.metrics.render(store, parts.broker.as_deref(), &engine.cloud.accounts(), format);
    ([(CONTENT_TYPE, format.content_type())], text).into_response()
}

impl Admin {
    /// Runs all checks.
    pub async fn readiness(&self) -> Readiness {
        let parts = self.parts();
        let stopping = *parts.stopping.borrow();
        // Together, so that a store that hangs takes one time limit and not three.
        let (store, accounts, outbox) = tokio::join!(self.store(), self.accounts(), self.outbox());
        let mut checks = vec![check("running", stopping.then(|| "told to stop".to_owned())), store];
        if let Some(broker) = &parts.broker {
            checks.push(link("broker-consume", broker.consuming()));
            checks.push(link("broker-publish", broker.publishing(Lane::Events)));
            checks.push(link("broker-reply", broker.publishing(Lane::Replies)));
            checks.push(dead_lettered(broker.dead_lettered()));
        }
        let missing: Vec<&str> = Kind::ALL
            .iter()
            .filter(|kind| !parts.engine.catalog.definitions.contains_key(kind))
            .map(|kind| kind.as_str())
            .collect();
        let missing = (!missing.is_empty()).then(|| format!("no definition of {}", missing.join(", ")));
        checks.push(check("definitions", missing));
        checks.push(accounts);
        let detail = timekeeping::fault(parts.engine.clock.machine_ahead());
        checks.push(told("clock", detail));
        checks.push(outbox);
        checks.push(self.events());
        Readiness { ready: checks.iter().all(|check| check.ok || !check.needed), checks }
    }

    /// Fails if an account is refused or not reached, and lists those and the paused ones, which an operator paused on purpose. The
    /// worker is ready all the same: it takes jobs, keeps those of such an account, and works for the other accounts. Neither a
    /// restart nor another worker would do better.
    async fn accounts(&self) -> HealthCheck {
        let engine = &self.parts().engine;
        let ask = async {
            match tokio::time::timeout(PROBE, engine.store.pauses()).await {
                Ok(Ok(pauses)) => pauses.into_iter().map(|pause| pause.account).collect(),
                // The check of the store reports this.
                Ok(Err(_)) | Err(_) => vec![],
            }
        };
        let paused = self.asked().paused.get(&*engine.clock, ask).await;
        let names = || paused.iter().map(AccountUid::as_str).collect::<Vec<_>>().join(", ");
        let paused = (!paused.is_empty()).then(|| format!("{} paused: {}", paused.len(), names()));
        let known = engine.cloud.accounts();
        let trouble: Vec<String> = in_trouble(&known).iter().map(trouble).collect();
        let ok = trouble.is_empty();
        let detail = paused.into_iter().chain(trouble).collect::<Vec<_>>().join("; ");
        HealthCheck { name: "accounts".into(), ok, needed: false, detail: (!detail.is_empty()).then_some(detail) }
    }

    /// Counts what queues refuse, what webhooks fail to take, and what could not be published. It concerns those who chose the
    /// queues and the webhooks, and the worker goes on.
    async fn outbox(&self) -> HealthCheck {
        let counts = self.counts().await;
        let (refused, failed, aside) =
            counts.map_or((0, 0, 0), |counts| (counts.refused, counts.failed, counts.undeliverable));
        let refused = (refused > 0).then(|| format!("messages to queues that refuse them, tried again: {refused}"));
        let failed = (failed > 0).then(|| format!("messages to webhooks that fail, tried again: {failed}"));
        let receivers = self.parts().engine.receivers().failing();
        let aside = (aside > 0).then(|| format!("undeliverable messages: {aside}; see `crossgrant dead list`"));
        let detail = [refused, failed, receivers, aside].into_iter().flatten().collect::<Vec<_>>().join("; ");
        told("outbox", (!detail.is_empty()).then_some(detail))
    }

    /// Says which events no queue takes. Subscribers are a choice, so the worker is ready.
    fn events(&self) -> HealthCheck {
        let engine = &self.parts().engine;
        told("events", engine.routes().unrouted(&engine.announcer.exchange))
    }

    /// What is in the store, counted at most once a second: counting reads every message that waits. `None` if the store does not
    /// answer.
    async fn counts(&self) -> Option<Counts> {
        let engine = &self.parts().engine;
        let count = async {
            match tokio::time::timeout(PROBE, engine.store.counts()).await {
                Ok(Ok(counts)) => Some(counts),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "jobs not counted");
                    None
                }
                Err(_) => None,
            }
        };
        self.asked().counts.get(&*engine.clock, count).await
    }

    /// How old things are in the store, asked for at most once a second. `None` if the store does not answer.
    async fn ages(&self) -> Option<Ages> {
        let engine = &self.parts().engine;
        // A wait is overdue hours after the hour, and no wait is before its job was accepted.
        let late = earlier(engine.clock.now(), engine.announcer.hour.length());
        let ask = async { tokio::time::timeout(PROBE, engine.store.ages(late)).await.ok()?.ok() };
        self.asked().ages.get(&*engine.clock, ask).await
    }

    /// How long the store took to write something and to read it back, or why it could not.
    async fn probed(&self) -> Result<Duration, String> {
        let engine = &self.parts().engine;
        let ask = async {
            let began = engine.clock.uptime();
            match tokio::time::timeout(PROBE, engine.store.probe()).await {
                Ok(Ok(())) => Ok(engine.clock.uptime().saturating_sub(began)),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_) => Err(format!("no answer within {PROBE:?}")),
            }
        };
        self.asked().probed.get(&*engine.clock, ask).await
    }

    async fn store(&self) -> HealthCheck {
        check("store", self.probed().await.err())
    }
}

/// Which accounts cannot be used, since when, and why.
fn trouble(trouble: &InTrouble<'_>) -> String {
    let (named, since, says) = (trouble.named(), whole_second(trouble.since), trouble.says());
    match trouble.standing.as_str() {
        "probing" => format!("{named} tried again, refused since {since} ({says})"),
        standing => format!("{named} {standing} since {since} ({says})"),
    }
}

/// What the broker gave up keeps no other message waiting, so the worker is still ready.
fn dead_lettered(kept: u32) -> HealthCheck {
    let detail = (kept > 0)
        .then(|| format!("the broker gave up {kept} messages and keeps them: `crossgrant put-back` puts them back"));
    told("dead-lettered", detail)
}

fn link(name: &str, status: LinkStatus) -> HealthCheck {
    let since = whole_second(status.since);
    let fault = match status.link {
        Link::Connected => None,
        Link::Down => Some(format!("down since {since}")),
        Link::Blocked { reason } => Some(format!("blocked since {since}: {reason}")),
        Link::Held { reason } => Some(format!("holding deliveries since {since}: {reason}")),
    };
    let fault = fault.map(|fault| match status.last_error {
        Some(error) => format!("{fault}; last error: {error}"),
        None => fault,
    });
    check(name, fault)
}

fn check(name: &str, fault: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), ok: fault.is_none(), needed: true, detail: fault }
}

/// A check that never fails.
fn told(name: &str, detail: Option<String>) -> HealthCheck {
    HealthCheck { name: name.to_owned(), ok: true, needed: false, detail }
}
