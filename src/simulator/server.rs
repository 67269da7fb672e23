//! The HTTP side: one listener for all products. The host decides nothing; `x-acs-version` and `x-acs-action` do.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use http::HeaderValue;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::combinations;
use super::envelope::{self, Format, Refusal};
use super::faults::{FaultKind, Strike};
use super::history::AsOf;
use super::ledger::{CallRecord, ParameterSet};
use super::operations::{self, Answer, Handler};
use super::request::{Call, Caller, Params};
use super::verify::{Arrived, verify};
use super::world::World;
use super::{Simulator, control, metadata, sts};
use crate::clock::Clock;
use crate::domain::Hour;

/// No request of these products is larger.
const LARGEST: usize = 1 << 20;
/// The message of flow control.
const THROTTLED: &str = "Request was denied due to user flow control.";

/// Binds `listen`, tells `bound` where that is, and serves a simulated cloud until `stop`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    world: World,
    hour: Hour,
    clock: Arc<dyn Clock>,
    bound: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, %hour, "the simulated cloud listens");
    bound(address);
    Simulator::new(world, hour, clock).serve(listener, stop).await
}

/// A simulator behind a router, and the end of that router's service.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) simulator: Simulator,
    stopping: Option<watch::Receiver<bool>>,
}

impl Served {
    /// Returns when the server is to stop; a router without a server never does.
    pub(super) async fn stopping(&self) {
        match self.stopping.clone() {
            Some(mut stopping) => drop(stopping.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }
}

impl Simulator {
    /// Everything the simulator answers: product calls on `/`, its control endpoints under `/_sim/`.
    pub fn router(&self) -> Router {
        self.router_until(None)
    }

    /// Serves until `stop`; requests that a fault holds are then dropped.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let router = self.router_until(Some(stopped));
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "a connection keeps its delay");
            }
        });
        let stop = async move {
            stop.await;
            stopping.send_replace(true);
        };
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    }

    fn router_until(&self, stopping: Option<watch::Receiver<bool>>) -> Router {
        let served = Served { simulator: self.clone(), stopping };
        Router::new()
            .route("/", any(answer))
            .nest("/_sim", control::routes())
            .nest("/latest", metadata::routes())
            .with_state(served)
    }

    /// Lets a request in: its signature, its operation, and the fault that awaits it.
    fn admit(&self, arrived: &Arrived, request_id: &str) -> Result<(Call, Handler, Option<Strike>), Refusal> {
        let (operation, hour) = (arrived.action(), self.0.hour);
        self.with(|cloud, now| {
            let mut account = None;
            let mut admit = || {
                let form = arrived.header("content-type").starts_with("application/x-www-form-urlencoded");
                let form = if form { String::from_utf8_lossy(arrived.body) } else { Default::default() };
                let params = Params::new(arrived.query, &form);
                if arrived.unsigned() {
                    let asked_for = sts::account_asked_for(&params)?;
                    let caller = Caller { account: asked_for, access_key_id: String::new(), role: None };
                    let (operation, request_id) = (operation.clone(), request_id.to_owned());
                    cloud.parameter_sets.insert(ParameterSet::of(&operation, "Sts", &params));
                    let fault = cloud.strike(&operation, &params);
                    let call =
                        Call { product: "Sts", operation, caller, params, request_id, now, hour, as_of: AsOf::Now };
                    return Ok((call, sts::assume_role_with_oidc as Handler, fault));
                }
                let keys = &cloud.world.keys;
                let find = |id: &str| keys.get(id).map(|(_, key)| key);
                let key = verify(arrived, now, &mut cloud.nonces, find)?;
                let Some((owner, _)) = keys.get(&key.id) else {
                    return Err(Refusal::new(404, "InvalidAccessKeyId.NotFound", "There is no such key."));
                };
                account = Some(owner.clone());
                if !["GET", "POST"].contains(&arrived.method) {
                    let message = format!("{} is not supported.", arrived.method);
                    return Err(Refusal::bad("UnsupportedHTTPMethod", message));
                }
                let (product, run) = operations::find(&arrived.version(), &operation)?;
                cloud.parameter_sets.insert(ParameterSet::of(&operation, product, &params));
                let limit = cloud.world.switches.calls_per_second;
                if limit.is_some_and(|limit| !cloud.flow.takes(owner, &operation, now, limit)) {
                    return Err(Refusal::bad("Throttling.User", THROTTLED));
                }
                let caller = Caller {
                    account: owner.clone(),
                    access_key_id: key.id.clone(),
                    role: key.token.is_some().then(|| key.role.clone().unwrap_or_else(|| "simulated/simulated".into())),
                };
                let (operation, request_id) = (operation.clone(), request_id.to_owned());
                let fault = cloud.strike(&operation, &params);
                Ok((Call { product, operation, caller, params, request_id, now, hour, as_of: AsOf::Now }, run, fault))
            };
            let admitted = admit();
            if let Err(refusal) = &admitted {
                let (operation, code) = (operation.clone(), refusal.code.clone());
                cloud.log(CallRecord { at: now, operation, account, code, effect: false });
            }
            admitted
        })
    }

    /// Logs a call whose answer is a fault's, and carries it out first if the fault lets it take effect.
    fn struck(&self, call: &mut Call, run: Handler, effect: bool, code: &str) {
        if effect {
            // The caller does not learn the result.
            drop(self.perform(call, run, Log::As(code)));
            return;
        }
        let (operation, account) = (call.operation.clone(), Some(call.caller.account.clone()));
        let code = code.to_owned();
        self.with(|cloud, at| cloud.log(CallRecord { at, operation, account, code, effect: false }));
    }

    /// Carries a call out, and logs it: under `log` if its answer will not arrive, not at all if that was done.
    fn perform(&self, call: &mut Call, run: Handler, log: Log<'_>) -> Result<(String, Answer), Refusal> {
        self.with(|cloud, now| {
            call.now = now;
            call.as_of = match log {
                Log::Stale => AsOf::Before(cloud.world.last_write),
                _ => lagging(&cloud.world, call),
            };
            let token = call.params.text("ClientToken").filter(|_| operations::takes_token(&call.operation));
            let known = combinations::check(&call.operation, &call.params).and_then(|()| match token {
                Some(token) => cloud.tokens.known(&cloud.world, call, token),
                None => Ok(None),
            });
            let result = match known {
                Ok(None) => run(&mut cloud.world, call).map(|answer| (call.request_id.clone(), answer)),
                Ok(Some(known)) => Ok(known),
                Err(refusal) => Err(refusal),
            };
            let effect = result.as_ref().ok().and_then(|(_, answer)| answer.effect.clone());
            let code = match (&log, &result) {
                (Log::As(fault), _) => Some((*fault).to_owned()),
                (Log::Done, _) => None,
                (_, Ok(_)) => Some("OK".to_owned()),
                (_, Err(refusal)) => Some(refusal.code.clone()),
            };
            if let Some(code) = code {
                let (operation, account) = (call.operation.clone(), Some(call.caller.account.clone()));
                cloud.log(CallRecord { at: now, operation, account, code, effect: effect.is_some() });
            }
            if let Some(effect) = effect {
                if let (Some(token), Ok((_, answer))) = (token, &result) {
                    cloud.tokens.remember(call, token, answer);
                }
                cloud.enter(&call.operation, Some(call), now, effect);
            }
            result
        })
    }

    /// Holds a request until the release; false when the server stops instead.
    async fn hold(&self, served: &Served, operation: &str) -> bool {
        let mut releases = self.0.releases.subscribe();
        let _held = Held::new(self, operation);
        tokio::select! {
            released = releases.changed() => released.is_ok(),
            () = served.stopping() => false,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// How [`Simulator::perform`] logs.
#[derive(Clone, Copy)]
enum Log<'a> {
    Result,
    As(&'a str),
    Done,
    /// As the result; reads see the state before the last write.
    Stale,
}

/// A request that is being held; counted for as long as its connection lives.
struct Held<'a>(&'a Simulator, &'a str);

impl<'a> Held<'a> {
    fn new(simulator: &'a Simulator, operation: &'a str) -> Self {
        simulator.with(|cloud, _| {
            *cloud.held.entry(operation.to_owned()).or_default() += 1;
            cloud.events += 1;
        });
        Self(simulator, operation)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.with(|cloud, _| {
            if let Some(count) = cloud.held.get_mut(self.1) {
                *count -= 1;
            }
            cloud.held.retain(|_, count| *count > 0);
            cloud.events += 1;
        });
    }
}

fn lagging(world: &World, call: &Call) -> AsOf {
    let lag = world.switches.lag(&call.operation).and_then(|lag| jiff::SignedDuration::try_from(lag).ok());
    lag.map_or(AsOf::Now, |lag| AsOf::At(call.now.checked_sub(lag).unwrap_or(Timestamp::MIN)))
}

async fn answer(State(served): State<Served>, request: Request) -> Response {
    let response = respond(&served, request).await;
    envelope::dated(response, served.simulator.now())
}

async fn respond(served: &Served, request: Request) -> Response {
    let simulator = &served.simulator;
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return envelope::broken_off() };
    let arrived = Arrived {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    let format = Format::wanted(parts.headers.get(http::header::ACCEPT), arrived.query);
    let (host, action) = (arrived.header("host"), arrived.action());
    let request_id = uuid::Uuid::new_v4().to_string().to_uppercase();
    let failure = |format, refusal: &Refusal| envelope::failure(format, &host, &request_id, refusal);
    let finish = |result: Result<(String, Answer), Refusal>| match result {
        Ok((request_id, answer)) => envelope::success(format, &action, &request_id, answer.body),
        Err(refusal) => failure(format, &refusal),
    };
    let (mut call, run, fault) = match simulator.admit(&arrived, &request_id) {
        Ok(admitted) => admitted,
        Err(refusal) => return failure(format, &refusal),
    };
    let Some(Strike { kind, effect }) = fault else { return finish(simulator.perform(&mut call, run, Log::Result)) };
    let mut refuse = |format, refusal: Refusal| {
        simulator.struck(&mut call, run, effect, &refusal.code);
        failure(format, &refusal)
    };
    match kind {
        FaultKind::Stale => finish(simulator.perform(&mut call, run, Log::Stale)),
        FaultKind::Throttle { retry_after_ms } => {
            let mut response = refuse(format, Refusal::bad("Throttling.User", THROTTLED));
            if let Some(ms) = retry_after_ms {
                response.headers_mut().insert("x-acs-retry-after", HeaderValue::from(ms));
            }
            response
        }
        FaultKind::Http { status } => {
            let code = if status == 503 { "ServiceUnavailable" } else { "InternalError" };
            refuse(format, Refusal::new(status, code, "The request has failed due to a fault of the server."))
        }
        FaultKind::Error { http, code, message } => refuse(format, Refusal::new(http, code, message)),
        FaultKind::Conflict => {
            refuse(format, Refusal::bad("OperationFailed.TaskConflict", "Another task runs on this instance."))
        }
        FaultKind::XmlError { http, code } => refuse(Format::Xml, Refusal::new(http, code, "In XML.")),
        FaultKind::HtmlError => {
            simulator.struck(&mut call, run, effect, "fault:html_error");
            envelope::bad_gateway()
        }
        FaultKind::Empty => {
            simulator.struck(&mut call, run, effect, "fault:empty");
            finish(Ok((request_id.clone(), Answer::bare())))
        }
        FaultKind::EmptyList => {
            let result = simulator.perform(&mut call, run, Log::Result);
            finish(result.map(|(request_id, answer)| (request_id, answer.emptied())))
        }
        FaultKind::DropBefore => {
            simulator.struck(&mut call, run, false, "fault:drop_before");
            envelope::broken_off()
        }
        FaultKind::DropAfter => {
            // The caller does not learn the result.
            drop(simulator.perform(&mut call, run, Log::As("fault:drop_after")));
            envelope::broken_off()
        }
        FaultKind::HangBefore => {
            simulator.struck(&mut call, run, false, "fault:hang_before");
            if !simulator.hold(served, &action).await {
                return envelope::broken_off();
            }
            finish(simulator.perform(&mut call, run, Log::Done))
        }
        FaultKind::HangAfter => {
            let result = simulator.perform(&mut call, run, Log::As("fault:hang_after"));
            if !simulator.hold(served, &action).await {
                return envelope::broken_off();
            }
            finish(result)
        }
        FaultKind::Slow { ms } => {
            let result = simulator.perform(&mut call, run, Log::Result);
            tokio::select! {
                () = simulator.0.clock.sleep(std::time::Duration::from_millis(ms)) => finish(result),
                () = served.stopping() => envelope::broken_off(),
            }
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
