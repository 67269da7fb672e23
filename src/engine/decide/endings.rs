//! Endings: how a job completes, fails, goes back or parks.
//!
//! After the first write a job can only end completed, superseded, failed because another hand changed what it wrote or took its
//! grant away, or failed or cancelled with an undo that was read back. Everything else parks as half done, with an event, and blocks the queue of its instance until an
//! operator decides.

use crate::domain::{EventType, Job, Kind, Operation, Reason};
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::record::{EmptySince, Ending, Outcome, Phase, State, Undo, Write};
use crate::engine::seen::Seen;
use crate::workflow::Step;

impl Deciding<'_> {
    pub(super) fn finish(&mut self, state: State, reason: Reason, message: String, findings: Vec<String>) -> Next {
        if self.record.before.is_none() {
            self.record.before = self.record.after.clone();
        }
        self.record.why = message.clone();
        let findings = findings.into_iter().chain(self.record.unchecked.clone()).collect();
        self.record.phase = Phase::Ended { state, ending: Ending { reason, message, findings }, at: self.now };
        self.says.push(match state {
            State::Completed => EventType::Completed,
            State::Planned => EventType::Planned,
            State::Superseded => EventType::Superseded,
            State::Cancelled => EventType::Cancelled,
            _ => EventType::Failed,
        });
        self.commit = true;
        Next::Rest
    }

    /// Every step is done and was read back.
    pub(super) fn complete(&mut self, seen: &Seen) -> Next {
        let kind = self.record.job.kind;
        let wrote = self.record.has_written();
        // A refused call may have had its effect all the same, or another person came between; not where the cloud has said
        // that there was nothing to do.
        let nothing_to_do = |write: &Write| matches!(write.outcome, Outcome::Refused { done: true, .. });
        let by_whom_unknown = !wrote && !self.record.writes.iter().all(nothing_to_do);
        let was_granted = self.record.before.as_ref().is_none_or(|before| before.granted);
        let already = if kind == Kind::Revoke { !(wrote && was_granted) } else { !wrote };
        if already && kind == Kind::Revoke {
            let rules = seen.resource_rules.iter().flat_map(|listing| &listing.items);
            self.record.granted_to = rules.map(|rule| rule.cen.to_string()).collect();
        }
        if kind == Kind::PayerChange {
            self.record.effective_seen = Some(self.now);
        }
        let (reason, message) = self.result(already);
        if !by_whom_unknown {
            return self.finish(State::Completed, reason, message, vec![]);
        }
        let message = format!("{message}; a call of this job that was refused may have done it");
        let next = self.finish(State::Completed, reason, message, vec![]);
        self.record.before = None;
        next
    }

    /// The result of a job in one sentence; `already`: it was there before the job.
    fn result(&self, already: bool) -> (Reason, String) {
        let job = &self.record.job;
        let (id, cen) = (&job.instance.id, &job.cen.id);
        let payer = self.goal().map(|goal| format!(" with {goal}")).unwrap_or_default();
        match (job.kind, already) {
            (Kind::Grant, false) => (Reason::Done, format!("{id} is granted to {cen}{payer}")),
            (Kind::Grant, true) => (Reason::AlreadySatisfied, format!("{id} was granted to {cen}{payer} already")),
            (Kind::Revoke, false) => (Reason::Done, format!("{id} is no longer granted to {cen}")),
            (Kind::Revoke, true) => {
                let elsewhere = match self.record.granted_to.as_slice() {
                    [] => String::new(),
                    some => format!(", but to {}", some.join(", ")),
                };
                (Reason::AlreadyAbsent, format!("{id} is not granted to {cen}{elsewhere}"))
            }
            (Kind::PayerChange, _) => self.in_force(if already { "was in force already" } else { "is in force" }),
        }
    }

    /// The result of a payer change: `how` the payer is in force.
    pub(super) fn in_force(&self, how: &str) -> (Reason, String) {
        let reason = if self.record.has_written() { Reason::Done } else { Reason::AlreadySatisfied };
        let payer = self.goal().map(|goal| format!("{goal} ")).unwrap_or_default();
        let Job { instance, cen, .. } = &self.record.job;
        (reason, format!("{} in {}: {payer}{how}", instance.id, cen.id))
    }

    /// Ends without the result. Only where nothing of this job is left in the cloud.
    pub(super) fn fail(&mut self, reason: Reason, message: String, findings: Vec<String>) -> Next {
        self.finish(State::Failed, reason, message, findings)
    }

    /// A step cannot be done: the job fails if nothing was written, goes back if it can, and parks otherwise.
    pub(super) fn refused(&mut self, reason: Reason, message: String, findings: Vec<String>) -> Next {
        if !self.record.has_written() {
            return self.fail(reason, message, findings);
        }
        // The writes of another hand stand where this job's did, so that nothing of it is left to put back.
        let gone = reason == Reason::GrantGone && (self.record.mended || payer_of_grant_alone(&self.record.writes));
        if reason == Reason::Overridden || gone {
            return self.fail(reason, message, findings);
        }
        if self.record.undo.is_some() || !self.can_go_back() || reason == Reason::GrantGone {
            return self.park_with(Reason::HalfDone, message, findings);
        }
        self.go_back(Undo { ends: State::Failed, reason, message })
    }

    /// Begins to undo, in the order of the steps: the resource account before the transit-router account, as in every
    /// payer change (API §A.7).
    pub(super) fn go_back(&mut self, undo: Undo) -> Next {
        self.record.why = format!("goes back: {}", undo.message);
        self.record.undo = Some(undo);
        self.record.wait = None;
        self.record.generation += 1;
        self.progress();
        match self.next_undo(None) {
            Some(step) => {
                self.record.step = step;
                self.record.phase.rest_until(self.now);
                Next::Rest
            }
            None => self.park(Reason::HalfDone, "nothing that was written can be put back".into()),
        }
    }

    /// Whether everything that may have been written belongs to a step that can be undone.
    pub(super) fn can_go_back(&self) -> bool {
        let undoable = |step: &str| {
            let call = self.context.definition.step(step).and_then(Step::call);
            call.is_some_and(|call| call.undo.is_some())
        };
        let mut written = self.record.writes.iter().filter(|w| !w.undo && w.may_have_landed());
        self.next_undo(None).is_some() && written.all(|w| undoable(&w.step))
    }

    /// Name of the first step after `after` that has something to undo.
    pub(super) fn next_undo(&self, after: Option<&Step>) -> Option<String> {
        let steps = &self.context.definition.steps;
        let from = after.and_then(|after| steps.iter().position(|s| s.name == after.name)).map_or(0, |place| place + 1);
        let wrote =
            |step: &&Step| self.record.writes.iter().any(|w| w.step == step.name && !w.undo && w.may_have_landed());
        let undoable = |step: &&Step| step.call().is_some_and(|call| call.undo.is_some());
        steps.get(from..)?.iter().filter(undoable).find(wrote).map(|step| step.name.clone())
    }

    /// Everything is put back, and a look shows it. If billing has changed meanwhile, it changes back at the next hour, and
    /// the job waits for that.
    pub(super) fn undone(&mut self, seen: &Seen) -> Next {
        let before = self.record.before.as_ref().and_then(|before| before.effective_order_type.or(before.order_type));
        let now = self.record.after.as_ref().and_then(|after| after.effective_order_type);
        match (before, now) {
            (Some(before), Some(now)) if before != now => {
                let since = self.last_accepted().unwrap_or(seen.at).max(seen.date.unwrap_or(seen.at));
                let steps = &self.context.definition.steps;
                if let Some(wait) = steps.iter().find(|step| step.call().is_none()) {
                    self.record.step.clone_from(&wait.name);
                }
                self.wait_for(before, self.context.hour.next_after(since))
            }
            _ => self.went_back(),
        }
    }

    pub(super) fn went_back(&mut self) -> Next {
        let Some(undo) = self.record.undo.clone() else {
            return self.park(Reason::HalfDone, "it went back without a reason".into());
        };
        self.finish(undo.ends, undo.reason, format!("{}; everything was put back", undo.message), vec![])
    }

    /// Waits for an operator. What is known is kept, and `resume` goes on from here.
    pub(super) fn park(&mut self, reason: Reason, message: String) -> Next {
        self.park_with(reason, message, vec![])
    }

    fn park_with(&mut self, reason: Reason, message: String, findings: Vec<String>) -> Next {
        self.record.empty_since = EmptySince::default();
        self.record.why = message.clone();
        let findings = findings.into_iter().chain(self.record.unchecked.clone()).collect();
        self.record.park(Ending { reason, message, findings });
        self.says.push(EventType::Parked);
        self.commit = true;
        Next::Rest
    }
}

/// Whether nothing may have landed but a payer on the grant. When the grant is gone, so is that, and it was not this job that took
/// the grant away.
fn payer_of_grant_alone(writes: &[Write]) -> bool {
    let mut landed = writes.iter().filter(|write| write.may_have_landed());
    landed.all(|write| write.operation == Operation::ModifyGrantInstanceToTransitRouter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_grant_that_this_job_may_have_revoked_is_not_gone_by_another_hand() {
        let write = |operation: &str| -> Write {
            let write = json!({
                "step": "modify-grant", "operation": operation, "account": "1688000000000001", "resource": "vpc-1",
                "generation": 0, "sends": 1, "intended_at": "2026-11-21T10:20:00Z",
                "outcome": {"outcome": "unknown"},
            });
            serde_json::from_value(write).unwrap()
        };
        let modify = || write("ModifyGrantInstanceToTransitRouter");
        assert!(payer_of_grant_alone(&[modify(), modify()]));
        for other in ["RevokeInstanceFromTransitRouter", "UpdateTransitRouterVpcAttachmentAttribute"] {
            assert!(!payer_of_grant_alone(&[write(other), modify()]), "{other}");
        }
    }
}
