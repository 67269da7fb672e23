//! One call to the broker: its time limit, the wait before the next try, and the signal to stop.
//!
//! The library has no time limit for calls on a connection that the broker has blocked, so every call has one here.

use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use super::error::{BrokerError, NOT_ALLOWED};
use crate::clock::{Clock as _, SystemClock};

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_CAP: Duration = Duration::from_secs(2);

/// Awaits the answer to `call`, for `limit` at most.
pub(super) async fn within<T>(
    limit: Duration,
    call: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(BrokerError::Call { call, source }),
        Err(_) => Err(BrokerError::Timeout { call, after: limit }),
    }
}

/// The waits before a call is made again that was one of too many. *Best practices for instance throttling* of ApsaraMQ, the one
/// broker that refuses for this, counts by the second.
const UNHURRIED: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// Patience with a broker that refuses calls as too many (530). It closes the channel for that, so each call opens its own.
#[derive(Debug, Default)]
pub(super) struct Patience {
    waits: usize,
}

impl Patience {
    /// Waits if the call was one of too many; whether to make it again.
    pub async fn again<T>(&mut self, done: &Result<T, BrokerError>) -> bool {
        let too_many = done.as_ref().err().and_then(BrokerError::reply_code) == Some(NOT_ALLOWED);
        let Some(wait) = UNHURRIED.get(self.waits).filter(|_| too_many) else { return false };
        self.waits += 1;
        SystemClock.sleep(*wait).await;
        true
    }
}

/// Returns when `stop` becomes true or its sender is gone.
pub(super) async fn stopped(stop: &watch::Receiver<bool>) {
    let _ = stop.clone().wait_for(|stop| *stop).await;
}

/// How long to wait before the next try: doubling from 50 ms to 2 s, with jitter, so that many workers do not reconnect
/// at the same moment to a broker that has just come back.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts one more failure in a row.
    pub fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next try; zero when nothing has failed.
    pub fn span(&self) -> Duration {
        let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
        wait(self.failures, f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX))
    }
}

/// The wait after `failures` in a row: half of it is fixed, and `roll` (0 to 1) decides the other half.
fn wait(failures: u32, roll: f64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let full = BACKOFF_FIRST.saturating_mul(1 << doublings.min(16)).min(BACKOFF_CAP);
    full.mul_f64(0.5 + roll / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_never_exceeds_it() {
        assert_eq!(wait(0, 1.0), Duration::ZERO);
        assert_eq!(wait(1, 1.0), Duration::from_millis(50));
        assert_eq!(wait(1, 0.0), Duration::from_millis(25));
        assert_eq!(wait(4, 1.0), Duration::from_millis(400));
        assert_eq!(wait(40, 1.0), Duration::from_secs(2));
        assert_eq!(wait(u32::MAX, 0.0), Duration::from_secs(1));
    }
}
