//! Trying: when something that failed, or found no room, is tried again, and when that has gone on for too long. Pure.

use std::time::Duration;

use crate::clock::later;
use crate::domain::{AccountUid, Reason};
use crate::engine::decide::backoff;
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::ports::action::Action;
use crate::engine::ports::cloud::CloudError;
use crate::engine::record::{Outcome, Write};
use crate::workflow::{Class, Step, Verdict};

impl<'a> Deciding<'a> {
    /// After a call that failed: again later as patiently as `policy` says, unless it is the account's keys that are refused.
    /// That parks at once if they are refused for good, and otherwise when new ones were not good in time either.
    pub(super) fn after_failure(&mut self, policy: &str, verdict: &Verdict<'_>, error: &CloudError) -> Next {
        let refused_for_good = match verdict.class {
            Class::Credential => true,
            Class::Auth => {
                let since = *self.record.keys_refused_since.get_or_insert(self.now);
                self.now >= later(since, self.context.policies.keys_patience)
            }
            _ => false,
        };
        if refused_for_good {
            return self.park(Reason::CredentialRefused, format!("{error}: {}", verdict.meaning));
        }
        self.again_after(policy, error.to_string(), error.retry_after)
    }

    /// Waits for the budget if that will not take longer than the step may; otherwise the job rests meanwhile, and looks
    /// again. Neither is a failed try.
    pub(super) fn no_room(&mut self, operation: &str, account: &AccountUid, opens_in: Duration, waited: bool) -> Next {
        self.commit = true;
        self.record.why = format!("waits for room in the budget of account {account} for {operation}");
        let patience = self.step().and_then(Step::call).map(|call| call.timeout).unwrap_or_default();
        if !waited && opens_in < patience {
            return Next::AwaitRoom;
        }
        self.spent_waiting();
        self.record.phase.rest_until(later(self.now, opens_in));
        Next::Rest
    }

    /// What the error-class table says of a failed call.
    pub(super) fn classify(&self, error: &CloudError) -> Verdict<'a> {
        error.verdict(self.context.classes)
    }

    /// What it says of a refusal that was stored.
    pub(super) fn classify_refused(&self, write: &Write, code: &str) -> Verdict<'a> {
        self.context.classes.classify(&write.operation, 400, code, false)
    }

    /// A read is held: the job waits until it is asked again, which is no failed try.
    pub(super) fn held_back(&mut self, why: String, asked_again_in: Option<Duration>) -> Next {
        self.spent_waiting();
        self.record.phase.rest_until(later(self.now, asked_again_in.unwrap_or_default()));
        self.record.why = why;
        Next::Rest
    }

    /// Time that was spent waiting for room, or for a read that is held, is none that was spent on trying. But the hour in
    /// which a payer may not be changed again passes all the same.
    fn spent_waiting(&mut self) {
        let action = self.step().and_then(Step::call).and_then(|call| self.action(call));
        let refused = self.record.writes.last().is_some_and(|w| matches!(w.outcome, Outcome::Refused { .. }));
        if !refused || !action.is_some_and(Action::changes_payer) {
            self.record.trying_since = self.now;
        }
    }

    /// Something moved: give-up is counted from here.
    pub(super) fn progress(&mut self) {
        self.record.attempt = 0;
        self.record.trying_since = self.now;
        self.record.keys_refused_since = None;
    }

    /// Looks again later, as patiently as `policy` says; parks when that is over.
    pub(super) fn again(&mut self, policy: &str, why: String) -> Next {
        self.again_after(policy, why, None)
    }

    /// Like [`Self::again`], and not before a delay the server asked for.
    pub(super) fn again_after(&mut self, policy: &str, why: String, asked: Option<Duration>) -> Next {
        let Some(policy) = self.context.policies.retry(policy) else {
            return self.park(Reason::UnknownCall, format!("there is no retry policy {policy:?}"));
        };
        self.record.attempt += 1;
        self.record.attempts += 1;
        if backoff::gave_up(policy, self.record.trying_since, self.now) {
            let reason = if self.record.has_written() { Reason::HalfDone } else { Reason::GaveUp };
            return self.park(reason, format!("tried {} times; last: {why}", self.record.attempt));
        }
        let salt = format!("{}/{}", self.record.uid, self.record.step);
        let delay = backoff::delay(policy, self.record.attempt, &salt).max(asked.unwrap_or_default());
        self.record.phase.rest_until(later(self.now, delay));
        self.record.why = why;
        Next::Rest
    }
}
