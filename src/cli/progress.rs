//! A progress line on standard error, shown only on a terminal whose lines can be written over.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use jiff::Timestamp;

use super::terminal::{columns, cut, cut_middle, moves_cursor};
use crate::clock;
use crate::domain::spoken;

/// The width of a terminal that does not say.
const COLUMNS: usize = 80;
/// The fewest characters of an id that are worth showing.
const SHORTEST_ID: usize = 8;

/// A line that is written over.
pub(super) struct ProgressLine {
    live: bool,
}

impl ProgressLine {
    /// Shows nothing when standard error is no terminal, or a dumb one.
    pub fn new() -> Self {
        Self { live: io::stderr().is_terminal() && moves_cursor(std::env::var_os("TERM")) }
    }

    /// Whether anybody sees it.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// How many characters fit. One that is longer would wrap, and the part above could not be written over.
    pub fn width(&self) -> usize {
        columns(io::stderr()).unwrap_or(COLUMNS) - 1
    }

    /// Shows `text` instead of the text before.
    pub fn show(&self, text: &str) {
        if self.live {
            let text = cut(text, self.width());
            let mut err = io::stderr().lock();
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

/// Lines about the progress where no line can be written over: at a rate at which a log of them can be read.
#[derive(Debug, Default)]
pub(super) struct ProgressNotes(Option<(Duration, Tally)>);

/// The pause between two lines that differ.
const BETWEEN: Duration = Duration::from_secs(30);
/// The pause before a line is repeated: as a sign of life.
const REPEATED: Duration = Duration::from_secs(10 * 60);

impl ProgressNotes {
    /// From the moment `now` on.
    pub fn since(now: Duration) -> Self {
        let nothing = Tally { ended: 0, total: 0, states: vec![], oldest: None, next: None };
        Self(Some((now, nothing)))
    }

    /// Whether the jobs are to be told of now.
    pub fn due(&mut self, tally: &Tally, now: Duration) -> bool {
        let is_due = self.0.as_ref().is_none_or(|(at, told)| {
            let same = (told.ended, &told.states) == (tally.ended, &tally.states);
            now >= *at + if same { REPEATED } else { BETWEEN }
        });
        if is_due {
            self.0 = Some((now, tally.clone()));
        }
        is_due
    }
}

/// A job that the line names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CurrentJob {
    pub id: String,
    pub state: &'static str,
    /// The step the job is at. `None` for `submit`, which does not know it.
    pub step: Option<String>,
}

/// How far jobs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tally {
    pub ended: usize,
    pub total: usize,
    /// The states of the others, with how many are in each. One that none is in is not said.
    pub states: Vec<(&'static str, usize)>,
    /// The one of the others that has been there longest, if it is known.
    pub oldest: Option<CurrentJob>,
    /// When something happens next to one of them, if known.
    pub next: Option<Timestamp>,
}

impl Tally {
    /// The text of the line, in at most `width` characters: how many have ended, and how many are in which state; of a single
    /// one that is left, more. Ids are cut, and what happens next is left out, before a state is.
    pub fn line(&self, now: Timestamp, width: usize) -> String {
        let ended = format!("{} of {} ended", self.ended, self.total);
        let next = self.next.filter(|next| *next > now);
        let next = next.map(|next| format!("next check in {}", spoken(clock::until(now, next))));
        if let Some(oldest) = self.oldest.as_ref().filter(|_| self.total - self.ended == 1) {
            let step = oldest.step.as_ref().map(|step| format!(" at {step}")).unwrap_or_default();
            let (before, after) = (format!("{ended} · "), format!(" {}{step}", oldest.state));
            let next = next.map(|next| format!(" · {next}")).unwrap_or_default();
            return named(&before, &oldest.id, &format!("{after}{next}"), width)
                .or_else(|| named(&before, &oldest.id, &after, width))
                .unwrap_or_else(|| format!("{ended} ·{after}"));
        }
        let states = self.states.iter().filter(|(_, jobs)| *jobs > 0).map(|(state, jobs)| format!(", {jobs} {state}"));
        let states = format!("{ended}{}", states.collect::<String>());
        let next = next.map(|next| format!("{states}, {next}")).filter(|line| line.chars().count() <= width);
        let states = next.unwrap_or(states);
        let oldest = self.oldest.as_ref().and_then(|job| named(&format!("{states}, oldest "), &job.id, "", width));
        oldest.unwrap_or(states)
    }
}

/// A line with an id in it, which is cut if it is too long; `None` if nothing worth showing is left of it.
fn named(before: &str, id: &str, after: &str, width: usize) -> Option<String> {
    let room = width.checked_sub(before.chars().count() + after.chars().count())?;
    (room >= id.chars().count().min(SHORTEST_ID)).then(|| format!("{before}{}{after}", cut_middle(id, room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T10:20:00Z";

    fn one(id: &str, next: Option<&str>) -> Tally {
        let oldest = CurrentJob { id: id.into(), state: "waiting", step: Some("await-hour".into()) };
        let next = next.map(|next| next.parse().unwrap());
        Tally { ended: 2, total: 3, states: vec![("waiting", 1)], oldest: Some(oldest), next }
    }

    fn line(tally: &Tally, width: usize) -> String {
        let line = tally.line(NOW.parse().unwrap(), width);
        assert!(line.chars().count() <= width, "{line}");
        line
    }

    #[test]
    fn a_pipe_is_told_what_changes_twice_a_minute_and_the_same_again_after_ten() {
        let at = Duration::from_secs;
        let mut notes = ProgressNotes::since(at(0));
        let tally = |ended| Tally { ended, ..one("NET-1", None) };
        assert!(!notes.due(&tally(0), at(29)) && notes.due(&tally(0), at(30)));
        assert!(!notes.due(&tally(1), at(59)) && notes.due(&tally(1), at(60)));
        assert!(!notes.due(&tally(1), at(659)) && notes.due(&tally(1), at(660)));
    }

    #[test]
    fn the_last_job_is_named_with_its_state_step_and_the_time_to_the_next_check() {
        let soon = Some("2026-11-21T10:20:06.5Z");
        assert_eq!(line(&one("NET-1", soon), 79), "2 of 3 ended · NET-1 waiting at await-hour · next check in 7 s");
        assert_eq!(line(&one("NET-1", Some(NOW)), 79), "2 of 3 ended · NET-1 waiting at await-hour");
        let done = Tally { ended: 3, states: vec![], oldest: None, ..one("NET-1", None) };
        assert_eq!(line(&done, 79), "3 of 3 ended");
    }

    #[test]
    fn an_id_is_cut_in_its_middle_and_a_state_never() {
        let long = "onboarding-of-the-subsidiary-in-kuala-lumpur/2026-11/VPC-000731";
        let soon = Some("2026-11-21T10:20:06.5Z");
        assert_eq!(
            line(&one(long, soon), 79),
            "2 of 3 ended · onboarding-…VPC-000731 waiting at await-hour · next check in 7 s"
        );
        assert_eq!(line(&one(long, soon), 50), "2 of 3 ended · onboar…000731 waiting at await-hour");
        assert_eq!(line(&one(long, soon), 40), "2 of 3 ended · waiting at await-hour");
    }

    #[test]
    fn many_jobs_are_counted_and_the_oldest_is_named() {
        let oldest = CurrentJob { id: "BOT-12".into(), state: "in work", step: None };
        let states = vec![("parked", 0), ("in work", 256), ("queued", 42)];
        let tally = Tally { ended: 2, total: 300, states, oldest: Some(oldest), next: None };
        assert_eq!(line(&tally, 79), "2 of 300 ended, 256 in work, 42 queued, oldest BOT-12");
        assert_eq!(line(&tally, 40), "2 of 300 ended, 256 in work, 42 queued");
        let next = Tally { next: "2026-11-21T10:20:06.5Z".parse().ok(), ..tally };
        assert_eq!(line(&next, 79), "2 of 300 ended, 256 in work, 42 queued, next check in 7 s, oldest BOT-12");
    }
}
