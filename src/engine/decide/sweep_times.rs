//! When the sweep comes: the one place that decides it. What it returns is stored with the job as its due time; the sweep
//! wakes up for the earliest of them, and the hourly cron of `sweep/schedule.rs` only wakes it in case it overslept.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{earlier, later};
use crate::domain::Hour;

/// When to look next at something that should have been effective at `expected_at` and was not seen so by `now`: at
/// `expected_at`, then at each of `offsets` after the top of the hour, then at the top of each further hour.
///
/// `offsets` are meant for the real hour and scale with this one; they ascend and stay below one hour.
pub fn next_check(expected_at: Timestamp, now: Timestamp, hour: Hour, offsets: &[Duration]) -> Timestamp {
    if now < expected_at {
        return expected_at;
    }
    let next_hour = hour.next_after(now);
    let top = earlier(next_hour, hour.length());
    let checks = offsets.iter().map(|offset| later(top, hour.scale(*offset)));
    checks.filter(|at| *at > now).min().unwrap_or(next_hour).min(next_hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const OFFSETS: [Duration; 4] =
        [Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(300), Duration::from_secs(900)];

    #[test]
    fn looks_at_the_hour_then_at_the_offsets_then_each_hour() {
        let expected = at("2026-11-21T11:00:00Z");
        let mut now = at("2026-11-21T10:20:00Z");
        let mut looks = Vec::new();
        for _ in 0..7 {
            now = next_check(expected, now, Hour::REAL, &OFFSETS);
            looks.push(now.to_string());
        }
        assert_eq!(
            looks,
            [
                "2026-11-21T11:00:00Z",
                "2026-11-21T11:00:30Z",
                "2026-11-21T11:02:00Z",
                "2026-11-21T11:05:00Z",
                "2026-11-21T11:15:00Z",
                "2026-11-21T12:00:00Z",
                "2026-11-21T12:00:30Z",
            ]
        );
    }

    #[test]
    fn offsets_scale_with_the_hour() {
        let hour = Hour::new(Duration::from_secs(10)).unwrap();
        let expected = at("2026-11-21T11:00:10Z");
        let next = next_check(expected, expected, hour, &OFFSETS);
        assert_eq!(next.duration_since(expected).as_micros(), 83_333);
    }
}
