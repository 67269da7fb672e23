//! A progress line on standard error, shown only on a terminal.

use std::io::{IsTerminal, Write};

use jiff::Timestamp;

use crate::clock;
use crate::domain::{spoken, visible};

/// The longest line, in characters. A longer one would wrap, and the part above could not be written over.
const WIDTH: usize = 79;

/// A line that is written over.
pub(super) struct ProgressLine {
    live: bool,
}

impl ProgressLine {
    /// Shows nothing when standard error is no terminal.
    pub fn new() -> Self {
        Self { live: std::io::stderr().is_terminal() }
    }

    /// Shows `text` instead of the text before.
    pub fn show(&self, text: &str) {
        if self.live {
            let text: String = visible(text).chars().take(WIDTH).collect();
            let mut err = std::io::stderr().lock();
            // Progress that cannot be written is not worth an error.
            let _ = write!(err, "\r\x1b[2K{text}").and_then(|()| err.flush());
        }
    }

    /// Removes the line, so that something else can be written.
    pub fn clear(&self) {
        self.show("");
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The job that the line names among those that have not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CurrentJob {
    pub id: String,
    pub state: String,
    /// The step the job is at. `None` for `submit`, which does not know it.
    pub step: Option<String>,
    /// When something happens next, if known.
    pub next: Option<Timestamp>,
}

/// The text of the line: how many jobs have ended, and the state of one of the others.
pub(super) fn line(ended: usize, total: usize, current: Option<&CurrentJob>, now: Timestamp) -> String {
    let mut line = format!("{ended} of {total} ended");
    if let Some(current) = current {
        line.push_str(&format!(" · {} {}", current.id, current.state));
        if let Some(step) = &current.step {
            line.push_str(&format!(" at {step}"));
        }
        if let Some(next) = current.next.filter(|next| *next > now) {
            line.push_str(&format!(" · next check in {}", spoken(clock::until(now, next))));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_state_step_and_the_time_to_the_next_check() {
        let now: Timestamp = "2026-11-21T10:20:00Z".parse().unwrap();
        let next = "2026-11-21T10:20:06.5Z".parse().ok();
        let current = CurrentJob { id: "NET-1".into(), state: "waiting".into(), step: Some("await-hour".into()), next };
        assert_eq!(line(1, 3, Some(&current), now), "1 of 3 ended · NET-1 waiting at await-hour · next check in 7 s");
        let past = CurrentJob { next: Some(now), step: None, ..current };
        assert_eq!(line(1, 3, Some(&past), now), "1 of 3 ended · NET-1 waiting");
        assert_eq!(line(3, 3, None, now), "3 of 3 ended");
    }
}
