//! What an operation answers: a body when it succeeds, a code of the vendor's when it does not.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ledger::LedgerEffect;
use crate::domain::AccountUid;

/// The answer of an operation that succeeded; the envelope adds its RequestId.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Success {
    pub(super) body: Map<String, Value>,
    /// What it changed; `None` of a read, and of a write that found nothing to change.
    pub(super) effect: Option<LedgerEffect>,
}

impl Success {
    /// An answer with RequestId alone.
    pub(super) fn bare() -> Self {
        Self::default()
    }

    pub(super) fn of(body: Value) -> Self {
        match body {
            Value::Object(body) => Self { body, effect: None },
            _ => Self::default(),
        }
    }

    /// A listing without its items, counted 0. An answer without `TotalCount` is no listing and stays as it is.
    pub(super) fn emptied(mut self) -> Self {
        if self.body.contains_key("TotalCount") {
            for (name, value) in &mut self.body {
                match (name.as_str(), value) {
                    ("TotalCount", count) => *count = 0.into(),
                    ("MaxResults", shown) => *shown = 0.into(),
                    ("NextToken", next) => *next = "".into(),
                    (_, Value::Array(items)) => items.clear(),
                    (_, Value::Object(wrapped)) => {
                        wrapped.values_mut().filter_map(Value::as_array_mut).for_each(Vec::clear);
                    }
                    _ => {}
                }
            }
        }
        self
    }

    pub(super) fn with(self, effect: LedgerEffect) -> Self {
        Self { effect: Some(effect), ..self }
    }
}

/// An error of the gateway or of an operation, before it is put into the envelope of API §D.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ErrorAnswer {
    pub(super) http: u16,
    pub(super) code: String,
    pub(super) message: String,
}

impl ErrorAnswer {
    pub(super) fn new(http: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { http, code: code.into(), message: message.into() }
    }

    /// HTTP 400, the status of most errors of these products.
    pub(super) fn bad(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(super) fn invalid(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad("InvalidParameter", format!("The parameter {name} is not valid: {why}."))
    }

    pub(super) fn unauthorized(what: impl std::fmt::Display) -> Self {
        Self::bad("Unauthorized", format!("The caller does not own {what}."))
    }

    /// What flow control says to the user who calls too often (API §E).
    pub(super) fn throttled() -> Self {
        Self::bad("Throttling.User", "Request was denied due to user flow control.")
    }
}

/// A uid as the vendor writes it: a JSON integer of 16 digits.
pub(super) fn uid(uid: &AccountUid) -> Value {
    uid.as_str().parse::<u64>().map_or_else(|_| json!(uid), Value::from)
}

/// A time as most operations write it: to the minute (API §1).
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}
