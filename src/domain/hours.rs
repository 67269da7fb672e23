//! The billing hour: a payer change takes effect at the top of the next one (API §B).

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The length of the billing hour. One hour for the real cloud; shorter only against a simulated one.
///
/// Boundaries are the instants at which unix time is a multiple of the length. Invariant: at least 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hour(Duration);

impl Hour {
    /// The hour of the real cloud.
    pub const REAL: Self = Self(Duration::from_secs(3600));

    /// An hour of another length; `None` when it is shorter than 10 ms or is not whole milliseconds.
    pub fn new(length: Duration) -> Option<Self> {
        (length >= Duration::from_millis(10) && length.subsec_nanos().is_multiple_of(1_000_000)).then_some(Self(length))
    }

    /// The time between two boundaries.
    pub fn length(self) -> Duration {
        self.0
    }

    /// The first boundary strictly after `at`.
    pub fn next_after(self, at: Timestamp) -> Timestamp {
        let length = i64::try_from(self.0.as_millis()).unwrap_or(i64::MAX);
        let next = at.as_millisecond().div_euclid(length).saturating_add(1).saturating_mul(length);
        Timestamp::from_millisecond(next).unwrap_or(Timestamp::MAX)
    }

    /// The one boundary in `(from, to]`, if there is exactly one: the instant at which a change seen pending at `from`
    /// and effective at `to` must have taken effect.
    pub fn only_boundary_between(self, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
        let first = self.next_after(from);
        (first <= to && self.next_after(first) > to).then_some(first)
    }

    /// Scales a span that is meant for the real hour.
    pub fn scale(self, span: Duration) -> Duration {
        span.mul_f64(self.0.as_secs_f64() / Self::REAL.0.as_secs_f64())
    }
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SignedDuration::try_from(self.0) {
            Ok(d) => write!(f, "{d:#}"),
            Err(_) => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_hour_is_strictly_after() {
        let next = Hour::REAL.next_after(at("2026-11-21T10:59:59.999Z"));
        assert_eq!(next, at("2026-11-21T11:00:00Z"));
        assert_eq!(Hour::REAL.next_after(next), at("2026-11-21T12:00:00Z"));
        assert_eq!(Hour::REAL.next_after(at("1969-12-31T23:30:00Z")), at("1970-01-01T00:00:00Z"));
    }

    #[test]
    fn effective_at_is_known_only_when_one_boundary_lies_between() {
        let boundary = Some(at("2026-11-21T11:00:00Z"));
        let hour = Hour::REAL;
        assert_eq!(hour.only_boundary_between(at("2026-11-21T10:59:00Z"), at("2026-11-21T11:00:00Z")), boundary);
        assert_eq!(hour.only_boundary_between(at("2026-11-21T10:59:00Z"), at("2026-11-21T11:59:59Z")), boundary);
        assert_eq!(hour.only_boundary_between(at("2026-11-21T10:59:00Z"), at("2026-11-21T12:00:00Z")), None);
        assert_eq!(hour.only_boundary_between(at("2026-11-21T10:10:00Z"), at("2026-11-21T10:20:00Z")), None);
    }

    proptest! {
        #[test]
        fn a_boundary_is_within_one_hour(ms in 0i64..4_000_000_000_000, len in 10u64..10_000_000) {
            let hour = Hour::new(Duration::from_millis(len)).unwrap();
            let now = Timestamp::from_millisecond(ms).unwrap();
            let next = hour.next_after(now);
            prop_assert!(next > now);
            prop_assert!(next <= crate::clock::later(now, hour.length()));
            prop_assert_eq!(next.as_millisecond() % i64::try_from(len).unwrap(), 0);
        }
    }
}
