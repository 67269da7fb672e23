//! What follows from a commit besides the change itself: counts, one word in the log about what is parked, and loops that are
//! notified.

use std::sync::MutexGuard;
use std::time::Duration;

use crate::domain::{Kind, Reason};
use crate::engine::decide::parked_news::ParkedNews;
use crate::engine::loops::moved::{Ended, Moved, Parked, Stuck};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::trace::during;

/// Under what jobs are counted that are half done and not parked.
const STUCK: (Reason, bool) = (Reason::HalfDone, false);

impl Engine {
    fn tell_stuck(&self, kind: Kind, Stuck { uid, id, instance, why }: &Stuck) {
        if self.parked_news().add(STUCK, self.clock.uptime()) {
            self.work.notify_one();
            tracing::warn!(
                job.uid = %uid, job.id = %id, job.kind = %kind, instance.id = %instance, job.half_done = true,
                "the cloud refuses the next write of a job that has begun, which tries again: {why}"
            );
        }
    }

    fn tell_parked(&self, kind: Kind, Parked { uid, id, instance, half_done, ending }: &Parked) {
        let alone = self.parked_news().add((ending.reason, *half_done), self.clock.uptime());
        if alone {
            // The first of many wakes the loop that tells of the others.
            self.work.notify_one();
            tracing::warn!(
                job.uid = %uid, job.id = %id, job.kind = %kind, instance.id = %instance, job.reason = %ending.reason,
                job.half_done = half_done, "a job is parked and needs a person: {}", ending.message
            );
        } else {
            tracing::debug!(
                job.uid = %uid, job.id = %id, job.kind = %kind, instance.id = %instance, job.reason = %ending.reason,
                job.half_done = half_done, "a job is parked: {}", ending.message
            );
        }
    }

    /// Tells of the jobs that are parked for the same reason as one that was told of by itself. Returns after how long there may be
    /// more of them.
    pub fn tell_more_parked(&self) -> Option<Duration> {
        let now = self.clock.uptime();
        let mut news = self.parked_news();
        for ((reason, half_done), jobs) in news.due(now) {
            if (reason, half_done) == STUCK {
                tracing::warn!(
                    jobs,
                    job.half_done = true,
                    "more jobs are half done, and the cloud refuses their next write: {jobs}; see `crossgrant status`"
                );
                continue;
            }
            tracing::warn!(
                jobs, job.reason = %reason, job.half_done = half_done,
                "more jobs are parked and need a person: {jobs} for {reason}; see `crossgrant status`"
            );
        }
        Some(news.next_due()?.saturating_sub(now))
    }

    fn parked_news(&self) -> MutexGuard<'_, ParkedNews> {
        self.parked_news.lock().expect("no holder of this lock panics")
    }

    /// Counts a committed decision, warns if it needs a person, and notifies the loops that have work by it.
    pub fn moved(&self, moved: &Moved) {
        if let Some(parked) = &moved.parked {
            during(moved.span, || self.tell_parked(moved.kind, parked));
        }
        if let Some(stuck) = &moved.stuck {
            during(moved.span, || self.tell_stuck(moved.kind, stuck));
        }
        for said in &moved.says {
            self.observer.said(*said);
        }
        if !moved.says.is_empty() {
            self.ring();
        }
        for Ended { kind, state, batch, took, after_hour } in &moved.ended {
            if let Some(batch) = batch {
                self.batches.add(*batch);
            }
            self.observer.ended(*kind, *state, *took, *after_hour);
        }
        if moved.swept {
            self.hours.notify_one();
        }
        if let Some(setting) = moved.limited {
            self.observer.limited(setting);
        }
        for (kind, state) in std::iter::once((moved.kind, moved.state)).chain(moved.also.iter().copied()) {
            self.observer.moved(kind, state);
        }
        moved.spans.iter().for_each(|span| self.observer.span(span.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, engine, record};
    use crate::domain::{EventType, Reason};
    use crate::engine::decide::decision::{Decision, Next};
    use crate::engine::record::{Ending, Phase, Record, State, Turn};
    use crate::telemetry::Metrics;
    use crate::telemetry::metrics::{Format, StoreScrape};

    fn in_state(id: &str, state: State) -> Record {
        let ending = Ending { reason: Reason::Done, message: String::new(), findings: vec![] };
        let now = at("2026-11-21T10:30:00Z");
        let phase = match state {
            State::Queued => Phase::Queued(Turn::Due(now)),
            State::Running => Phase::Running(Turn::Due(now)),
            State::Waiting => Phase::Waiting { due: now },
            State::Parked => Phase::Parked { ending, half_done: false },
            state => Phase::Ended { state, ending, at: now },
        };
        Record { phase, ..record(id) }
    }

    #[tokio::test]
    async fn every_state_that_a_commit_leaves_a_job_in_is_counted_whether_it_is_the_job_itself_or_another_one() {
        let metrics = Metrics::new();
        let engine = engine(metrics.engine()).await;
        for state in State::ALL {
            let also = vec![(in_state("old", state), EventType::Superseded)];
            let record = in_state("new", state);
            let decision = Decision { record, commit: true, begins: false, says: vec![], also, next: Next::Rest };
            engine.moved(&Moved::by(&decision));
        }
        let now = at("2026-11-21T10:30:00Z");
        let store = StoreScrape { counts: None, ages: None, probed: None, workers: 1, now };
        let text = metrics.render(store, None, &[], Format::OpenMetrics);
        for state in State::ALL {
            let line = format!("crossgrant_job_transitions_total{{kind=\"payer-change\",state=\"{state}\"}} 2");
            assert!(text.contains(&line), "no {line}");
        }
    }
}
