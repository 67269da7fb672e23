//! The metadata service of a machine: the keys of its role, for whoever first asks for a token. The unprotected way
//! without one is shut, as a careful operator has it.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::ledger::CallRecord;
use super::server::Served;
use super::sts;
use crate::clock::later;

/// How long the keys of a machine's role last.
const LIFE: Duration = Duration::from_secs(6 * 3600);
/// The longest a token lasts, in seconds.
const LONGEST: u64 = 21_600;

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/api/token", put(token))
        .route("/meta-data/ram/security-credentials/", get(name))
        .route("/meta-data/ram/security-credentials/{role}", get(keys))
}

async fn token(State(served): State<Served>, headers: HeaderMap) -> Response {
    let ttl = headers.get("x-aliyun-ecs-metadata-token-ttl-seconds");
    let ttl = ttl.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()).filter(|s| (1..=LONGEST).contains(s));
    let Some(ttl) = ttl else { return StatusCode::BAD_REQUEST.into_response() };
    served.simulator.with(|cloud, now| {
        let token = uuid::Uuid::new_v4().simple().to_string();
        cloud.metadata_tokens.insert(token.clone(), later(now, Duration::from_secs(ttl)));
        token.into_response()
    })
}

async fn name(State(served): State<Served>, headers: HeaderMap) -> Response {
    answer(&served, &headers, |_, _, role| Some(role.to_owned().into_response()))
}

async fn keys(State(served): State<Served>, Path(asked): Path<String>, headers: HeaderMap) -> Response {
    answer(&served, &headers, |cloud, now, role| {
        let arn = cloud.world.machine.clone().filter(|_| role == asked)?;
        let (account, _) = sts::role_of(&arn)?;
        let mut body = sts::open_session(&mut cloud.world, now, LIFE, (&account, role), "machine");
        body["Code"] = json!("Success");
        let (operation, code) = ("metadata".to_owned(), "OK".to_owned());
        cloud.log(CallRecord { at: now, operation, account: Some(account), code, effect: false });
        Some(body.to_string().into_response())
    })
}

/// Answers who has a token, if the machine has a role.
fn answer(
    served: &Served,
    headers: &HeaderMap,
    with: impl FnOnce(&mut super::Cloud, jiff::Timestamp, &str) -> Option<Response>,
) -> Response {
    let token = headers.get("x-aliyun-ecs-metadata-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    served.simulator.with(|cloud, now| {
        if cloud.metadata_tokens.get(token).is_none_or(|until| *until <= now) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let role = cloud.world.machine.as_deref().and_then(|arn| Some(sts::role_of(arn)?.1.to_owned()));
        role.and_then(|role| with(cloud, now, &role)).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
    })
}
