//! Error answers, as `{"code", "message"}`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::tokens::AdminRole;
use crate::domain::contract::{FaultList, summary};
use crate::engine::loops::commands::CommandError;
use crate::engine::loops::door::NotSubmitted;
use crate::engine::ports::door::NotPublished;
use crate::engine::ports::store::{Rejected, StoreError};

/// After how many seconds it may be worth while to ask again.
const RETRY: &str = "2";

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
    /// 403: the worker takes no jobs over HTTP.
    #[error(
        "this worker takes no jobs over HTTP: give `[door]` a key in the configuration of every worker, and restart them"
    )]
    DoorClosed,
    /// 403: no allow-rule lets the requester have this.
    #[error("{0}; nothing was published")]
    NotAllowed(String),
    /// 422: what is wrong with a job; it does not become one.
    #[error("{message}")]
    JobRefused {
        /// All of it, for people.
        message: String,
        /// Each fault, with `at`, `code` and `message`.
        faults: Value,
        /// How many more there are.
        not_listed: u32,
    },
    /// 429: too much is asked for at a time. Nothing was done.
    #[error("{0}; nothing was done: ask again in a moment")]
    Busy(&'static str),
    /// 503: the broker did not take the job.
    #[error("the broker has not taken it, and nothing will come of it: {0}; send it again later")]
    NoBroker(String),
    /// 504: it is not known whether the broker has the job.
    #[error("it may have been taken: {0}; send it again with the same id, which cannot make a second job of it")]
    NotConfirmed(String),
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

            /// The status that each code comes with.
            pub(crate) const STATUSES: &'static [(StatusCode, &'static str)] = &[$((StatusCode::$status, $code)),+];

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
    Self::DoorClosed => FORBIDDEN "door-closed",
    Self::NotAllowed(_) => FORBIDDEN "not-allowed",
    Self::JobRefused { .. } => UNPROCESSABLE_ENTITY "job-refused",
    Self::Busy(_) => TOO_MANY_REQUESTS "busy",
    Self::NoBroker(_) => SERVICE_UNAVAILABLE "no-broker",
    Self::NotConfirmed(_) => GATEWAY_TIMEOUT "not-confirmed",
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

impl ApiError {
    /// What is wrong with a job.
    pub(super) fn faults(faults: &FaultList) -> Self {
        Self::JobRefused { message: summary(faults), faults: json!(faults), not_listed: faults.not_listed }
    }
}

impl From<NotSubmitted> for ApiError {
    fn from(error: NotSubmitted) -> Self {
        match error {
            NotSubmitted::NotAllowed(why) => Self::NotAllowed(why),
            NotSubmitted::Differs(faults) => Self::faults(&faults),
            NotSubmitted::Rejected(Rejected { uid, reasons: faults, faults_not_listed: not_listed, .. }) => {
                let said = |fault: &Value| Some(format!("{}: {}", fault["at"].as_str()?, fault["message"].as_str()?));
                let said: Vec<String> = faults.as_array().into_iter().flatten().filter_map(said).collect();
                let message = format!("{} (rejected as {uid})", said.join("; "));
                Self::JobRefused { message, faults, not_listed }
            }
            NotSubmitted::NotPublished(NotPublished::NotTaken(why)) => Self::NoBroker(why),
            NotSubmitted::NotPublished(NotPublished::Unconfirmed(why)) => Self::NotConfirmed(why),
            NotSubmitted::Store(error) => Self::Store(error),
        }
    }
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
        let mut body = json!({"code": code, "message": self.to_string()});
        if let Self::JobRefused { faults, not_listed, .. } = &self {
            body["faults"] = faults.clone();
            if *not_listed > 0 {
                body["faults_not_listed"] = json!(not_listed);
            }
        }
        let mut response = (status, Json(body)).into_response();
        if let Self::Busy(_) | Self::NoBroker(_) | Self::NotConfirmed(_) = &self {
            response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static(RETRY));
        }
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
