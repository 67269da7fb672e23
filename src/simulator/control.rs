//! The control endpoints: how a test or a person watches and changes the simulated cloud. They take no signature, so they are
//! for the loopback only.
//! [`CONTROL`] lists them.

use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::InjectedFault;
use super::handle::Simulator;
use super::history::AsOf;
use super::served::Served;
use super::world::RouterEdition;

/// What can be asked, and the answer or the effect.
pub const CONTROL: [(&str, &str); 11] = [
    ("GET /_sim/ledger", "Every effect so far."),
    ("GET /_sim/calls", "How many calls came: `total`, and `counts` by operation."),
    ("GET /_sim/parameter-sets", "The sets of parameters that each operation was called with."),
    ("GET /_sim/state", "The present grants and attachments."),
    ("POST /_sim/faults", "Adds the fault in the body, or a list of faults, such as a refused key."),
    ("DELETE /_sim/faults", "Removes all faults."),
    ("POST /_sim/release", "Lets every held request go on."),
    ("GET /_sim/switches", "The switches: how the cloud behaves where its documents are silent."),
    ("PUT /_sim/switches", "Changes the switches in the body, which has some of those that GET answers."),
    ("POST /_sim/do", "Makes the change in the body, as somebody else would."),
    (
        "GET /_sim/wait",
        "Waits for `ledger=N` entries, a held request (`held=OPERATION`) or a number of calls (`calls=OPERATION:N`); \
         after `timeout_ms` (30000) it answers 504.",
    ),
];

pub(super) fn routes() -> Router<Served> {
    Router::new()
        .route("/ledger", get(|State(s): State<Served>| async move { Json(s.simulator.ledger()) }))
        .route("/calls", get(calls))
        .route("/parameter-sets", get(|State(s): State<Served>| async move { Json(s.simulator.parameter_sets()) }))
        .route("/state", get(|State(s): State<Served>| async move { Json(s.simulator.state()) }))
        .route("/faults", post(inject).delete(clear))
        .route("/release", post(release))
        .route("/switches", get(|State(s): State<Served>| async move { Json(s.simulator.switches()) }).put(patch))
        .route("/do", post(change))
        .route("/wait", get(wait))
}

async fn calls(State(served): State<Served>) -> Json<Value> {
    let simulator = &served.simulator;
    Json(json!({"total": simulator.total_calls(), "counts": simulator.counts()}))
}

async fn inject(State(served): State<Served>, body: Bytes) -> Response {
    let list = |body: Value| if body.is_array() { body } else { Value::Array(vec![body]) };
    let faults = read(&body).and_then(|body| serde_json::from_value(list(body)).map_err(|e| e.to_string()));
    done(faults.map(|faults: Vec<InjectedFault>| faults.into_iter().for_each(|fault| served.simulator.inject(fault))))
}

async fn clear(State(served): State<Served>) -> Response {
    served.simulator.clear_faults();
    done(Ok(()))
}

async fn release(State(served): State<Served>) -> Response {
    served.simulator.release();
    done(Ok(()))
}

async fn patch(State(served): State<Served>, body: Bytes) -> Response {
    done(read(&body).and_then(|patch| served.simulator.patch_switches(patch)))
}

async fn change(State(served): State<Served>, body: Bytes) -> Response {
    done(read(&body).and_then(|change| served.simulator.change(change)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WaitQuery {
    ledger: Option<usize>,
    held: Option<String>,
    calls: Option<String>,
    timeout_ms: Option<u64>,
}

async fn wait(State(served): State<Served>, Query(wait): Query<WaitQuery>) -> Response {
    let calls = match wait.calls.as_deref().map(|text| text.rsplit_once(':').map(|(o, n)| (o, n.parse::<u64>()))) {
        None => None,
        Some(Some((operation, Ok(n)))) => Some((operation, n)),
        Some(_) => return failed(StatusCode::BAD_REQUEST, "calls must have the form OPERATION:N"),
    };
    let simulator = &served.simulator;
    let all = async {
        if let Some(entries) = wait.ledger {
            simulator.wait_for_ledger(entries).await;
        }
        if let Some(operation) = &wait.held {
            simulator.wait_for_held(operation).await;
        }
        if let Some((operation, n)) = calls {
            simulator.wait_for_calls(operation, n).await;
        }
    };
    let limit = Duration::from_millis(wait.timeout_ms.unwrap_or(30_000));
    tokio::select! {
        waited = tokio::time::timeout(limit, all) => match waited {
            Ok(()) => done(Ok(())),
            Err(_) => failed(StatusCode::GATEWAY_TIMEOUT, "what was waited for did not happen in time"),
        },
        () = served.stopping() => failed(StatusCode::SERVICE_UNAVAILABLE, "the simulated cloud is stopping"),
    }
}

/// Reads JSON, whatever content type the request names: people call these endpoints by hand.
fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|e| e.to_string())
}

/// An empty object, or a 400 that says what is wrong with the request.
fn done(result: Result<(), String>) -> Response {
    match result {
        Ok(()) => Json(json!({})).into_response(),
        Err(error) => failed(StatusCode::BAD_REQUEST, &error),
    }
}

fn failed(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

impl Simulator {
    /// The present grants and attachments, as `GET /_sim/state` shows them.
    pub fn state(&self) -> Value {
        self.with(|state, now| {
            let world = &state.world;
            let grants = world.cens.iter().flat_map(|(id, cen)| {
                cen.grants.iter().filter_map(move |(instance, history)| {
                    let grant = history.as_of(AsOf::Now)?;
                    Some(json!({
                        "cen": id,
                        "instance": instance,
                        "order_type": grant.order_type,
                        "effective_order_type": grant.effective,
                    }))
                })
            });
            let attachments = world.attachments.iter().filter_map(|(id, history)| {
                let attachment = history.as_of(AsOf::Now)?;
                Some(json!({
                    "id": id,
                    "cen": attachment.cen,
                    "transit_router": attachment.router,
                    "instance": attachment.instance,
                    "status": attachment.status,
                    "order_type": attachment.order_type,
                    "basic": attachment.edition == RouterEdition::Basic,
                }))
            });
            json!({"now": now, "grants": grants.collect::<Vec<_>>(), "attachments": attachments.collect::<Vec<_>>()})
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_endpoint_is_listed() {
        let source = include_str!("control.rs").split("#[cfg(test)]").next().unwrap();
        let served = source.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        let listed = CONTROL.iter().map(|(request, _)| request.split_once("/_sim").unwrap().1.to_owned());
        assert_eq!(served.collect::<BTreeSet<_>>(), listed.collect());
    }
}
