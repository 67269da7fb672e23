//! The bearer token. It is compared in constant time, so that response times reveal nothing of it.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::error::ApiError;
use super::parts::Admin;

/// Answers 401 to a request without the token.
pub(super) async fn require(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if admin.trusts(request.headers()) { next.run(request).await } else { ApiError::Unauthorized.into_response() }
}

impl Admin {
    /// Whether these headers carry the token, or none is configured.
    pub(super) fn trusts(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.parts().token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
        });
        given.is_some_and(|given| given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into())
    }
}
