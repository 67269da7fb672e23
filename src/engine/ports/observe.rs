//! What the engine does, as a port: counts and durations for metrics, and the spans of traces.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{EventType, Kind};
use crate::engine::batch::BatchOutcome;
use crate::engine::decide::webhook::Outcome;
use crate::engine::ports::trace::Tracer;
use crate::engine::record::State;

/// Is told what happens. By default it ignores everything.
pub trait Observer: Tracer {
    /// A message was taken in: `new`, `repeated`, `reused` or `rejected`.
    fn took(&self, _what: &'static str) {}

    /// A try of a step ended: `look`, `look-failed`, `look-deferred` (the budget had no room), `write` or `write-failed`.
    fn tried(&self, _kind: Kind, _step: &str, _what: &'static str, _took: Duration) {}

    /// An event was committed, to be published.
    fn said(&self, _event: EventType) {}

    /// A commit left a job in this state.
    fn moved(&self, _kind: Kind, _to: State) {}

    /// A job ended, so long after it was accepted. If it waited for an hour, its effect was seen so long after the hour.
    fn ended(&self, _kind: Kind, _as: State, _took: Duration, _after_hour: Option<Duration>) {}

    /// A batch ended.
    fn batch_ended(&self, _as: BatchOutcome) {}

    /// An hourly limit parked a job; `setting` is its key in `[limits]`.
    fn limited(&self, _setting: &'static str) {}

    /// A pass of the sweep ended: jobs that were due, API calls made, jobs confirmed.
    fn swept(&self, _jobs: usize, _calls: usize, _confirmed: usize, _took: Duration) {}

    /// At this time the sweep had read everything that was due for it, or it began to run.
    fn sweep_is_done(&self, _at: Timestamp) {}

    /// How far the machine's clock is ahead of the cloud's.
    fn clock_ahead(&self, _by: SignedDuration) {}

    /// A batch was published: messages that were confirmed, that were kept aside, and that a queue refused.
    fn published(&self, _confirmed: usize, _undeliverable: usize, _refused: usize) {}

    /// A webhook was called.
    fn webhook_called(&self, _outcome: Outcome) {}

    /// Events were published that no queue took.
    fn unrouted(&self, _events: usize) {}
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

impl Tracer for NoObserver {}
