//! How long to wait before the next try, and when to stop trying. Every worker computes the same delay for the same job.
//!
//! Only this module uses the `backoff` crate, which has no maintainer (RUSTSEC-2025-0012), and only for the curve. Its
//! randomization stays at 0, and its clock and its limit of elapsed time decide nothing. The delay is read from the interval
//! that it keeps, because the delay it returns may be a nanosecond off.

use std::time::Duration;

use backoff::ExponentialBackoffBuilder;
use backoff::backoff::Backoff as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::clock;
use crate::workflow::RetryPolicy;

/// How long to wait after the `attempt`-th attempt (1-based). `salt`, the job's uid and step, makes two jobs differ. Never
/// longer than the policy's cap; shorter than the curve by less than the policy's jitter.
pub fn delay(policy: &RetryPolicy, attempt: u32, salt: &str) -> Duration {
    let curve = curve(policy, attempt);
    curve - curve.mul_f64(policy.jitter() * chance(salt, attempt))
}

/// Whether trying since `since` has lasted as long as the policy allows.
pub fn gave_up(policy: &RetryPolicy, since: Timestamp, now: Timestamp) -> bool {
    clock::until(since, now) >= policy.give_up()
}

/// The delay without jitter.
fn curve(policy: &RetryPolicy, attempt: u32) -> Duration {
    let mut backoff = ExponentialBackoffBuilder::new()
        .with_initial_interval(policy.initial())
        .with_randomization_factor(0.0)
        .with_multiplier(policy.factor())
        .with_max_interval(policy.cap())
        .with_max_elapsed_time(None)
        .build();
    for _ in 1..attempt {
        let before = backoff.current_interval;
        backoff.next_backoff();
        // At the cap, or with a factor of 1: it grows no more, however many attempts there were.
        if backoff.current_interval <= before {
            return before.min(policy.cap());
        }
    }
    backoff.current_interval.min(policy.cap())
}

/// A number in `[0, 1)` that depends on nothing but its arguments.
pub(super) fn chance(salt: &str, attempt: u32) -> f64 {
    let hash = Sha256::new().chain_update(salt).chain_update([0]).chain_update(attempt.to_be_bytes()).finalize();
    let top = hash.iter().take(4).fold(0u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(top) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policies() -> impl Strategy<Value = RetryPolicy> {
        let millis = |range: std::ops::Range<u64>| range.prop_map(Duration::from_millis);
        (millis(1..60_000), 1.0f64..5.0, millis(0..3_600_000), 0.0f64..0.99).prop_map(
            |(initial, factor, more, jitter)| {
                RetryPolicy::new(initial, factor, initial + more, jitter, initial).expect("made to be valid")
            },
        )
    }

    fn policy(initial: u64, factor: f64, cap: u64) -> RetryPolicy {
        let secs = Duration::from_secs;
        RetryPolicy::new(secs(initial), factor, secs(cap), 0.0, secs(cap)).unwrap()
    }

    #[test]
    fn the_curve_doubles_up_to_the_cap() {
        let delays = [1, 2, 3, 4, 5, u32::MAX].map(|attempt| delay(&policy(1, 2.0, 10), attempt, "").as_secs());
        assert_eq!(delays, [1, 2, 4, 8, 10, 10]);
        assert_eq!(delay(&policy(3, 1.0, 10), u32::MAX, ""), Duration::from_secs(3));
    }

    #[test]
    fn jobs_and_attempts_do_not_come_back_in_step() {
        let policy =
            RetryPolicy::new(Duration::from_secs(60), 1.0, Duration::from_secs(60), 0.5, Duration::from_secs(60))
                .unwrap();
        let mut delays: Vec<_> = (0..100).map(|job| delay(&policy, 1, &format!("job-{job}"))).collect();
        delays.extend((2..100).map(|attempt| delay(&policy, attempt, "job-0")));
        delays.sort();
        delays.dedup();
        assert_eq!(delays.len(), 198);
        let spread = delays[197] - delays[0];
        assert!(spread > Duration::from_secs(25), "{spread:?} of the 30 s that are allowed");
    }

    #[test]
    fn trying_ends_when_its_time_is_over() {
        let since = Timestamp::from_second(1_000).unwrap();
        let policy = policy(1, 2.0, 10);
        assert!(!gave_up(&policy, since, clock::later(since, Duration::from_millis(9_999))));
        assert!(gave_up(&policy, since, clock::later(since, Duration::from_secs(10))));
        assert!(!gave_up(&policy, since, Timestamp::UNIX_EPOCH), "a clock set back ends nothing");
    }

    proptest! {
        #[test]
        fn a_delay_is_within_its_bounds(policy in policies(), attempt in 1u32..200, salt in "[a-z0-9/-]{0,40}") {
            let got = delay(&policy, attempt, &salt);
            let curve = curve(&policy, attempt);
            prop_assert!(got <= policy.cap());
            prop_assert!(got <= curve);
            prop_assert!(got + Duration::from_nanos(1) >= curve.mul_f64(1.0 - policy.jitter()));
            prop_assert!(curve >= policy.initial());
        }

        #[test]
        fn without_jitter_it_never_shrinks(policy in policies(), attempt in 1u32..200) {
            prop_assert!(curve(&policy, attempt) <= curve(&policy, attempt + 1));
        }

        #[test]
        fn the_same_question_has_the_same_answer(policy in policies(), attempt in 1u32..200, salt in "[a-z]{0,8}") {
            let first = delay(&policy, attempt, &salt);
            for _ in 0..10 {
                prop_assert_eq!(delay(&policy, attempt, &salt), first);
            }
        }
    }
}
