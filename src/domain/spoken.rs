//! Spans of time as people say them.

use std::time::Duration;

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};

/// A span in seconds, minutes, hours or days, with two units at most; a part of a second counts as one.
pub fn spoken(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match (seconds / 86_400, seconds / 3600 % 24, seconds % 3600 / 60, seconds % 60) {
        (0, 0, 0, s) => format!("{s} s"),
        (0, 0, m, s) => format!("{m} min {s} s"),
        (0, h, m, _) => format!("{h} h {m} min"),
        (d, h, ..) => format!("{d} d {h} h"),
    }
}

/// A point in time without the part of a second, as sentences name it. It is not later than `at`.
pub fn whole_second(at: Timestamp) -> Timestamp {
    let whole = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor);
    at.round(whole).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_say_them() {
        let said = [0, 7, 61, 3600, 7325, 90_000].map(|seconds| spoken(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "7 s", "1 min 1 s", "1 h 0 min", "2 h 2 min", "1 d 1 h"]);
        assert_eq!(spoken(Duration::from_millis(59_001)), "1 min 0 s");
    }

    #[test]
    fn a_sentence_names_whole_seconds() {
        let at: Timestamp = "2026-11-28T16:24:02.999999999Z".parse().unwrap();
        assert_eq!(whole_second(at).to_string(), "2026-11-28T16:24:02Z");
        assert_eq!(whole_second(Timestamp::MAX).subsec_nanosecond(), 0);
    }
}
