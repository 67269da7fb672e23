//! What the engine tells of itself while it works, as a port: counts and durations for metrics.

use std::time::Duration;

use crate::domain::{EventType, Kind};
use crate::engine::record::State;

/// Hears what happens. Every method may do nothing.
pub trait Observer: Send + Sync + 'static {
    /// A message was taken in: `new`, `repeated`, `reused` or `rejected`.
    fn took(&self, _what: &'static str) {}

    /// A try of a step ended: `look`, `look-failed`, `write` or `write-failed`.
    fn tried(&self, _kind: Kind, _step: &str, _what: &'static str, _took: Duration) {}

    /// An event was committed.
    fn said(&self, _event: EventType) {}

    /// A job moved to a state.
    fn moved(&self, _kind: Kind, _to: State) {}

    /// An hourly limit parked a job; its setting.
    fn limited(&self, _setting: &'static str) {}

    /// A pass of the sweep ended: how many jobs it looked at, with how many calls, how many it confirmed.
    fn swept(&self, _jobs: usize, _calls: usize, _confirmed: usize, _took: Duration) {}

    /// Messages were published: confirmed, and taken by nobody.
    fn published(&self, _confirmed: usize, _undeliverable: usize) {}
}

/// Hears nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}
