//! When to try again, and when to stop trying. Pure: the time comes in, nothing is read.

use std::time::Duration;

use jiff::Timestamp;

use crate::workflow::RetryPolicy;

/// The delay after the `attempt`-th attempt (1-based).
pub fn delay(_policy: &RetryPolicy, _attempt: u32, _salt: &str) -> Duration {
    todo!()
}

/// Whether trying since `since` has lasted as long as the policy allows.
pub fn gave_up(policy: &RetryPolicy, since: Timestamp, now: Timestamp) -> bool {
    crate::clock::until(since, now) >= policy.give_up()
}
