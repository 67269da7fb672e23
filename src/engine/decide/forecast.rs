//! The answer to a plan: which writes would follow.
//!
//! The same actions judge, step by step, as when the job is carried out. The effect of each write they ask for is put into
//! the look, as if it had been made.

use crate::domain::{Reason, whole_second};
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::ports::action::{Certain, Judgement, View};
use crate::engine::record::{Image, Plan, PlannedCall, State};
use crate::engine::seen::{Reads, Seen};
use crate::workflow::{ActsAs, Target};

impl Deciding<'_> {
    /// Ends with the calls that would follow from `target` on.
    pub(super) fn planned(&mut self, target: &Target, seen: &Seen) -> Next {
        let (plan, then) = match self.forecast(target, seen) {
            Ok(foretold) => foretold,
            Err(more) => return Next::Look(more.and(seen.reads())),
        };
        if self.record.before.is_none() {
            self.record.before = self.record.after.clone();
        }
        let goal = self.goal();
        let attachments = self.record.after.as_ref().and_then(|after| after.attachments.clone());
        if let Some(image) = then.image(&self.record.job) {
            let attachments = image.attachments.or(attachments);
            // What is in force at the end: with an hour still to come, that is the payer asked for.
            let effective = plan.effective_from.and(goal).or(image.effective_order_type);
            self.record.after = Some(Image { attachments, effective_order_type: effective, ..image });
        }
        let findings = plan.calls.iter().map(|call| {
            let payer = call.order_type.map(|order_type| format!(", {order_type}")).unwrap_or_default();
            format!("{}: {} on {} as account {}{payer}", call.step, call.operation, call.resource, call.account)
        });
        let message = match (plan.calls.len(), plan.effective_from) {
            (0, None) => "nothing would be written: the cloud shows the result already".to_owned(),
            (0, Some(at)) => {
                format!("nothing would be written: what is written already takes effect at {}", whole_second(at))
            }
            (1, _) => "1 call would follow".to_owned(),
            (n, _) => format!("{n} calls would follow"),
        };
        let findings = findings.collect();
        self.record.plan = Some(plan);
        self.finish(State::Planned, Reason::Planned, message, findings)
    }

    /// The writes from `target` on, and what a look would show after them. `Err`: what must be read as well to tell.
    pub(super) fn forecast(&self, target: &Target, seen: &Seen) -> Result<(Plan, Seen), Reads> {
        let definition = self.context.definition;
        let (mut plan, mut then, mut record) = (Plan::default(), seen.clone(), self.record.clone());
        come_to_rest(&mut then);
        let mut target = target.clone();
        // Every call changes what the next one is judged by, and no step is gone through twice.
        for _ in 0..definition.steps.len() {
            let Target::Step(name) = &target else { break };
            let Some(step) = definition.step(name) else { break };
            let Some(call) = step.call() else {
                plan.effective_from = Some(self.context.hour.next_after(seen.date.unwrap_or(seen.at)));
                break;
            };
            record.step.clone_from(name);
            let Some(action) = self.action(call) else { break };
            let judged = loop {
                let view = View { record: &record, goal: self.goal(), undo: false, certain: Certain::ALL };
                let reads = action.reads(&view);
                if !then.covers(reads) {
                    return Err(reads);
                }
                match action.judge(&view, &then) {
                    Judgement::Write(intended) => {
                        let before = then.clone();
                        action.foresee(&record.job, &intended, &mut then);
                        plan.calls.push(PlannedCall {
                            step: step.name.clone(),
                            operation: intended.operation,
                            account: intended.operation.account(&record.job).clone(),
                            resource: intended.resource,
                            order_type: intended.order_type,
                        });
                        // A write that changes nothing that is shown, such as a revoke of what may not be there, is made once.
                        if then == before {
                            break Some("done");
                        }
                    }
                    Judgement::Done(outcome) => break Some(outcome),
                    _ => break None,
                }
            };
            let outcome = judged.or((call.acts_as != ActsAs::Readers).then_some("done"));
            let Some(next) = outcome.and_then(|outcome| definition.after(step, outcome)) else { break };
            target = next;
        }
        Ok((plan, then))
    }
}

/// Shows attachments that are being changed as they will be then, since carrying out the job waits for that.
fn come_to_rest(seen: &mut Seen) {
    for list in [&mut seen.attachments, &mut seen.basic].into_iter().flatten() {
        list.items.retain(|attachment| !attachment.status.eq_ignore_ascii_case("Detaching"));
        list.items.iter_mut().for_each(|attachment| attachment.status = "Attached".into());
    }
}
