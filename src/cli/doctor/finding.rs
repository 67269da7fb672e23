//! What was found of one thing, and what to do about it.

use serde::Serialize;

use super::Failure;
use crate::domain::Code;

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// Whether it is as it should be; `None` where that cannot be told.
    pub ok: Option<bool>,
    /// What `explain` knows about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    pub says: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// As it should be.
pub(super) fn fine(check: &'static str, says: impl Into<String>) -> Finding {
    Finding { check, ok: Some(true), code: None, says: says.into(), advice: None }
}

/// Something in the way.
pub(super) fn fault(check: &'static str, code: Code, says: impl ToString, advice: impl Into<String>) -> Finding {
    Finding { check, ok: Some(false), code: Some(code), says: says.to_string(), advice: Some(advice.into()) }
}

/// Something that cannot be told from here.
pub(super) fn unclear(check: &'static str, code: Code, says: impl ToString, advice: impl Into<String>) -> Finding {
    Finding { ok: None, ..fault(check, code, says, advice) }
}

/// Something that failed.
pub(super) fn failed(check: &'static str, failure: Failure, advice: impl Into<String>) -> Finding {
    fault(check, failure.code, failure.message, advice)
}

impl Finding {
    /// Whether it is in the way of a worker.
    pub fn is_fault(&self) -> bool {
        self.ok == Some(false)
    }

    /// For people.
    pub fn lines(&self) -> Vec<String> {
        let mark = match self.ok {
            Some(true) => "ok   ",
            Some(false) => "FAULT",
            None => "?    ",
        };
        let code = self.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        let mut lines = vec![format!("{mark}  {:<13}  {}{code}", self.check, self.says.replace('\n', "; "))];
        lines.extend(self.advice.as_ref().map(|advice| format!("{:22}do: {advice}", "")));
        lines
    }
}
