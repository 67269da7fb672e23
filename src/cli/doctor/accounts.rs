//! The accounts: whether each key belongs to the account it is configured for, and how far apart the clocks are.

use std::time::Duration;

use jiff::Timestamp;

use super::finding::{DoctorFinding, fault, fine};
use super::refusal::advice;
use crate::clock::Clock;
use crate::cloud::Accounts;
use crate::domain::{AccountUid, Code};
use crate::workflow::ErrorClasses;

/// The cloud refuses signatures that are 15 minutes off, and its hours begin by its own clock.
const SKEW: Duration = Duration::from_secs(60);

/// Asks `GetCallerIdentity` (API §A.13), and compares the `Date` of its answer with this machine's clock.
pub(super) async fn account(
    accounts: &Accounts,
    uid: &AccountUid,
    clock: &dyn Clock,
    classes: &ErrorClasses,
) -> Vec<DoctorFinding> {
    let date = match accounts.identify(uid).await {
        Ok(date) => date,
        Err(error) => return vec![fault("credential", Code::CredentialUnusable, &error, advice(&error, classes))],
    };
    let credential = fine("credential", format!("the key configured for account {uid} belongs to it"));
    let Some(date) = date else { return vec![credential] };
    vec![credential, skew(date, clock.now())]
}

fn skew(theirs: Timestamp, ours: Timestamp) -> DoctorFinding {
    let off = ours.duration_since(theirs).unsigned_abs();
    // `Date` has whole seconds, and the answer took some time.
    if off <= SKEW {
        return fine("clock", format!("this machine's clock is within {} s of the cloud's", off.as_secs() + 1));
    }
    let says = format!("this machine's clock is {} s off the cloud's", off.as_secs());
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
