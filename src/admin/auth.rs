//! The bearer token. Compared in constant time, so that nobody can find it out letter by letter.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use super::Admin;
use super::error::ApiError;

/// Lets a request pass that bears the token.
pub(super) async fn require(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if admin.trusts(request.headers()) { next.run(request).await } else { ApiError::Unauthorized.into_response() }
}

impl Admin {
    /// Whether these headers bear the token, or none is asked for.
    pub(super) fn trusts(&self, headers: &HeaderMap) -> bool {
        let Some(token) = &self.0.token else { return true };
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
        });
        given.is_some_and(|given| given.as_bytes().ct_eq(token.expose_secret().as_bytes()).into())
    }
}
