//! What happened: a ledger of every effect, and a log of every call.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::Params;
use crate::domain::{AccountUid, CenId, InstanceId, OrderType};

/// How many calls the log keeps; the counts go on beyond it.
const LOG: usize = 10_000;

/// One effect on the simulated cloud. `operation` is that of the call; `hour` for an order type that took effect, and
/// `sim:…` for a change made through the control endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// When, by the simulator's clock.
    pub at: Timestamp,
    /// What was called.
    pub operation: String,
    /// Of which product.
    pub product: Option<String>,
    /// The `InstanceType` it was called with, as it was spelled (API §H1).
    pub instance_type: Option<String>,
    /// By which account.
    pub account: Option<AccountUid>,
    /// With which key.
    pub access_key_id: Option<String>,
    /// The RequestId of the answer.
    pub request_id: Option<String>,
    /// What it changed.
    #[serde(flatten)]
    pub effect: Effect,
}

/// What an effect was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// The CEN.
    pub cen: Option<CenId>,
    /// The network instance.
    pub instance: Option<InstanceId>,
    /// The attachment.
    pub attachment: Option<String>,
    /// The order type written.
    pub order_type: Option<OrderType>,
    /// The ClientToken of the call.
    pub client_token: Option<String>,
}

/// One call, whatever became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// When it came.
    pub at: Timestamp,
    /// The operation, as the caller named it.
    pub operation: String,
    /// The account, once the signature was verified.
    pub account: Option<AccountUid>,
    /// `OK`, the error code, or `fault:` and the fault that left it without an answer.
    pub code: String,
    /// Whether it changed anything.
    pub effect: bool,
}

/// How often an operation ended how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCount {
    /// The operation.
    pub operation: String,
    /// The calling account, once verified.
    pub account: Option<AccountUid>,
    /// As in [`CallRecord::code`].
    pub code: String,
    /// How many calls.
    pub count: u64,
}

/// Which parameters a call came with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParameterSet {
    /// The operation.
    pub operation: String,
    /// Its product.
    pub product: String,
    /// The names as they came, sorted.
    pub names: Vec<String>,
}

impl ParameterSet {
    pub(super) fn of(operation: &str, product: &str, params: &Params) -> Self {
        let names = params.names().map(str::to_owned).collect();
        Self { operation: operation.to_owned(), product: product.to_owned(), names }
    }
}

/// The call log: the last calls, and counts of all.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    last: VecDeque<CallRecord>,
    counts: BTreeMap<(String, Option<AccountUid>, String), u64>,
    by_operation: BTreeMap<String, u64>,
}

impl CallLog {
    pub(super) fn add(&mut self, call: CallRecord) {
        let key = (call.operation.clone(), call.account.clone(), call.code.clone());
        *self.counts.entry(key).or_default() += 1;
        *self.by_operation.entry(call.operation.clone()).or_default() += 1;
        if self.last.len() == LOG {
            self.last.pop_front();
        }
        self.last.push_back(call);
    }

    pub(super) fn last(&self) -> Vec<CallRecord> {
        self.last.iter().cloned().collect()
    }

    pub(super) fn counts(&self) -> Vec<CallCount> {
        let count = |((operation, account, code), count): (&(String, Option<AccountUid>, String), &u64)| CallCount {
            operation: operation.clone(),
            account: account.clone(),
            code: code.clone(),
            count: *count,
        };
        self.counts.iter().map(count).collect()
    }

    /// How many calls of an operation came.
    pub(super) fn of(&self, operation: &str) -> u64 {
        self.by_operation.get(operation).copied().unwrap_or(0)
    }

    pub(super) fn total(&self) -> u64 {
        self.by_operation.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_the_counts_are_not() {
        let mut log = CallLog::default();
        let call = |code: &str| CallRecord {
            at: Timestamp::UNIX_EPOCH,
            operation: "A".into(),
            account: None,
            code: code.into(),
            effect: false,
        };
        (0..LOG + 5).for_each(|_| log.add(call("OK")));
        log.add(call("Throttling"));
        assert_eq!((log.last().len(), log.of("A"), log.total()), (LOG, 10_006, 10_006));
        assert_eq!(
            log.counts().iter().map(|c| (c.code.as_str(), c.count)).collect::<Vec<_>>(),
            [("OK", 10_005), ("Throttling", 1)]
        );
    }
}
