//! Retry policies and timings: the embedded `policies.toml`, single keys of which an operator's own file may override.

use std::collections::BTreeMap;
use std::time::Duration;

use super::problem::Problem;
use super::retry_policy::RetryPolicy;

/// The live settings of time. Those that concern the billing hour are meant for the real hour and are scaled with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    /// By name. `read`, `write`, `busy` and `state` are always there.
    pub retry: BTreeMap<String, RetryPolicy>,
    /// How long an unchanged read proves nothing after a write whose answer was lost.
    pub settle: Duration,
    /// How often to look while settling.
    pub settle_poll: Duration,
    /// How long after the expected hour a waiting payer change is called overdue, once.
    pub overdue_after: Duration,
    /// How long after the expected hour a waiting payer change parks.
    pub give_up_after: Duration,
    /// When, after the top of the hour, to sweep again while something due is still pending. Ascending.
    pub sweep_offsets: Vec<Duration>,
    /// How long a lease lasts; at least three times `request_timeout`.
    pub lease: Duration,
    /// Of one request to the cloud.
    pub request_timeout: Duration,
}

impl Policies {
    /// Reads the embedded file and an operator's own `(file, text)` over it. All findings are reported together.
    pub fn load(_embedded: &str, _overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        todo!()
    }

    /// The policy of that name.
    pub fn retry(&self, name: &str) -> Option<&RetryPolicy> {
        self.retry.get(name)
    }

    /// While an attachment is being changed by the cloud.
    pub fn busy(&self) -> &RetryPolicy {
        &self.retry["busy"]
    }

    /// While a resource is in a state in which the cloud refuses the call (class S, API §D.3).
    pub fn state(&self) -> &RetryPolicy {
        &self.retry["state"]
    }
}
