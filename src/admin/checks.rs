//! What `/readyz` answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The names of the checks.
pub const CHECKS: [&str; 11] = [
    "running",
    "store",
    "broker-consume",
    "broker-publish",
    "broker-reply",
    "definitions",
    "accounts",
    "clock",
    "outbox",
    "events",
    "dead-lettered",
];

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HealthCheck {
    /// `store`, `broker-consume`, `broker-publish`, `broker-reply`, `definitions` or `running`; or one that the worker is ready
    /// without: `accounts` fails when one is refused or not reached, and lists those that are paused. The others never fail:
    /// `outbox` counts messages that a queue refuses and those that were kept aside, `events` says which events no queue takes,
    /// `dead-lettered` the messages that the broker gave up, and `clock` says how far off this machine's is.
    pub name: String,
    /// Whether the check passed.
    pub ok: bool,
    /// Whether the worker is only ready if it passes.
    #[serde(default = "needed")]
    pub needed: bool,
    /// The fault, or something worth knowing. Left out for a request without a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

fn needed() -> bool {
    true
}

/// The answer to `GET /readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Readiness {
    /// Whether all checks passed that are needed.
    pub ready: bool,
    /// One for each part that must work.
    pub checks: Vec<HealthCheck>,
}

impl Readiness {
    /// The needed checks that failed, for people.
    pub fn failed(&self) -> String {
        let text = |fault: &CheckFault<'_>| match fault.detail {
            Some(detail) => format!("{}: {detail}", fault.names.join(", ")),
            None => fault.names.join(", "),
        };
        faults(&self.checks).iter().map(text).collect::<Vec<_>>().join("; ")
    }
}

/// Needed checks that fail for one cause.
pub(super) struct CheckFault<'a> {
    pub names: Vec<&'a str>,
    /// What the first of them says.
    pub detail: Option<&'a str>,
}

/// The needed checks that fail. A worker has several connections to the broker: what befalls them alike is one fault.
pub(super) fn faults(checks: &[HealthCheck]) -> Vec<CheckFault<'_>> {
    let mut faults: Vec<CheckFault<'_>> = Vec::new();
    for check in checks.iter().filter(|check| !check.ok && check.needed) {
        let (name, detail) = (check.name.as_str(), check.detail.as_deref());
        let alike = |fault: &&mut CheckFault<'_>| {
            fault.names.iter().chain([&name]).all(|name| name.starts_with("broker-"))
                && happened(fault.detail) == happened(detail)
        };
        match faults.iter_mut().find(alike) {
            Some(fault) => fault.names.push(name),
            None => faults.push(CheckFault { names: vec![name], detail }),
        }
    }
    faults
}

/// What happened, without since when and why.
fn happened(detail: Option<&str>) -> Option<&str> {
    detail.map(|detail| detail.split_once(" since ").map_or(detail, |(what, _)| what))
}

impl CheckFault<'_> {
    /// Whether it is the broker that is not reached.
    pub fn is_broker_down(&self) -> bool {
        self.names.len() > 1 && happened(self.detail) == Some("down")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_is_down_is_one_fault() {
        let check = |name: &str, detail: &str| HealthCheck {
            name: name.into(),
            ok: false,
            needed: true,
            detail: Some(detail.into()),
        };
        let down = "down since 2026-11-28T16:24:15Z; last error: refused";
        let checks = vec![
            check("store", "down since 2026-11-28T16:24:15Z"),
            check("broker-consume", down),
            check("broker-publish", "down since 2026-11-28T16:24:16Z; last error: refused"),
            check("broker-reply", "blocked since 2026-11-28T16:24:16Z: low on memory"),
        ];
        let found: Vec<(String, bool)> =
            faults(&checks).iter().map(|fault| (fault.names.join("+"), fault.is_broker_down())).collect();
        let named = |name: &str, down| (name.to_owned(), down);
        assert_eq!(
            found,
            [named("store", false), named("broker-consume+broker-publish", true), named("broker-reply", false)]
        );
        let says = Readiness { ready: false, checks }.failed();
        assert!(says.contains(&format!("; broker-consume, broker-publish: {down}; broker-reply: blocked")), "{says}");
    }
}
