//! Who may do what: the token of a request, and for whom its path is.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::access::Access;
use super::error::ApiError;
use super::parts::Admin;
use super::tokens::{AdminRole, Authority};

/// The right of a request that this program makes itself, for a visitor whose session it has checked. It travels beside the request,
/// where nothing from outside can come.
#[derive(Clone)]
pub(crate) struct Vouched(pub Authority);

/// Lets a request pass whose token is one for the path, and tells the handler the [`Authority`].
pub(super) async fn require(
    State((admin, access)): State<(Admin, Access)>,
    mut request: Request,
    next: Next,
) -> Response {
    let vouched = request.extensions_mut().remove::<Vouched>();
    match vouched.map_or_else(|| admin.authority(request.headers()), |Vouched(authority)| Ok(authority)) {
        Ok(authority) if access.admits(authority.role) => {
            request.extensions_mut().insert(authority);
            if !access.changes() {
                return next.run(request).await;
            }
            // A command is carried out to its end, whatever becomes of its connection: one that is committed also has to be
            // told to the loops.
            tokio::spawn(next.run(request)).await.unwrap_or_else(|_| ApiError::TimedOut.into_response())
        }
        Ok(Authority { token, role: has, .. }) => {
            let needs = access.lowest().unwrap_or(AdminRole::Reader);
            ApiError::Forbidden { token, has, needs }.into_response()
        }
        Err(error) => error.into_response(),
    }
}

impl Admin {
    /// By which right a request with these headers is made.
    pub(super) fn authority(&self, headers: &HeaderMap) -> Result<Authority, ApiError> {
        let tokens = &self.parts().tokens;
        if tokens.is_empty() {
            return Err(ApiError::CommandsOff);
        }
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
        });
        let given = given.ok_or(ApiError::Unauthorized("a token is required: Authorization: Bearer <token>"))?;
        let known = tokens.authority(given);
        known.ok_or(ApiError::Unauthorized(
            "the worker has no such token: it is mistyped, of another worker, or outdated",
        ))
    }
}
