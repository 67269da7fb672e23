//! The length of the simulated hour: its tops are where unix time is a multiple of it.

use std::time::Duration;

use crossgrant::clock::{Clock as _, SystemClock};

/// Unix time.
pub fn now() -> Duration {
    Duration::from_millis(SystemClock.now().as_millisecond().unsigned_abs())
}

/// An hour, in seconds, whose next top is at least `seconds` away, but not much more, and that top in unix time.
pub fn ending_in(seconds: u64) -> (u64, u64) {
    let now = now().as_secs();
    let top = |hour: u64| (now / hour + 1) * hour;
    let hours = (seconds..seconds * 4).map(|hour| (hour, top(hour)));
    let fitting = hours.filter(|(_, top)| *top >= now + seconds);
    fitting.min_by_key(|(_, top)| *top).unwrap_or((seconds * 4, top(seconds * 4)))
}

/// An hour that does not end during a round: what waits goes on waiting.
pub fn endless() -> u64 {
    ending_in(3_600).0
}
