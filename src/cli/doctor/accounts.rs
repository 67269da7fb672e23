//! The accounts: whose the keys are that are configured for them, and how far apart the clocks are.

use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, fault, fine};
use super::permissions::advice;
use crate::clock::Clock;
use crate::cloud::Accounts;
use crate::domain::{AccountUid, Code};
use crate::workflow::ErrorClasses;

/// The cloud refuses signatures that are a quarter of an hour off, and hours are counted by its clock, not ours.
const SKEW: Duration = Duration::from_secs(60);

/// What `GetCallerIdentity` says (API §A.13), and when it said so.
pub(super) async fn account(
    accounts: &Accounts,
    uid: &AccountUid,
    clock: &dyn Clock,
    classes: &ErrorClasses,
) -> Vec<Finding> {
    let date = match accounts.identify(uid).await {
        Ok(date) => date,
        Err(error) => return vec![fault("credential", Code::CredentialUnusable, &error, advice(&error, classes))],
    };
    let credential = fine("credential", format!("the key configured for account {uid} is that account's"));
    let Some(date) = date else { return vec![credential] };
    vec![credential, skew(date, clock.now())]
}

fn skew(theirs: Timestamp, ours: Timestamp) -> Finding {
    let off = ours.duration_since(theirs).unsigned_abs();
    // Their clock is told in whole seconds, and the answer was on its way.
    if off <= SKEW {
        return fine("clock", format!("is within {} s of the cloud's", off.as_secs() + 1));
    }
    let says = format!("is {} s off the cloud's", off.as_secs());
    fault("clock", Code::ClockSkew, says, "set this machine's clock right (NTP)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (theirs, ok) in
            [("2026-11-21T10:19:00Z", true), ("2026-11-21T10:18:59Z", false), ("2026-11-21T10:21:01Z", false)]
        {
            assert_eq!(skew(at(theirs), at("2026-11-21T10:20:00Z")).ok, Some(ok), "{theirs}");
        }
    }
}
