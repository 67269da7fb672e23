//! Flow control: the number of calls of one operation that an account may make within any second (API §E). A throttled call
//! does not count.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::AccountUid;

/// The times of the calls of the last second, by account and operation.
#[derive(Debug, Default)]
pub(super) struct Flow(BTreeMap<(AccountUid, String), VecDeque<Timestamp>>);

impl Flow {
    /// Counts one more call; false if it is one too many.
    pub(super) fn takes(&mut self, account: &AccountUid, operation: &str, now: Timestamp, per_second: u32) -> bool {
        let calls = self.0.entry((account.clone(), operation.to_owned())).or_default();
        while calls.front().is_some_and(|at| now.duration_since(*at) >= SignedDuration::from_secs(1)) {
            calls.pop_front();
        }
        let takes = calls.len() < per_second as usize;
        if takes {
            calls.push_back(now);
        }
        takes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_counts_each_operation_of_each_account() {
        let mut flow = Flow::default();
        let [one, other] = ["1688000000000001", "1250123456123456"].map(|uid| AccountUid::parse(uid).unwrap());
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let calls = [(0, true), (500, true), (999, false), (1000, true), (1499, false), (1500, true)];
        for (ms, taken) in calls {
            assert_eq!(flow.takes(&one, "A", at(ms), 2), taken, "at {ms} ms");
        }
        assert!(flow.takes(&one, "B", at(1500), 2) && flow.takes(&other, "A", at(1500), 2));
    }
}
