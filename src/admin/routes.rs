//! Which handler answers which path.

use axum::Router;
use axum::middleware;
use axum::routing::{get, post};

use super::parts::Admin;
use super::{accounts, approvals, auth, commands, dead, error, health, jobs};

impl Admin {
    /// The whole API as an HTTP service.
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
            .route("/v1/undeliverable/drop", post(dead::drop_undeliverable))
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
