//! How metrics and traces hear of every call without this module knowing them.

use std::time::Duration;

use crate::domain::{AccountUid, Operation};
use crate::engine::ports::trace::Tracer;
use crate::workflow::Class;

/// Told of each call once it has ended. Must not block.
pub trait CallObserver: Tracer {
    /// `outcome` is `ok`, the cloud's error code (`http-503` and the like when the answer held none), `unanswered` or
    /// `not-sent`. `took` is the time from signing to the end of the answer.
    fn called(&self, operation: Operation, account: &AccountUid, outcome: &str, took: Duration);

    /// The same call failed: what the worker makes of the error.
    fn failed(&self, _account: &AccountUid, _class: Class) {}

    /// A call was not made, because the account's budget had no room for it in time.
    fn deferred(&self, _operation: Operation, _account: &AccountUid) {}

    /// `waited` is how long a call waited for the budget of its operation, `rate` the operation's present calls per second
    /// (`None` without a limit).
    fn budgeted(&self, _operation: Operation, _account: &AccountUid, _waited: Duration, _rate: Option<f64>) {}
}

/// Ignores everything it is told.
#[derive(Debug, Default, Clone, Copy)]
pub struct Unobserved;

impl Tracer for Unobserved {}

impl CallObserver for Unobserved {
    fn called(&self, _: Operation, _: &AccountUid, _: &str, _: Duration) {}
}
