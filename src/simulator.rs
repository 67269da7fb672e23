//! A simulated cloud: the operations of the vendor that Crossgrant uses, behind real HTTP with real signature checks,
//! and with the owner checks, asynchronous attachments, hourly payer changes, lagging reads and failures that make the
//! real one hard (API §I, §J). For tests, demonstrations and `simulate`; it listens for product calls on `/` and for
//! its control endpoints on `/_sim/`, and plays the metadata
//! service of a machine on `/latest/`.
//!
//! | file | |
//! |---|---|
//! | `world`, `accounts`, `world_file`, `history` | what exists, how it is written in TOML, and its recent past |
//! | `possible` | what can never have come to exist |
//! | `passage`, `cooldown` | what time does to it, and when the payer may not be changed |
//! | `verify`, `codec` | the signature |
//! | `request`, `operations`, `envelope`, `paging` | from a request to an answer |
//! | `combinations` | which parameters may come together |
//! | `cbn`, `attachments`, `children`, `cens`, `routers`, `smartag`, `vpc`, `sts` | the operations |
//! | `tokens` | repeating a request with its `ClientToken` |
//! | `switches`, `faults`, `flow` | doubtful behaviour, what goes wrong, and how many calls are taken |
//! | `ledger` | what happened |
//! | `changes` | what somebody else does |
//! | `secrets` | what must show nowhere |
//! | `server`, `control` | HTTP |
//! | `metadata` | the machine's own role |
//!
//! It shares no code with the client: a signature or a page token wrong on both sides would pass unseen.

mod accounts;
mod attachments;
mod cbn;
mod cens;
mod changes;
mod children;
mod codec;
mod combinations;
mod control;
mod cooldown;
mod envelope;
mod faults;
mod flow;
mod history;
mod ledger;
mod metadata;
mod operations;
mod paging;
mod passage;
mod possible;
mod query_signature;
mod request;
mod routers;
mod secrets;
mod server;
mod smartag;
mod sts;
mod switches;
#[cfg(test)]
mod testing;
mod tokens;
mod verify;
mod vpc;
mod world;
mod world_file;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use tokio::sync::watch;

pub use accounts::{AccessKey, Site};
pub use changes::Change;
pub use combinations::{Combination, combinations};
pub use faults::{Fault, FaultKind};
pub use ledger::{CallCount, CallRecord, Effect, LedgerEntry, ParameterSet};
pub use operations::operations;
pub use server::run;
pub use switches::{ChildInstances, ChildRows, EcrRules, Reply, Shown, Switches, TimeForm};
pub use world::{BadWorld, Edition, Status, World};
pub use world_file::{AccountEntry, AttachmentEntry, CenEntry, GrantEntry, RoleEntry, RouterEntry, WorldFile};

use crate::clock::Clock;
use crate::domain::Hour;

/// A handle on a simulated cloud; clones are the same cloud.
#[derive(Clone)]
pub struct Simulator(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    hour: Hour,
    cloud: Mutex<Cloud>,
    /// Counts what a waiting caller may wait for.
    events: watch::Sender<u64>,
    /// Counts releases of held requests.
    releases: watch::Sender<u64>,
}

/// Everything behind the one lock.
struct Cloud {
    world: World,
    nonces: verify::Nonces,
    tokens: tokens::Tokens,
    ledger: Vec<LedgerEntry>,
    calls: ledger::CallLog,
    /// With which parameters operations were called.
    parameter_sets: BTreeSet<ParameterSet>,
    flow: flow::Flow,
    /// How many calls of each operation a fault struck.
    struck: BTreeMap<String, u64>,
    /// How many requests each operation has held by a fault.
    held: BTreeMap<String, usize>,
    /// Until when which token of the metadata service is good.
    metadata_tokens: BTreeMap<String, Timestamp>,
    events: u64,
}

impl Simulator {
    /// A cloud that begins as `world`, in which order types take effect at every full `hour` of `clock`.
    pub fn new(mut world: World, hour: Hour, clock: Arc<dyn Clock>) -> Self {
        world.begin(clock.now());
        let cloud = Cloud {
            world,
            nonces: verify::Nonces::default(),
            tokens: tokens::Tokens::default(),
            ledger: Vec::new(),
            calls: ledger::CallLog::default(),
            parameter_sets: BTreeSet::new(),
            flow: flow::Flow::default(),
            struck: BTreeMap::new(),
            held: BTreeMap::new(),
            metadata_tokens: BTreeMap::new(),
            events: 0,
        };
        let (events, releases) = (watch::Sender::new(0), watch::Sender::new(0));
        Self(Arc::new(Shared { clock, hour, cloud: Mutex::new(cloud), events, releases }))
    }

    /// Every effect so far, those of time included.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.with(|cloud, _| cloud.ledger.clone())
    }

    /// The last calls (at most 10,000), oldest first.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.with(|cloud, _| cloud.calls.last())
    }

    /// How often which operation ended how.
    pub fn counts(&self) -> Vec<CallCount> {
        self.with(|cloud, _| cloud.calls.counts())
    }

    /// How many calls came in all.
    pub fn total_calls(&self) -> u64 {
        self.with(|cloud, _| cloud.calls.total())
    }

    /// With which parameters operations were called: of every call that was signed well and named an operation there is.
    pub fn parameter_sets(&self) -> BTreeSet<ParameterSet> {
        self.with(|cloud, _| cloud.parameter_sets.clone())
    }

    /// Adds a fault behind those that are there.
    pub fn inject(&self, fault: Fault) {
        self.with(|cloud, _| cloud.world.faults.push(fault));
    }

    /// How many calls of an operation a fault struck, whether or not that made a difference.
    pub fn strikes(&self, operation: &str) -> u64 {
        self.with(|cloud, _| cloud.struck.get(operation).copied().unwrap_or(0))
    }

    /// Forgets all faults. Requests held by one stay held.
    pub fn clear_faults(&self) {
        self.with(|cloud, _| cloud.world.faults.clear());
    }

    /// Changes the settings that `patch`, a JSON object, names.
    ///
    /// # Errors
    /// As [`Switches::patched`].
    pub fn patch_switches(&self, patch: serde_json::Value) -> Result<(), String> {
        self.with(|cloud, _| {
            cloud.world.switches = cloud.world.switches.patched(patch)?;
            Ok(())
        })
    }

    /// The settings as they are.
    pub fn switches(&self) -> Switches {
        self.with(|cloud, _| cloud.world.switches.clone())
    }

    /// Replaces the settings.
    pub fn set_switches(&self, switches: Switches) {
        self.with(|cloud, _| cloud.world.switches = switches);
    }

    /// Lets every request that a fault holds go on.
    pub fn release(&self) {
        self.0.releases.send_modify(|n| *n += 1);
    }

    /// Returns once the ledger has at least `entries` entries.
    pub async fn wait_for_ledger(&self, entries: usize) {
        self.wait(|cloud| cloud.ledger.len() >= entries).await;
    }

    /// Returns once a fault holds a request of `operation`.
    pub async fn wait_for_held(&self, operation: &str) {
        self.wait(|cloud| cloud.held.contains_key(operation)).await;
    }

    /// Returns once `operation` was called at least `calls` times.
    pub async fn wait_for_calls(&self, operation: &str, calls: u64) {
        self.wait(|cloud| cloud.calls.of(operation) >= calls).await;
    }

    async fn wait(&self, is: impl Fn(&Cloud) -> bool) {
        let mut events = self.0.events.subscribe();
        loop {
            events.mark_unchanged();
            let (done, next) = self.with(|cloud, _| (is(cloud), cloud.world.next_change(self.0.hour)));
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

    /// Looks at the cloud as it is now, time lived through, and tells those who wait when something happened.
    fn with<R>(&self, look: impl FnOnce(&mut Cloud, Timestamp) -> R) -> R {
        let mut cloud = self.0.cloud.lock().expect("no holder of this lock panics");
        let before = cloud.events;
        let now = self.0.clock.now().max(cloud.world.settled.unwrap_or(Timestamp::MIN));
        for flip in cloud.world.settle(now, self.0.hour) {
            let (cen, instance, order_type) = (Some(flip.cen), Some(flip.instance), Some(flip.order_type));
            let effect = Effect { cen, instance, order_type, ..Effect::default() };
            cloud.enter("hour", None, flip.at, effect);
        }
        let result = look(&mut cloud, now);
        let events = cloud.events;
        drop(cloud);
        if events != before {
            self.0.events.send_replace(events);
        }
        result
    }
}

impl Cloud {
    /// Enters an effect into the ledger.
    fn enter(&mut self, operation: &str, call: Option<&request::Call>, at: Timestamp, effect: Effect) {
        self.events += 1;
        let seq = u64::try_from(self.ledger.len()).unwrap_or(u64::MAX).saturating_add(1);
        self.ledger.push(LedgerEntry {
            seq,
            at,
            operation: operation.to_owned(),
            product: call.map(|call| call.product.to_owned()),
            instance_type: call.and_then(|call| call.params.text("InstanceType")).map(str::to_owned),
            account: call.map(|call| call.caller.account.clone()),
            access_key_id: call.map(|call| call.caller.access_key_id.clone()),
            request_id: call.map(|call| call.request_id.clone()),
            effect,
        });
    }

    /// The fault that strikes a call, if one does.
    fn strike(&mut self, operation: &str, params: &request::Params) -> Option<faults::Strike> {
        let fault = faults::strike(&mut self.world.faults, operation, params)?;
        *self.struck.entry(operation.to_owned()).or_default() += 1;
        Some(fault)
    }

    /// Logs a call.
    fn log(&mut self, call: CallRecord) {
        self.events += 1;
        self.calls.add(call);
    }
}

#[cfg(test)]
mod tests;
