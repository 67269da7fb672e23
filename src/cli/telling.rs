//! What is told of jobs that are followed, besides their events: how they stand, and that no worker takes them.

use std::time::Duration;

use super::follow::Follow;
use super::output;
use super::progress::{ProgressLine, ProgressNotes};
use crate::broker::Submitter;
use crate::clock::{Clock, SystemClock};

/// How long a progress line stays at least: of thousands of events each would have all jobs counted.
const PACE: Duration = Duration::from_millis(100);
/// How often the consumers are counted while a job waits for a worker.
const COUNT_AGAIN: Duration = Duration::from_secs(30);

pub(super) struct Telling<'a> {
    pub progress: &'a ProgressLine,
    /// When the line was renewed.
    renewed: Option<Duration>,
    /// In the place of the line, where there is none.
    notes: ProgressNotes,
    counted: Option<Duration>,
    /// It was told that no worker consumes.
    told: bool,
}

impl<'a> Telling<'a> {
    pub fn begin(progress: &'a ProgressLine) -> Self {
        let notes = ProgressNotes::since(SystemClock.uptime());
        Self { progress, renewed: None, notes, counted: None, told: false }
    }

    /// Tells what is to be told now.
    pub async fn tell(&mut self, follow: &Follow, submitter: &Submitter) {
        let now = SystemClock.uptime();
        if follow.waits_for_worker() && self.counted.is_none_or(|at| now >= at + COUNT_AGAIN) {
            self.counted = Some(now);
            self.count(submitter).await;
        }
        if !self.progress.is_live() {
            let tally = follow.tally();
            if self.notes.due(&tally, now) {
                let why = follow.oldest().map(|(id, why)| format!("; {id}: {why}")).unwrap_or_default();
                output::note(&format!("{}{why}", tally.line(SystemClock.now(), usize::MAX)));
            }
        } else if self.renewed.is_none_or(|at| now >= at + PACE) {
            self.progress.show(&follow.tally().line(SystemClock.now(), self.progress.width()));
            self.renewed = Some(now);
        }
    }

    async fn count(&mut self, submitter: &Submitter) {
        let alone = submitter.consumers().await == Some(0);
        if alone && !self.told {
            self.progress.clear();
            output::note(&no_worker(&submitter.jobs_queue()));
        }
        self.told = alone;
    }
}

/// What is said where no worker consumes.
pub(super) fn no_worker(queue: &str) -> String {
    format!(
        "no worker takes jobs from the queue {queue}: they wait in it until one runs; `crossgrant doctor` says what keeps it"
    )
}
