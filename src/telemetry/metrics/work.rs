//! What the engine tells as it works.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::family::{
    CounterFamily, HistogramFamily, Labels, Seconds, histogram, histograms, hour_histogram, job_histogram, metric,
    observe, seconds,
};
use crate::domain::{EventType, Kind, Sampling};
use crate::engine::batch::BatchOutcome;
use crate::engine::decide::webhook::Outcome;
use crate::engine::guards::setting;
use crate::engine::ports::observe::Observer;
use crate::engine::ports::trace::{Span, Tracer};
use crate::engine::record::State;

pub(super) struct Work {
    tracer: Arc<dyn Tracer>,
    transitions: CounterFamily<2>,
    job_duration: HistogramFamily<2>,
    confirm_lag: Histogram,
    batches_ended: CounterFamily<1>,
    limited: CounterFamily<1>,
    taken: CounterFamily<1>,
    attempts: CounterFamily<3>,
    step_duration: HistogramFamily<2>,
    sweep_jobs: Counter,
    sweep_calls: Counter,
    sweep_confirmed: Counter,
    sweep_duration: Histogram,
    sweep_done: Seconds,
    events: CounterFamily<1>,
    events_unrouted: Counter,
    published: CounterFamily<1>,
    webhook_calls: CounterFamily<1>,
    clock_ahead: Gauge,
}

impl Work {
    pub fn new(r: &mut Registry, tracer: Arc<dyn Tracer>) -> Self {
        let work = Self {
            tracer,
            transitions: metric(r, "job_transitions", "Commits that left a job in a state"),
            job_duration: seconds(
                r,
                "job_duration",
                "Time from accepting a job to its end, by kind and the state in which it ended",
                Family::new_with_constructor(job_histogram),
            ),
            confirm_lag: seconds(
                r,
                "hour_confirm_lag",
                "Time from the hour at which a payer takes effect to the read that showed it",
                hour_histogram(),
            ),
            batches_ended: metric(r, "batches_ended", "Batches that ended, by what became of them"),
            limited: metric(r, "jobs_limited", "Jobs that an hourly limit parked for approval, by limit"),
            taken: metric(r, "messages_taken", "Messages taken in: new, repeated, with a reused id, or rejected"),
            attempts: metric(r, "step_attempts", "Attempts at a step: looks, writes, and the failed ones of each"),
            step_duration: histograms(r, "step_duration", "Duration of a look or a write of a step"),
            sweep_jobs: metric(r, "sweep_jobs", "Waiting jobs that sweeps checked"),
            sweep_calls: metric(r, "sweep_calls", "Calls to the cloud that sweeps made"),
            sweep_confirmed: metric(r, "sweep_confirmed", "Waiting jobs that sweeps confirmed"),
            sweep_duration: seconds(r, "sweep_duration", "Duration of a pass of the sweep", histogram()),
            sweep_done: seconds(
                r,
                "sweep_last_success_timestamp",
                "Unix time at which the sweep had last read everything that was due for it; at first, when it began to run",
                Seconds::default(),
            ),
            events: metric(r, "events", "Events committed, by type"),
            events_unrouted: metric(
                r,
                "events_unrouted",
                "Events published that no queue took; they stay with their jobs",
            ),
            published: metric(r, "published", "Messages published: confirmed, kept aside, or refused by a queue"),
            webhook_calls: metric(r, "webhook_calls", "Calls of webhooks, by outcome"),
            clock_ahead: seconds(
                r,
                "clock_ahead",
                "How far this machine's clock is ahead of the cloud's; negative if it is behind",
                Gauge::default(),
            ),
        };
        // Present from the start, so that an alert also sees the step from 0 to 1.
        for event in EventType::ALL {
            work.events.get_or_create(&[("type", event.routing_key().into())]).inc_by(0);
        }
        for what in ["new", "repeated", "reused", "rejected"] {
            work.taken.get_or_create(&[("what", what.into())]).inc_by(0);
        }
        work.published(0, 0, 0);
        for kind in Kind::ALL {
            for state in State::ALL {
                work.transitions.get_or_create(&kind_and_state(kind, state)).inc_by(0);
                if state.is_terminal() {
                    drop(work.job_duration.get_or_create(&kind_and_outcome(kind, state)));
                }
            }
        }
        for outcome in BatchOutcome::ALL {
            work.batches_ended.get_or_create(&[("outcome", outcome.as_str().into())]).inc_by(0);
        }
        for outcome in Outcome::ALL {
            work.webhook_calls.get_or_create(&[("outcome", outcome.as_str().into())]).inc_by(0);
        }
        for setting in Kind::ALL.into_iter().filter_map(setting) {
            work.limited.get_or_create(&[("limit", setting.into())]).inc_by(0);
        }
        work
    }
}

impl Tracer for Work {
    fn sampling(&self) -> Option<Sampling> {
        self.tracer.sampling()
    }

    fn span(&self, span: Span) {
        self.tracer.span(span);
    }
}

impl Observer for Work {
    fn took(&self, what: &'static str) {
        self.taken.get_or_create(&[("what", what.into())]).inc();
    }

    fn tried(&self, kind: Kind, step: &str, what: &'static str, took: Duration) {
        // A job may be pinned to an older definition with other names of steps. They are few, and these jobs end.
        let step = || Cow::Owned(step.to_owned());
        let labels = [("kind", kind.as_str().into()), ("step", step()), ("what", what.into())];
        self.attempts.get_or_create(&labels).inc();
        let duration = self.step_duration.get_or_create(&[("kind", kind.as_str().into()), ("step", step())]);
        observe(&duration, took.as_secs_f64());
    }

    fn said(&self, event: EventType) {
        self.events.get_or_create(&[("type", event.routing_key().into())]).inc();
    }

    fn moved(&self, kind: Kind, to: State) {
        self.transitions.get_or_create(&kind_and_state(kind, to)).inc();
    }

    fn ended(&self, kind: Kind, outcome: State, took: Duration, after_hour: Option<Duration>) {
        observe(&self.job_duration.get_or_create(&kind_and_outcome(kind, outcome)), took.as_secs_f64());
        if let Some(lag) = after_hour {
            self.confirm_lag.observe(lag.as_secs_f64());
        }
    }

    fn batch_ended(&self, outcome: BatchOutcome) {
        self.batches_ended.get_or_create(&[("outcome", outcome.as_str().into())]).inc();
    }

    fn limited(&self, setting: &'static str) {
        self.limited.get_or_create(&[("limit", setting.into())]).inc();
    }

    fn swept(&self, jobs: usize, calls: usize, confirmed: usize, took: Duration) {
        self.sweep_jobs.inc_by(jobs as u64);
        self.sweep_calls.inc_by(calls as u64);
        self.sweep_confirmed.inc_by(confirmed as u64);
        self.sweep_duration.observe(took.as_secs_f64());
    }

    fn sweep_is_done(&self, at: Timestamp) {
        self.sweep_done.set(at.as_millisecond() as f64 / 1000.0);
    }

    fn clock_ahead(&self, by: SignedDuration) {
        self.clock_ahead.set(by.as_secs());
    }

    fn published(&self, confirmed: usize, undeliverable: usize, refused: usize) {
        for (what, count) in [("confirmed", confirmed), ("undeliverable", undeliverable), ("refused", refused)] {
            self.published.get_or_create(&[("what", what.into())]).inc_by(count as u64);
        }
    }

    fn webhook_called(&self, outcome: Outcome) {
        self.webhook_calls.get_or_create(&[("outcome", outcome.as_str().into())]).inc();
    }

    fn unrouted(&self, events: usize) {
        self.events_unrouted.inc_by(events as u64);
    }
}

fn kind_and_outcome(kind: Kind, outcome: State) -> Labels<2> {
    [("kind", kind.as_str().into()), ("outcome", outcome.as_str().into())]
}

fn kind_and_state(kind: Kind, state: State) -> Labels<2> {
    [("kind", kind.as_str().into()), ("state", state.as_str().into())]
}
