//! Trying again: when a call that failed or found no room is repeated, and when that has gone on for too long.

use std::time::Duration;

use crate::clock::later;
use crate::domain::{AccountUid, Operation, Reason, spoken};
use crate::engine::decide::backoff;
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::ports::action::Action;
use crate::engine::ports::cloud::CloudError;
use crate::engine::record::{Judged, Outcome, Write};
use crate::workflow::{Class, Step, Verdict};

impl<'a> Deciding<'a> {
    /// After a failed call: tries again as `policy` says. If the credential of the account is refused, no job is to blame, so
    /// none ends or parks over it, however long it lasts.
    pub(super) fn after_failure(&mut self, policy: &str, verdict: &Verdict<'_>, error: &CloudError) -> Next {
        if is_about_credential(verdict.class) {
            if self.is_expired() {
                return self.expire();
            }
            self.record.trying_since = self.now;
            self.record.keys_refused_since.get_or_insert(self.now);
        }
        self.again_after(policy, error.to_string(), error.retry_after)
    }

    /// Waits for room in the budget, if that takes less than the step may; otherwise the job rests until there is room, and
    /// looks again. Neither is a failed try.
    pub(super) fn no_room(
        &mut self,
        operation: Operation,
        account: &AccountUid,
        opens_in: Duration,
        waited: bool,
    ) -> Next {
        self.commit = true;
        self.record.why = format!(
            "waits for this worker's own limit on {operation} as account {account}; there is room in about {}",
            spoken(opens_in)
        );
        let patience = self.step().and_then(Step::call).map(|call| call.timeout).unwrap_or_default();
        if !waited && opens_in < patience {
            return Next::AwaitRoom;
        }
        self.spent_waiting();
        self.record.phase.rest_until(later(self.now, opens_in));
        Next::Rest
    }

    /// What the table of error classes said of a refused write when it was answered; `None` for a write that was not
    /// refused. A record of an earlier build holds only the code: then today's table tells by that and the operation.
    pub(super) fn judged(&self, write: &Write) -> Option<Judged> {
        let Outcome::Refused { code, judged, .. } = &write.outcome else { return None };
        let by_code = || self.context.classes.classify(write.operation.as_str(), 400, code, false).into();
        Some(judged.clone().unwrap_or_else(by_code))
    }

    /// The read is held for its account: the job waits until it is asked again. Not a failed try.
    pub(super) fn held_back(&mut self, why: String, asked_again_in: Option<Duration>) -> Next {
        self.spent_waiting();
        self.record.phase.rest_until(later(self.now, asked_again_in.unwrap_or_default()));
        self.record.why = why;
        Next::Rest
    }

    /// Time spent waiting for room, or for a held read, does not count as time spent on trying. The exception: the hour in
    /// which a payer may not be changed again passes in any case.
    fn spent_waiting(&mut self) {
        let action = self.step().and_then(Step::call).and_then(|call| self.action(call));
        let refused = self.record.writes.last().is_some_and(|w| matches!(w.outcome, Outcome::Refused { .. }));
        if !refused || !action.is_some_and(Action::changes_payer) {
            self.record.trying_since = self.now;
            self.record.gives_up_at = None;
        }
    }

    /// The job is taken up. The time for which it was not is not spent on trying; and what was stamped by a clock that was ahead
    /// counts from now.
    pub(super) fn put_right(&mut self) {
        let (late, now) = (self.late(), self.now);
        let record = &mut self.record;
        record.trying_since = later(record.trying_since, late).min(now);
        record.keys_refused_since = record.keys_refused_since.map(|since| since.min(now));
        for write in &mut record.writes {
            write.intended_at = write.intended_at.min(now);
            match &mut write.outcome {
                Outcome::Accepted { at, .. } | Outcome::Refused { at, .. } | Outcome::Seen { at } => {
                    *at = (*at).min(now)
                }
                Outcome::Unknown => {}
            }
        }
    }

    /// There was progress: giving up is counted from now.
    pub(super) fn progress(&mut self) {
        self.record.attempt = 0;
        self.record.trying_since = self.now;
        self.record.gives_up_at = None;
        self.record.keys_refused_since = None;
    }

    /// Looks again later, as `policy` says; parks when its `give-up` is over.
    pub(super) fn again(&mut self, policy: &str, why: String) -> Next {
        self.again_after(policy, why, None)
    }

    /// Like [`Self::again`], but not before the delay `asked` for by the server.
    pub(super) fn again_after(&mut self, policy: &str, why: String, asked: Option<Duration>) -> Next {
        let Some(policy) = self.context.policies.retry(policy) else {
            return self.park(Reason::UnknownCall, format!("there is no retry policy {policy:?}"));
        };
        self.record.attempt += 1;
        self.record.attempts += 1;
        if backoff::gave_up(policy, self.record.trying_since, self.now) {
            let reason = if self.record.has_written() { Reason::HalfDone } else { Reason::GaveUp };
            let tried = match self.record.attempt {
                1 => "once".to_owned(),
                times => format!("{times} times"),
            };
            return self.park(reason, format!("tried {tried}; last: {why}"));
        }
        let salt = format!("{}/{}", self.record.uid, self.record.step);
        let delay = backoff::delay(policy, self.record.attempt, &salt).max(asked.unwrap_or_default());
        self.record.phase.rest_until(later(self.now, delay));
        self.record.gives_up_at = Some(later(self.record.trying_since, policy.give_up()));
        self.record.why = why;
        Next::Rest
    }
}

/// Whether a refusal says something of the account's credential, and nothing of the job.
pub(super) fn is_about_credential(class: Class) -> bool {
    matches!(class, Class::Auth | Class::Credential)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record, write};
    use crate::domain::{Hour, Kind, Operation};
    use crate::engine::decide::decision::Context;
    use crate::engine::ports::cloud::Failure;
    use crate::workflow::{Catalog, Overrides, OverridingFile};

    const NOW: &str = "2026-11-28T10:20:00Z";

    /// An operator's own entry, which is taken out of the table again while a job still has to act on the refusal.
    const OWN: &str = r#"
[[class]]
code = "Odd.Code"
http = 409
class = "permanent"
effect = "none"
meaning = "The instance is reserved."
do = "Ask its owner."
"#;

    #[test]
    fn a_refusal_keeps_the_class_it_was_answered_with() {
        let registry = crate::actions::registry();
        let table = |own: Option<&str>| {
            let errors = own.map(|own| OverridingFile { file: "own.toml".into(), text: own.into() });
            Catalog::embedded(&registry.specs(), &Overrides { errors, ..Overrides::default() }).unwrap()
        };
        let (own, embedded) = (table(Some(OWN)), table(None));
        let context = |classes| Context {
            definition: embedded.definition(Kind::Grant),
            registry: &registry,
            policies: &embedded.policies,
            classes,
            hour: Hour::REAL,
            told: true,
        };
        let mut job = record("NET-1");
        job.writes.push(write(Operation::GrantInstanceToTransitRouter, Outcome::Unknown));
        let failure = Failure::Refused { status: 409, code: "Odd.Code".into(), message: "no".into() };
        let answer = Err(CloudError::new(Operation::GrantInstanceToTransitRouter, failure));
        let context_then = context(&own.classes);
        let mut deciding = Deciding::new(&context_then, job, at(NOW));
        deciding.answered(0, &answer);
        let context_now = context(&embedded.classes);
        let later = Deciding::new(&context_now, deciding.record, at(NOW));
        let judged = later.judged(&later.record.writes[0]).unwrap();
        assert_eq!((judged.class, judged.meaning.as_str()), (Class::Permanent, "The instance is reserved."));
    }
}
