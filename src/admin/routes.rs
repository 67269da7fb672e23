//! Which handler answers which path, and which role it needs.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::middleware::from_fn_with_state;
use axum::routing::{self, MethodRouter};

use super::access::Access;
use super::parts::Admin;
use super::tokens::AdminRole;
use super::{
    accounts, auth, batches, bulk, commands, configuration, dead, error, event_stream, feed, foreign, health, history,
    jobs, overview, plan, submit,
};
use crate::domain::contract::MAX_BATCH_BODY;

/// The largest body of a request: only what is submitted has one.
const LARGEST_BODY: usize = MAX_BATCH_BODY;

/// A path and its handler for one method.
pub(super) struct Route {
    /// `get` or `post`.
    pub method: &'static str,
    pub path: &'static str,
    pub access: Access,
    handler: MethodRouter<Admin>,
}

fn get<H: Handler<T, Admin>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: "get", path, access, handler: routing::get(handler) }
}

fn post<H: Handler<T, Admin>, T: 'static>(path: &'static str, access: Access, handler: H) -> Route {
    Route { method: "post", path, access, handler: routing::post(handler) }
}

/// Every path.
pub(super) fn routes() -> Vec<Route> {
    use Access::{Needs, Open, Own, Submits};
    use AdminRole::{Approver, Operator, Reader};
    vec![
        get(ALIVE, Open, health::alive),
        get("/readyz", Open, health::ready),
        get("/metrics", Open, health::metrics),
        get("/v1/status", Needs(Reader), overview::status),
        get("/v1/jobs", Needs(Reader), jobs::list),
        post("/v1/jobs", Submits, submit::submit),
        get("/v1/jobs/{reference}", Own, jobs::show),
        get("/v1/jobs/{reference}/events", Own, event_stream::of_job),
        post("/v1/jobs/{reference}/cancel", Needs(Operator), commands::cancel),
        post("/v1/jobs/{reference}/resume", Needs(Operator), commands::resume),
        post("/v1/jobs/{reference}/release", Needs(Operator), commands::release),
        post("/v1/jobs/{reference}/approve", Needs(Approver), commands::approve),
        get("/v1/bulk/cancel", Needs(Reader), bulk::would_cancel),
        post("/v1/bulk/cancel", Needs(Operator), bulk::cancel),
        get("/v1/bulk/resume", Needs(Reader), bulk::would_resume),
        post("/v1/bulk/resume", Needs(Operator), bulk::resume),
        get("/v1/bulk/approve", Needs(Reader), bulk::would_approve),
        post("/v1/bulk/approve", Needs(Approver), bulk::approve),
        post("/v1/plan", Needs(Reader), plan::make),
        get("/v1/batches", Needs(Reader), batches::list),
        get("/v1/batches/{reference}", Own, batches::show),
        get("/v1/batches/{reference}/events", Own, event_stream::of_batch),
        get("/v1/accounts", Needs(Reader), accounts::accounts),
        get("/v1/accounts/paused", Needs(Reader), accounts::paused),
        post("/v1/accounts/{uid}/pause", Needs(Operator), accounts::pause),
        post("/v1/accounts/{uid}/unpause", Needs(Operator), accounts::unpause),
        post("/v1/reload", Needs(Operator), configuration::reload),
        get("/v1/dead", Needs(Reader), dead::groups),
        get("/v1/rejections", Needs(Reader), dead::rejections),
        get("/v1/rejections/{uid}", Needs(Reader), dead::rejection),
        post("/v1/rejections/drop", Needs(Operator), dead::drop_rejections),
        get("/v1/undeliverable", Needs(Reader), dead::undeliverable),
        post("/v1/undeliverable/replay", Needs(Operator), dead::replay),
        post("/v1/undeliverable/drop", Needs(Operator), dead::drop_undeliverable),
        get("/v1/events", Own, feed::events),
        get("/v1/events/replay", Needs(Reader), history::would_replay),
        post("/v1/events/replay", Needs(Operator), history::replay),
    ]
}

/// Also answered under a foreign `Host`: a probe that is refused would have a good worker killed, and it says nothing.
pub(super) const ALIVE: &str = "/healthz";

impl Admin {
    /// The whole API as an HTTP service.
    pub fn router(self) -> Router {
        let (mut alive, mut checked) = (Router::new(), Router::new());
        for Route { path, access, handler, .. } in routes() {
            let handler = match access {
                Access::Open => handler,
                access => handler.route_layer(from_fn_with_state((self.clone(), access), auth::require)),
            };
            let router = if path == ALIVE { &mut alive } else { &mut checked };
            *router = std::mem::take(router).route(path, handler);
        }
        alive
            .merge(checked.layer(from_fn_with_state(self.clone(), foreign::refuse)))
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .fallback(error::no_such_page)
            .method_not_allowed_fallback(error::no_such_method)
            .with_state(self)
    }
}
