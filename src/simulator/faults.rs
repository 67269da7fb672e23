//! Faults to inject: failures on the way to the cloud and back, so that a test can produce each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::request::Params;

/// A fault that strikes matching calls. At most one strikes a call: of several that match, the one injected first.
///
/// As JSON: `{"operation": "GrantInstanceToTransitRouter", "count": 2, "kind": "drop_after"}` or
/// `{"operation": "*", "effect": true, "kind": {"error": {"http": 400, "code": "Operation.Blocking"}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InjectedFault {
    /// The operation whose calls it strikes; `*` stands for every operation.
    pub operation: String,
    /// The number of calls it strikes before it is spent.
    #[serde(default = "one")]
    pub count: u32,
    /// The number of matching calls that pass before it strikes.
    #[serde(default)]
    pub skip: u32,
    /// Restricts it to calls with a parameter value that contains this text, such as the id of an instance.
    #[serde(default)]
    pub only_instance: Option<String>,
    /// Whether the call takes effect all the same. Only kinds whose answer replaces the real one heed it.
    #[serde(default)]
    pub effect: bool,
    /// What happens to a struck call.
    pub kind: FaultKind,
}

/// What a fault does to a call. Unless a kind says something else, the call has no effect unless [`InjectedFault::effect`] is
/// set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The error `Throttling.User`.
    Throttle {
        /// The header `x-acs-retry-after`, in milliseconds; without it there is no such header.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// A server error with the vendor's code for it.
    Http {
        /// 503 is answered with `ServiceUnavailable`, every other status with `InternalError`.
        status: u16,
    },
    /// An error of the test's choice.
    Error {
        /// The HTTP status.
        http: u16,
        /// The `Code`, which clients judge the error by.
        code: String,
        /// The `Message`; empty if absent.
        #[serde(default)]
        message: String,
    },
    /// The error `OperationFailed.TaskConflict`.
    Conflict,
    /// The connection closes without an answer, and the call has no effect.
    DropBefore,
    /// The connection closes without an answer, after the call took effect.
    DropAfter,
    /// The request is held before it is performed, until the release. A client that gives up before that ends it without
    /// effect.
    HangBefore,
    /// The request is performed, and its answer is held until the release.
    HangAfter,
    /// The request is performed, and its answer comes later.
    Slow {
        /// The delay in milliseconds, by the simulator's clock.
        ms: u64,
    },
    /// An error in XML, whatever format the client accepts.
    XmlError {
        /// The HTTP status.
        http: u16,
        /// The `Code`, which clients judge the error by.
        code: String,
    },
    /// A 502 with an HTML page, such as a load balancer sends.
    HtmlError,
    /// A 200 that holds a RequestId and nothing else.
    Empty,
    /// A listing is answered with an empty list, counted 0. Other operations are answered normally.
    EmptyList,
    /// A read is answered from the state before the latest write.
    Stale,
}

impl InjectedFault {
    /// A fault that strikes the next call of `operation`.
    pub fn new(operation: &str, kind: FaultKind) -> Self {
        Self { operation: operation.into(), count: 1, skip: 0, only_instance: None, effect: false, kind }
    }

    /// Sets [`InjectedFault::count`].
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Sets [`InjectedFault::skip`].
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Sets [`InjectedFault::only_instance`].
    pub fn only(self, text: &str) -> Self {
        Self { only_instance: Some(text.into()), ..self }
    }

    /// Sets [`InjectedFault::effect`].
    pub fn with_effect(self) -> Self {
        Self { effect: true, ..self }
    }

    fn matches(&self, operation: &str, params: &Params) -> bool {
        (self.operation == "*" || self.operation == operation)
            && self.only_instance.as_ref().is_none_or(|text| params.values().any(|value| value.contains(text)))
    }
}

/// What a fault does to one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) kind: FaultKind,
    pub(super) effect: bool,
}

/// Takes the fault that strikes this call, if there is one. Counts of calls to strike or to pass go down.
pub(super) fn strike(faults: &mut Vec<InjectedFault>, operation: &str, params: &Params) -> Option<Strike> {
    let mut struck = None;
    for fault in faults.iter_mut().filter(|f| f.matches(operation, params)) {
        if fault.skip > 0 {
            fault.skip -= 1;
        } else if fault.count > 0 {
            fault.count -= 1;
            struck = Some(Strike { kind: fault.kind.clone(), effect: fault.effect });
            break;
        }
    }
    faults.retain(|f| f.count > 0);
    struck
}

fn one() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_fault_strikes_the_calls_it_names_as_often_as_it_says() {
        let params = Params::new("InstanceId=vpc-bp1", "");
        let mut faults = vec![
            InjectedFault::new("Grant", FaultKind::DropAfter).after(1).times(2).only("vpc-"),
            InjectedFault::new("*", FaultKind::Conflict).only("vbr-"),
        ];
        let struck: Vec<_> = (0..4).map(|_| strike(&mut faults, "Grant", &params)).collect();
        let drop = || Some(Strike { kind: FaultKind::DropAfter, effect: false });
        assert_eq!(struck, [None, drop(), drop(), None]);
        assert_eq!(faults.len(), 1, "a spent fault is gone");
        assert_eq!(strike(&mut faults, "Revoke", &params), None);
        let other = Params::new("InstanceId=vbr-bp1", "");
        assert_eq!(strike(&mut faults, "Revoke", &other).unwrap().kind, FaultKind::Conflict);
    }

    #[test]
    fn faults_are_written_in_json() {
        let fault = |kind| serde_json::from_value::<InjectedFault>(json!({"operation": "A", "kind": kind})).unwrap();
        assert_eq!(fault(json!("drop_before")), InjectedFault::new("A", FaultKind::DropBefore));
        assert_eq!(fault(json!("empty_list")), InjectedFault::new("A", FaultKind::EmptyList));
        let with_effect = json!({"operation": "A", "effect": true, "kind": "conflict"});
        let with_effect: InjectedFault = serde_json::from_value(with_effect).unwrap();
        assert_eq!(with_effect, InjectedFault::new("A", FaultKind::Conflict).with_effect());
        assert_eq!(
            fault(json!({"throttle": {"retry_after_ms": 5}})).kind,
            FaultKind::Throttle { retry_after_ms: Some(5) }
        );
        assert!(
            serde_json::from_value::<InjectedFault>(json!({"operation": "A", "kind": "empty", "counts": 1})).is_err()
        );
    }
}
