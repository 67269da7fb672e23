//! The one line that shows a person what is going on: on standard error, and only when that is a terminal.

use std::io::{IsTerminal, Write};

use jiff::Timestamp;

use crate::clock;

/// No line is longer, so that none wraps and stays behind.
const WIDTH: usize = 79;

/// A line that is written over.
pub(super) struct Progress {
    live: bool,
}

impl Progress {
    /// On standard error, if a person looks at it.
    pub fn new() -> Self {
        Self { live: std::io::stderr().is_terminal() }
    }

    /// Shows `text` in the place of what was shown before.
    pub fn show(&self, text: &str) {
        if self.live {
            let text: String = text.chars().take(WIDTH).collect();
            let mut err = std::io::stderr().lock();
            // What cannot be shown is not missed.
            let _ = write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush());
        }
    }

    /// Takes the line away, so that something else can be written.
    pub fn clear(&self) {
        self.show("");
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Where one of several jobs is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The job's id.
    pub id: String,
    /// The state it is in.
    pub state: String,
    /// The step it is at, if that is known.
    pub step: Option<String>,
    /// When something happens next, if that is known.
    pub next: Option<Timestamp>,
}

/// The line: how many have ended, and where one of the others is.
pub(super) fn line(ended: usize, total: usize, place: Option<&Place>, now: Timestamp) -> String {
    let mut line = format!("{ended} of {total} ended");
    if let Some(place) = place {
        line.push_str(&format!(" · {} {}", place.id, place.state));
        if let Some(step) = &place.step {
            line.push_str(&format!(" at {step}"));
        }
        if let Some(next) = place.next.filter(|next| *next > now) {
            line.push_str(&format!(" · next check in {}", span(clock::until(now, next).as_secs() + 1)));
        }
    }
    line
}

/// Seconds, as people say them.
fn span(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_state_step_and_the_time_to_the_next_check() {
        let now: Timestamp = "2026-11-21T10:20:00Z".parse().unwrap();
        let next = "2026-11-21T10:20:06.5Z".parse().ok();
        let place = Place { id: "NET-1".into(), state: "waiting".into(), step: Some("await-hour".into()), next };
        assert_eq!(line(1, 3, Some(&place), now), "1 of 3 ended · NET-1 waiting at await-hour · next check in 7 s");
        let past = Place { next: Some(now), step: None, ..place };
        assert_eq!(line(1, 3, Some(&past), now), "1 of 3 ended · NET-1 waiting");
        assert_eq!(line(3, 3, None, now), "3 of 3 ended");
    }

    #[test]
    fn spans_are_read_as_people_say_them() {
        assert_eq!([7, 61, 3600, 7325].map(span), ["7 s", "1 min 1 s", "1 h 0 min", "2 h 2 min"]);
    }
}
