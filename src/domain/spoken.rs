//! Spans of time as people say them.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_say_them() {
        let said = [0, 7, 61, 3600, 7325, 90_000].map(|seconds| spoken(Duration::from_secs(seconds)));
        assert_eq!(said, ["0 s", "7 s", "1 min 1 s", "1 h 0 min", "2 h 2 min", "1 d 1 h"]);
        assert_eq!(spoken(Duration::from_millis(59_001)), "1 min 0 s");
    }
}
