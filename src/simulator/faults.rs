//! Faults: what goes wrong on the way to the cloud and back, on order, so that a test can meet each of them.

use serde::{Deserialize, Serialize};

use super::request::Params;

/// A fault that strikes matching calls. A call meets at most one; of several the one injected first.
///
/// As JSON: `{"operation": "GrantInstanceToTransitRouter", "count": 2, "kind": "drop_after"}` or
/// `{"operation": "*", "effect": true, "kind": {"error": {"http": 400, "code": "Operation.Blocking"}}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The operation it strikes; `*` is any.
    pub operation: String,
    /// How many calls it strikes.
    #[serde(default = "one")]
    pub count: u32,
    /// How many matching calls it lets pass first.
    #[serde(default)]
    pub skip: u32,
    /// Strikes only calls with a parameter value that contains this.
    #[serde(default)]
    pub only_instance: Option<String>,
    /// Whether the call takes effect all the same; of kinds whose answer says that nothing was done.
    #[serde(default)]
    pub effect: bool,
    /// What happens.
    pub kind: FaultKind,
}

/// What a fault does. Where nothing else is said, the call has no effect unless [`Fault::effect`] is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// `Throttling.User`, with the header `x-acs-retry-after` if that is set.
    Throttle {
        /// What the header says, in milliseconds.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// A server error (500, 503) with the code the vendor gives it.
    Http {
        /// The status.
        status: u16,
    },
    /// Any error.
    Error {
        /// The status.
        http: u16,
        /// The code.
        code: String,
        /// The message.
        #[serde(default)]
        message: String,
    },
    /// `OperationFailed.TaskConflict`.
    Conflict,
    /// The connection closes without effect and without answer.
    DropBefore,
    /// The connection closes after the effect, without answer.
    DropAfter,
    /// The request is held before its effect until the release, then goes on as if nothing had been; a client that
    /// gives up in the meantime ends it without effect.
    HangBefore,
    /// The request takes effect, its answer is held until the release.
    HangAfter,
    /// The request takes effect, its answer comes this much later, by the simulator's clock.
    Slow {
        /// How much later, in milliseconds.
        ms: u64,
    },
    /// An error as XML whatever the client accepts.
    XmlError {
        /// The status.
        http: u16,
        /// The code.
        code: String,
    },
    /// A 502 with an HTML page, as a load balancer answers.
    HtmlError,
    /// A 200 with nothing but a RequestId.
    Empty,
    /// The answer of a listing as ever, but with an empty list counted 0. Other operations answer as ever.
    EmptyList,
    /// A read answers the state before the last write.
    Stale,
}

impl Fault {
    /// Strikes the next call of `operation`.
    pub fn new(operation: &str, kind: FaultKind) -> Self {
        Self { operation: operation.into(), count: 1, skip: 0, only_instance: None, effect: false, kind }
    }

    /// Strikes `count` calls.
    pub fn times(self, count: u32) -> Self {
        Self { count, ..self }
    }

    /// Lets `skip` calls pass first.
    pub fn after(self, skip: u32) -> Self {
        Self { skip, ..self }
    }

    /// Strikes only calls with a parameter value that contains `text`.
    pub fn only(self, text: &str) -> Self {
        Self { only_instance: Some(text.into()), ..self }
    }

    /// Lets the struck calls take effect all the same ([`Fault::effect`]).
    pub fn with_effect(self) -> Self {
        Self { effect: true, ..self }
    }

    fn matches(&self, operation: &str, params: &Params) -> bool {
        (self.operation == "*" || self.operation == operation)
            && self.only_instance.as_ref().is_none_or(|text| params.values().any(|value| value.contains(text)))
    }
}

/// What strikes one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) kind: FaultKind,
    pub(super) effect: bool,
}

/// Takes the fault that strikes this call, if one does, and counts it down.
pub(super) fn strike(faults: &mut Vec<Fault>, operation: &str, params: &Params) -> Option<Strike> {
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
            Fault::new("Grant", FaultKind::DropAfter).after(1).times(2).only("vpc-"),
            Fault::new("*", FaultKind::Conflict).only("vbr-"),
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
        let fault = |kind| serde_json::from_value::<Fault>(json!({"operation": "A", "kind": kind})).unwrap();
        assert_eq!(fault(json!("drop_before")), Fault::new("A", FaultKind::DropBefore));
        assert_eq!(fault(json!("empty_list")), Fault::new("A", FaultKind::EmptyList));
        let with_effect = json!({"operation": "A", "effect": true, "kind": "conflict"});
        let with_effect: Fault = serde_json::from_value(with_effect).unwrap();
        assert_eq!(with_effect, Fault::new("A", FaultKind::Conflict).with_effect());
        assert_eq!(
            fault(json!({"throttle": {"retry_after_ms": 5}})).kind,
            FaultKind::Throttle { retry_after_ms: Some(5) }
        );
        assert!(serde_json::from_value::<Fault>(json!({"operation": "A", "kind": "empty", "counts": 1})).is_err());
    }
}
