//! The log of calls: the latest ones, counts of all, and the sets of parameters they came with.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::Params;
use crate::domain::AccountUid;

/// The most calls that are kept; the counts go on beyond it.
const LOG: usize = 10_000;

/// One call, whether it succeeded, failed or was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The time at which it was logged.
    pub at: Timestamp,
    /// The operation as the caller named it, even if there is none of that name.
    pub operation: String,
    /// The calling account; `None` if the signature was not verified.
    pub account: Option<AccountUid>,
    /// `OK`, the code of the error, or `fault:` and the kind of the fault that left the call without either.
    pub code: String,
    /// Whether the call changed anything.
    pub effect: bool,
}

/// The number of calls of one operation by one account that ended with one code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallCount {
    /// As in [`CallRecord::operation`].
    pub operation: String,
    /// As in [`CallRecord::account`].
    pub account: Option<AccountUid>,
    /// As in [`CallRecord::code`].
    pub code: String,
    /// The number of calls so far, also of those that the log no longer keeps.
    pub count: u64,
}

/// The names of the parameters that a call came with; calls with the same names share one set.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ParameterSet {
    /// The operation that was called.
    pub operation: String,
    /// The product of the operation, such as `Cbn`.
    pub product: String,
    /// The names in alphabetical order, also of empty parameters.
    pub names: Vec<String>,
}

impl ParameterSet {
    pub(super) fn of(operation: &str, product: &str, params: &Params) -> Self {
        let names = params.names().map(str::to_owned).collect();
        Self { operation: operation.to_owned(), product: product.to_owned(), names }
    }
}

/// The latest calls, and counts of all.
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
