//! Answers: what the answer to a write means, and what a later look says about it.

use crate::domain::Attachment;
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::ports::action::Action;
use crate::engine::ports::cloud::{Answer, CloudError, Failure};
use crate::engine::record::{Image, NOT_JUST_BUSY, Outcome, Write};
use crate::engine::seen::Reads;
use crate::workflow::{Class, Effect, Step, Target, Verdict};

impl Deciding<'_> {
    /// A write was made, and this is the answer.
    pub(super) fn answered(&mut self, place: usize, answer: &Result<Answer<()>, CloudError>) -> Next {
        self.commit = true;
        let Some(write) = self.record.writes.get_mut(place) else { return Next::Look(Reads::ALL) };
        match answer {
            Ok(answer) => {
                let request_id = answer.request_id.clone();
                write.outcome = Outcome::Accepted { request_id, at: self.now, date: answer.date };
                self.record.why = format!("{} was accepted; reads it back", write.operation);
                self.progress();
                self.look_again()
            }
            Err(error) => self.write_failed(place, error),
        }
    }

    /// Records that a write failed: it was refused (for now or for good) or, if it may have taken effect, its outcome is still
    /// unknown. Decides what comes next.
    fn write_failed(&mut self, place: usize, error: &CloudError) -> Next {
        let call = self.step().and_then(Step::call);
        let changes_payer = call.and_then(|call| self.action(call)).is_some_and(Action::changes_payer);
        let verdict = error.verdict(self.context.classes);
        let policy = match verdict.class {
            Class::State => "state",
            _ => call.map_or("write", |call| call.retry.as_str()),
        };
        let write = &mut self.record.writes[place];
        let Some(turned_away) = turned_away(&verdict, error, write.unsettled) else {
            return self.after_failure(policy, &verdict, error);
        };
        let (code, message) = error.failure.code_and_message();
        let TurnedAway { retry, unclassified } = turned_away;
        write.outcome = Outcome::Refused {
            code,
            message,
            request_id: error.request_id.clone(),
            at: self.now,
            retry,
            unclassified,
            judged: Some(verdict.into()),
            // With a finding it may as well be that the job is wrong: then a look has to show it.
            done: verdict.class == Class::Done && verdict.finding.is_none(),
        };
        match retry {
            true if verdict.class == Class::State && changes_payer => {
                let half = self.tells_half_done(NOT_JUST_BUSY);
                self.again_after(policy, format!("{half}{error}"), error.retry_after)
            }
            true => self.after_failure(policy, &verdict, error),
            // Never believed without a look: the code is one of many, the state is what counts (API §D.4).
            false => self.look_again(),
        }
    }

    /// Reads back what the step needs to be done, together with what the next step begins with.
    fn look_again(&self) -> Next {
        let reads = |step: &Step| {
            let verb = if self.record.undo.is_some() { step.call()?.undo.as_ref()? } else { &step.call()?.verb };
            self.context.registry.get(verb).map(|action| action.reads(&self.view()))
        };
        let Some(step) = self.step() else { return Next::Look(Reads::ALL) };
        let next = match self.context.definition.after(step, "done") {
            Some(Target::Step(name)) if self.record.undo.is_none() => self.context.definition.step(&name),
            _ => None,
        };
        let own = reads(step).unwrap_or(Reads::ALL);
        Next::Look(own.and(next.and_then(reads).unwrap_or_default()))
    }

    /// The look that finds a step done also shows the effect of its writes whose answers were lost, unless what they wrote to
    /// is gone. If it shows what was there before the first write, and the cloud has answered that there was nothing to do,
    /// they had no effect.
    pub(super) fn effect_seen(&mut self) {
        let (step, undo, now) = (self.record.step.clone(), self.record.undo.is_some(), self.now);
        let granted = |image: &Option<Image>| image.as_ref().map(|image| image.granted);
        let nothing_to_do = granted(&self.record.before) == Some(false) && granted(&self.record.after) == Some(false);
        let attachments = self.record.after.as_ref().and_then(|after| after.attachments.clone());
        let instance = self.record.job.instance.id.clone();
        // The payer of an attachment shows on that attachment.
        let shows = |write: &Write| {
            let of_attachment = write.order_type.is_some() && write.resource != instance.as_str();
            let is = |a: &Attachment| a.id == write.resource && a.order_type == write.order_type;
            !of_attachment || attachments.as_ref().is_some_and(|list| list.iter().any(is))
        };
        for write in self.record.writes.iter_mut().filter(|w| w.step == step && w.undo == undo) {
            if !shows(write) {
                continue;
            }
            match &mut write.outcome {
                Outcome::Refused { unclassified, done: true, .. } if nothing_to_do => *unclassified = false,
                Outcome::Unknown | Outcome::Refused { unclassified: true, .. } => {
                    write.outcome = Outcome::Seen { at: now };
                }
                Outcome::Refused { .. } | Outcome::Accepted { .. } | Outcome::Seen { .. } => {}
            }
        }
    }

    /// Looks have shown for `settle` that a refused write had no effect.
    pub(super) fn believe(&mut self, place: usize) {
        if let Outcome::Refused { unclassified, .. } = &mut self.record.writes[place].outcome {
            *unclassified = false;
        }
    }

    /// A look that finds the step impossible agrees with the refusals of its writes.
    pub(super) fn believe_refusals(&mut self) {
        let (step, undo) = (self.record.step.clone(), self.record.undo.is_some());
        for write in self.record.writes.iter_mut().filter(|w| w.step == step && w.undo == undo) {
            if let Outcome::Refused { unclassified, .. } = &mut write.outcome {
                *unclassified = false;
            }
        }
    }
}

/// A write that was refused.
struct TurnedAway {
    /// The same call may be accepted later.
    retry: bool,
    /// Only a look tells whether it had no effect.
    unclassified: bool,
}

/// Whether an error means that a write was refused; `None` while it may have taken effect. `unsettled`: an earlier send of
/// the same write may have landed.
fn turned_away(verdict: &Verdict<'_>, error: &CloudError, unsettled: bool) -> Option<TurnedAway> {
    use Class::{Account, Auth, Credential, Done, Held, Permanent, State, Throttled, Transient, Unknown};
    let (retry, unclassified) = match verdict.class {
        Throttled | Transient | State | Auth | Credential => (true, false),
        Unknown | Done => (false, true),
        Permanent | Held | Account => (false, false),
    };
    // A refusal whose code the table does not know is one all the same, and is believed once a look after `settle` shows
    // no effect (API §D.4).
    let unknown_code = verdict.class == Unknown && matches!(error.failure, Failure::Refused { .. });
    let no_effect = verdict.effect == Effect::None || unknown_code;
    // What turns this send away for now says nothing of an earlier one.
    (no_effect && !(unsettled && retry)).then_some(TurnedAway { retry, unclassified: unclassified || unsettled })
}
