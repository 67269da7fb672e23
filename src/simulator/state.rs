//! The state of a simulated cloud: the world, what is remembered of requests, and the records of what happened.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::call_log::{CallLog, CallRecord, ParameterSet};
use super::faults::{self, Strike};
use super::flow::Flow;
use super::ledger::{LedgerEffect, LedgerEntry};
use super::request::{ApiCall, Params};
use super::signing::Nonces;
use super::tokens::Tokens;
use super::world::World;

#[derive(Default)]
pub(super) struct SimulatorState {
    pub(super) world: World,
    pub(super) nonces: Nonces,
    pub(super) tokens: Tokens,
    pub(super) ledger: Vec<LedgerEntry>,
    pub(super) calls: CallLog,
    /// The sets of parameters that came with well-signed calls of known operations.
    pub(super) parameter_sets: BTreeSet<ParameterSet>,
    pub(super) flow: Flow,
    /// How many calls of each operation a fault struck.
    pub(super) struck: BTreeMap<String, u64>,
    /// How many requests of each operation a fault holds now.
    pub(super) held: BTreeMap<String, usize>,
    /// When each token of the metadata service expires.
    pub(super) metadata_tokens: BTreeMap<String, Timestamp>,
    /// Counts everything that a caller can wait for.
    pub(super) events: u64,
}

impl SimulatorState {
    /// Enters an effect into the ledger; without a call it is of time or of an outsider.
    pub(super) fn enter(&mut self, operation: &str, call: Option<&ApiCall>, at: Timestamp, effect: LedgerEffect) {
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

    /// Takes the fault that strikes a call, if there is one, and counts it.
    pub(super) fn strike(&mut self, operation: &str, params: &Params) -> Option<Strike> {
        let strike = faults::strike(&mut self.world.faults, operation, params)?;
        *self.struck.entry(operation.to_owned()).or_default() += 1;
        Some(strike)
    }

    pub(super) fn log(&mut self, call: CallRecord) {
        self.events += 1;
        self.calls.add(call);
    }
}
