//! Why something cannot be shown or was not done: what the admin API said.

use http::StatusCode;
use serde_json::Value;

/// An answer that is none of what was asked for.
#[derive(Debug)]
pub(super) struct Trouble {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
}

impl Trouble {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    /// What was asked for cannot be meant.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad-request", message)
    }

    /// There is no such thing.
    pub fn none(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", message)
    }

    /// The API answered something else than this page reads.
    pub fn unread() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "timed-out", "the answer of the admin API cannot be read")
    }

    /// An error of the API.
    pub fn answered(status: StatusCode, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        Self::new(status, text("code").unwrap_or("timed-out"), text("message").unwrap_or("there was no answer"))
    }
}
