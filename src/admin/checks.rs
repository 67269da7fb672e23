//! What `/readyz` answers.
use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// `store`, `broker-consume`, `broker-publish`, `broker-reply`, `definitions` or `running`; or one that never fails:
    /// `accounts` lists those that are paused, refused or not reached, `outbox` counts messages that a queue refuses and those that
    /// were kept aside, `events` says which events no queue takes, `dead-lettered` the messages that the broker gave up, and `clock` says how far off this machine's is.
    pub name: String,
    /// Whether the check passed.
    pub ok: bool,
    /// The fault, or something worth knowing. Left out for a request without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The answer to `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Whether all checks passed.
    pub ready: bool,
    /// One for each part that must work.
    pub checks: Vec<HealthCheck>,
}

impl Readiness {
    /// The failed checks, for people.
    pub fn failed(&self) -> String {
        let failed = self.checks.iter().filter(|check| !check.ok);
        let text = |HealthCheck { name, detail, .. }: &HealthCheck| match detail {
            Some(detail) => format!("{name}: {detail}"),
            None => name.clone(),
        };
        failed.map(text).collect::<Vec<_>>().join("; ")
    }
}
