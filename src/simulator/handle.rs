//! The simulated cloud as a value: what a test does with it without HTTP.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::watch;

use super::call_log::{CallCount, CallRecord, ParameterSet};
use super::faults::InjectedFault;
use super::ledger::LedgerEntry;
use super::state::SimulatorState;
use super::switches::Switches;
use super::world::World;
use crate::clock::Clock;
use crate::domain::Hour;

/// A simulated cloud; clones are the same cloud.
#[derive(Clone)]
pub struct Simulator(Arc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    hour: Hour,
    state: Mutex<SimulatorState>,
    /// The latest [`SimulatorState::events`], for those who wait.
    events: watch::Sender<u64>,
    /// Counts the releases of held requests.
    releases: watch::Sender<u64>,
}

impl Simulator {
    /// A cloud that begins as `world`, in which order types take effect at every full `hour` of `clock`.
    pub fn new(mut world: World, hour: Hour, clock: Arc<dyn Clock>) -> Self {
        world.start_clock(clock.now());
        let state = Mutex::new(SimulatorState { world, ..SimulatorState::default() });
        Self(Arc::new(Inner { clock, hour, state, events: watch::Sender::new(0), releases: watch::Sender::new(0) }))
    }

    /// Every effect on the cloud so far, including the effects of time.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.with(|state, _| state.ledger.clone())
    }

    /// The latest calls (at most 10,000), oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.with(|state, _| state.calls.last())
    }

    /// All calls, counted by operation, account and code.
    pub fn counts(&self) -> Vec<CallCount> {
        self.with(|state, _| state.calls.counts())
    }

    /// The number of calls that were logged, refused ones included.
    pub fn total_calls(&self) -> u64 {
        self.with(|state, _| state.calls.total())
    }

    /// The sets of parameters that came with calls which were signed well and named a known operation.
    pub fn parameter_sets(&self) -> BTreeSet<ParameterSet> {
        self.with(|state, _| state.parameter_sets.clone())
    }

    /// Adds a fault; those injected earlier strike first.
    pub fn inject(&self, fault: InjectedFault) {
        self.with(|state, _| state.world.faults.push(fault));
    }

    /// The number of calls of an operation that a fault struck, whether or not it changed their answer.
    pub fn strikes(&self, operation: &str) -> u64 {
        self.with(|state, _| state.struck.get(operation).copied().unwrap_or(0))
    }

    /// Removes all faults. A request that one holds stays held.
    pub fn clear_faults(&self) {
        self.with(|state, _| state.world.faults.clear());
    }

    /// Changes the switches that `patch`, a JSON object, names.
    ///
    /// # Errors
    /// As [`Switches::patched`].
    pub fn patch_switches(&self, patch: serde_json::Value) -> Result<(), String> {
        self.with(|state, _| {
            state.world.switches = state.world.switches.patched(patch)?;
            Ok(())
        })
    }

    /// A copy of the present switches.
    pub fn switches(&self) -> Switches {
        self.with(|state, _| state.world.switches.clone())
    }

    /// Lets every request that a fault holds go on.
    pub fn release(&self) {
        self.0.releases.send_modify(|n| *n += 1);
    }

    /// Returns once the ledger has at least `entries` entries.
    pub async fn wait_for_ledger(&self, entries: usize) {
        self.wait(|state| state.ledger.len() >= entries).await;
    }

    /// Returns once a fault holds a request of `operation`.
    pub async fn wait_for_held(&self, operation: &str) {
        self.wait(|state| state.held.contains_key(operation)).await;
    }

    /// Returns once `operation` was called at least `calls` times.
    pub async fn wait_for_calls(&self, operation: &str, calls: u64) {
        self.wait(|state| state.calls.of(operation) >= calls).await;
    }

    /// Returns once `is` holds. Time that passes can make it so as well as a call, so both wake it.
    pub(super) async fn wait(&self, is: impl Fn(&SimulatorState) -> bool) {
        let mut events = self.0.events.subscribe();
        loop {
            events.mark_unchanged();
            let (done, next) = self.with(|state, _| (is(state), state.world.next_change(self.0.hour)));
            if done {
                return;
            }
            let time = async {
                match next {
                    Some(at) => self.0.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = events.changed() => {}
                () = time => {}
            }
        }
    }

    /// Gives the state as it is now, with the effects of time applied, and wakes those who wait if something happened.
    pub(super) fn with<R>(&self, look: impl FnOnce(&mut SimulatorState, Timestamp) -> R) -> R {
        let mut state = self.0.state.lock().expect("no holder of this lock panics");
        let before = state.events;
        let now = self.0.clock.now().max(state.world.applied_to.unwrap_or(Timestamp::MIN));
        for (at, effect) in state.world.advance(now, self.0.hour) {
            state.enter("hour", None, at, effect);
        }
        let result = look(&mut state, now);
        let events = state.events;
        drop(state);
        if events != before {
            self.0.events.send_replace(events);
        }
        result
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    pub(super) fn hour(&self) -> Hour {
        self.0.hour
    }

    /// Tells of every [`Simulator::release`] from now on.
    pub(super) fn releases(&self) -> watch::Receiver<u64> {
        self.0.releases.subscribe()
    }
}
