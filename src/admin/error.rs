//! Error answers, as `{"code", "message"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{Method, StatusCode, Uri};
use serde_json::json;

use super::tokens::AdminRole;
use crate::engine::loops::commands::CommandError;
use crate::engine::ports::store::StoreError;

/// Why a request was refused or failed. Its codes are stable names.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 401: the token is missing or wrong.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: the token's role does not allow it.
    #[error("token {token} has the role {has}; this needs the role {needs}")]
    Forbidden {
        /// The name of the token.
        token: String,
        /// Its role.
        has: AdminRole,
        /// The lowest role that allows it.
        needs: AdminRole,
    },
    /// 403: the worker has no token, so no request can have one.
    #[error(
        "commands and job data are off, because this worker has no token: add [[admin.token]] (name, role, token_file) to the \
         configuration of every worker, and restart them"
    )]
    CommandsOff,
    /// 403: the request names the worker as a web page of somebody else would.
    #[error(
        "Host: {0} is not a name of this worker: use its address, or add the name to `[admin] hosts` and restart \
         the worker"
    )]
    ForeignHost(String),
    /// 403: a web page of somebody else has made a browser send it.
    #[error("{0}: requests of web pages are refused; use `crossgrant`, or send the request without this header")]
    ForeignOrigin(String),
    /// 503: there was no answer in time.
    #[error("the worker found no answer in time; a command may have been carried out all the same: look again")]
    TimedOut,
    /// 400: what is wrong with the request.
    #[error("{0}")]
    BadRequest(String),
    /// 409: the reference is that of several jobs.
    #[error("{0}")]
    Ambiguous(String),
    /// 404: no such job or path.
    #[error("{0}")]
    NotFound(String),
    /// 405: the path exists, but not for this method.
    #[error("this path does not answer {0}")]
    BadMethod(Method),
    /// 409: the job is not in a state for the command; the message says which command would be.
    #[error("{0}")]
    Declined(String),
    /// 409: the approver has asked for the job, and another person has to approve it.
    #[error("{0}")]
    SamePerson(String),
    /// 409: something changed at the same moment, or a count was not the expected one.
    #[error("{0}")]
    Conflict(String),
    /// 503 or 500: the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

macro_rules! codes {
    ($($pattern:pat => $status:ident $code:literal,)+) => {
        impl ApiError {
            /// Every code; `docs/reasons.md` has a section for each.
            pub const CODES: &'static [&'static str] = &[$($code),+];

            fn parts(&self) -> (StatusCode, &'static str) {
                match self { $($pattern => (StatusCode::$status, $code),)+ }
            }
        }
    };
}

codes! {
    Self::Unauthorized(_) => UNAUTHORIZED "unauthorized",
    Self::Forbidden { .. } => FORBIDDEN "forbidden",
    Self::CommandsOff => FORBIDDEN "commands-off",
    Self::ForeignHost(_) => FORBIDDEN "foreign-host",
    Self::ForeignOrigin(_) => FORBIDDEN "foreign-origin",
    Self::TimedOut => SERVICE_UNAVAILABLE "timed-out",
    Self::BadRequest(_) => BAD_REQUEST "bad-request",
    Self::Ambiguous(_) => CONFLICT "ambiguous",
    Self::NotFound(_) => NOT_FOUND "not-found",
    Self::BadMethod(_) => METHOD_NOT_ALLOWED "bad-method",
    Self::Declined(_) => CONFLICT "declined",
    Self::SamePerson(_) => CONFLICT "same-person",
    Self::Conflict(_) => CONFLICT "conflict",
    Self::Store(StoreError::Unavailable(_) | StoreError::Unusable(..)) => SERVICE_UNAVAILABLE "store-unavailable",
    Self::Store(StoreError::Refused(_)) => INTERNAL_SERVER_ERROR "store-refused",
    Self::Store(StoreError::Corrupt(_)) => INTERNAL_SERVER_ERROR "store-corrupt",
    Self::Store(StoreError::Lost(_)) => INTERNAL_SERVER_ERROR "store-lost",
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotFound => Self::NotFound(error.to_string()),
            CommandError::Declined(declined) => Self::Declined(declined.to_string()),
            CommandError::Conflict => Self::Conflict(error.to_string()),
            CommandError::Store(error) => Self::Store(error),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        if status.is_server_error() {
            tracing::warn!(error = %self, "admin request failed");
        }
        let mut response = (status, Json(json!({"code": code, "message": self.to_string()}))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn no_such_page(uri: Uri) -> ApiError {
    ApiError::NotFound(format!("there is no such path: {}", uri.path()))
}

pub(super) async fn no_such_method(method: Method) -> ApiError {
    ApiError::BadMethod(method)
}
