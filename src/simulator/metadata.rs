//! The metadata service of a machine: it gives out the keys of the machine's role, to a caller that got a token first. The
//! mode without a token is off, as in a hardened machine.

use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::json;

use super::call_log::CallRecord;
use super::served::Served;
use super::state::SimulatorState;
use super::sts;
use crate::clock::later;

/// How long the keys of the role are valid.
const LIFE: Duration = Duration::from_secs(6 * 3600);
/// The longest that a token can be valid, in seconds.
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
    served.simulator.with(|state, now| {
        let token = uuid::Uuid::new_v4().simple().to_string();
        state.metadata_tokens.insert(token.clone(), later(now, Duration::from_secs(ttl)));
        token.into_response()
    })
}

async fn name(State(served): State<Served>, headers: HeaderMap) -> Response {
    answer(&served, &headers, |_, _, role| Some(role.to_owned().into_response()))
}

async fn keys(State(served): State<Served>, Path(asked): Path<String>, headers: HeaderMap) -> Response {
    answer(&served, &headers, |state, now, role| {
        let arn = state.world.machine.clone().filter(|_| role == asked)?;
        let (account, _) = sts::role_of(&arn)?;
        let mut body = sts::open_session(&mut state.world, now, LIFE, (&account, role), "machine");
        body["Code"] = json!("Success");
        let (operation, code) = ("metadata".to_owned(), "OK".to_owned());
        state.log(CallRecord { at: now, operation, account: Some(account), code, effect: false });
        Some(body.to_string().into_response())
    })
}

/// Answers with `with`, if the request has a valid token and the machine has a role.
fn answer(
    served: &Served,
    headers: &HeaderMap,
    with: impl FnOnce(&mut SimulatorState, Timestamp, &str) -> Option<Response>,
) -> Response {
    let token = headers.get("x-aliyun-ecs-metadata-token").and_then(|value| value.to_str().ok()).unwrap_or_default();
    served.simulator.with(|state, now| {
        if state.metadata_tokens.get(token).is_none_or(|until| *until <= now) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let role = state.world.machine.as_deref().and_then(|arn| Some(sts::role_of(arn)?.1.to_owned()));
        role.and_then(|role| with(state, now, &role)).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
    })
}
