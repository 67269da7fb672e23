//! What follows from a look: it is remembered, and judged by one step after another, until one wants a write, waits, or
//! cannot be done.

use crate::clock::later;
use crate::domain::{Job, Mode, Reason};
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::decide::retrying::is_about_credential;
use crate::engine::ports::action::{Certain, Judgement};
use crate::engine::ports::cloud::CloudError;
use crate::engine::record::{Image, Outcome, Record, State, Write};
use crate::engine::seen::{Reads, Seen, VpnAttached};
use crate::workflow::{Class, Finding, Step, Target, Work};

impl Deciding<'_> {
    /// A look was answered. `rivals` are the jobs that wait on the same grant.
    pub(super) fn looked(&mut self, seen: &Seen, rivals: &[Record]) -> Next {
        self.remember(seen);
        // A write that is to be undone may not have landed yet.
        if self.record.undo.is_some()
            && let Some(rest) = self.unsettled_rest(seen)
        {
            return rest;
        }
        loop {
            let Some(step) = self.step() else { return self.look_for_step() };
            let call = match &step.work {
                Work::Wait { .. } => return self.looked_in_wait(seen),
                Work::Call(call) => call,
            };
            let Some(action) = self.action(call) else { return self.look_for_step() };
            let reads = action.reads(&self.view());
            if !seen.covers(reads) {
                return Next::Look(reads);
            }
            let judgement = action.judge(&self.view(), seen);
            if matches!(judgement, Judgement::Unclear(_))
                && self.view().lasts()
                && shows_none_to_one(seen, &self.record.job)
            {
                return Next::Look(reads.and(Reads::WITNESSES));
            }
            return match judgement {
                Judgement::Done(outcome) => match self.step_done(step, outcome, action.spec().writes, seen, rivals) {
                    Some(next) => next,
                    None => continue,
                },
                Judgement::Write(_) if self.record.job.mode == Mode::Plan => {
                    self.planned(&Target::Step(step.name.clone()), seen)
                }
                Judgement::Write(intended) => self.wants(call, intended, seen, rivals),
                Judgement::Busy(why) => self.again("busy", why),
                // Nothing is in danger, and the jobs behind it wait.
                Judgement::Unclear(why) if !self.record.has_written() => self.again("unclear", why),
                Judgement::Unclear(why) => self.again(&call.retry, why),
                Judgement::Recheck(why) => self.recheck(why),
                Judgement::StartOver(why) => self.start_over(why, seen),
                Judgement::Refuse { reason, message, findings } => {
                    self.believe_refusals();
                    self.refused(reason, message, findings)
                }
            };
        }
    }

    /// Takes what a look showed into the record, weighed against the looks before it.
    fn remember(&mut self, seen: &Seen) {
        self.record.calls += seen.calls;
        // Good keys of readers say nothing of those that a write was refused with.
        let refused = |write: &Write| {
            matches!(write.outcome, Outcome::Refused { retry: true, .. })
                && self.judged(write).is_some_and(|judged| is_about_credential(judged.class))
        };
        if !self.record.writes.iter().any(|write| write.step == self.record.step && refused(write)) {
            self.record.keys_refused_since = None;
        }
        match &seen.vpn {
            Some(VpnAttached::Unreadable(why)) => {
                self.record.unchecked = vec![format!("whether it is attached elsewhere could not be read: {why}")];
            }
            Some(VpnAttached::To(_)) => self.record.unchecked.clear(),
            None => {}
        }
        self.known = self.record.after.as_ref().and_then(|after| after.attachments.clone()).unwrap_or_default();
        self.weigh(seen);
        if let Some(image) = seen.image(&self.record.job) {
            // A look that read no attachments, or is not believed, does not forget those of an earlier one.
            let attachments = self.record.after.take().and_then(|after| after.attachments);
            let shown = image.attachments.filter(|_| self.certain.detached);
            self.record.after = Some(Image { attachments: shown.or(attachments), ..image });
        }
    }

    /// The ground has shifted under the job: begins again at the first step.
    fn start_over(&mut self, why: String, seen: &Seen) -> Next {
        // What this job made is in use; taking it back as it stands would harm another user of it.
        if self.record.undo.is_some() {
            return self.park(Reason::HalfDone, format!("cannot go back: {why}"));
        }
        if let Some(rest) = self.unsettled_rest(seen) {
            return rest;
        }
        self.record.step = self.context.definition.first().name.clone();
        // What was refused on the old ground may be asked for again on the new one.
        self.record.generation += 1;
        self.again("busy", why)
    }

    /// Ends with everything that is in the way: what configuration knows, and what a look finds. Of a plan it says too
    /// what would follow otherwise, if that can be told.
    pub(super) fn seen_in_part(&mut self, seen: &Seen, unread: &[String], asked: Reads) -> Next {
        self.record.calls += seen.calls;
        // What follows otherwise is only supposed; nothing is written on it. What is said to be wrong has to be certain.
        self.certain = Certain { not_owner: false, ..Certain::ALL };
        self.record.after = seen.image(&self.record.job).or(self.record.after.take());
        let step = self.step();
        let action = step.and_then(Step::call).and_then(|call| self.action(call));
        let mut findings = self.record.objections.clone();
        match (action.map(|action| action.judge(&self.view(), seen)), step) {
            (Some(Judgement::Refuse { message, findings: found, .. }), _) => {
                findings.extend(if found.is_empty() { vec![message] } else { found });
            }
            (Some(Judgement::Done(outcome)), Some(step)) if self.record.job.mode == Mode::Plan => {
                let target = self.context.definition.after(step, outcome).unwrap_or(Target::End);
                match self.forecast(&target, seen) {
                    Ok((plan, _)) => self.record.plan = Some(plan),
                    Err(more) if unread.is_empty() && asked.and(more) != asked => {
                        return Next::Look(more.and(asked));
                    }
                    Err(_) => {}
                }
            }
            _ => {}
        }
        findings.extend_from_slice(unread);
        self.fail(Reason::PreflightFailed, findings.join("; "), findings)
    }

    /// A step is done, with one of the outcomes of its verb; `writes` says whether it can write. Goes on to the next step:
    /// `Some` when there is none, or it waits.
    fn step_done(&mut self, step: &Step, outcome: &str, writes: bool, seen: &Seen, rivals: &[Record]) -> Option<Next> {
        self.effect_seen();
        self.progress();
        if self.record.undo.is_some() {
            let Some(name) = self.next_undo(Some(step)) else { return Some(self.undone(seen)) };
            self.record.step = name;
            return None;
        }
        if !writes && !self.record.has_written() {
            self.record.before = self.record.after.clone();
        }
        let target = self.context.definition.after(step, outcome).unwrap_or(Target::End);
        if self.is_expired() && self.record.writes.is_empty() {
            return Some(self.expire());
        }
        if self.record.job.mode == Mode::Plan {
            return Some(self.planned(&target, seen));
        }
        let Target::Step(name) = target else { return Some(self.complete(seen)) };
        self.record.step = name;
        let waits = self.step().is_some_and(|step| matches!(step.work, Work::Wait { .. }));
        waits.then(|| self.await_hour(seen, rivals))
    }

    /// A look failed: again later, unless the cloud says for good that there is nothing to look at.
    pub(super) fn look_failed(&mut self, error: &CloudError) -> Next {
        let verdict = error.verdict(self.context.classes);
        let message = error.to_string();
        if self.record.state() == State::Waiting {
            if is_about_credential(verdict.class) {
                self.cannot_look();
            }
            let next = self.still_unclear(message);
            // Its next check may come sooner than the server wants to be asked.
            if let (Some(asked), Some(due)) = (error.retry_after, self.record.phase.due()) {
                self.record.phase.rest_until(due.max(later(self.now, asked)));
            }
            return next;
        }
        if verdict.class == Class::Held {
            return self.held_back(message, error.retry_after);
        }
        if verdict.class == Class::Account
            && !self.record.has_written()
            && let Some(operation) = error.operation
        {
            let account = operation.account(&self.record.job);
            return self.park(Reason::AccountNotReady, format!("account {account}: {message}"));
        }
        if verdict.class == Class::Permanent && !self.record.has_written() {
            let text = format!("{message}: {}", verdict.meaning);
            return match verdict.finding {
                Some(Finding::Instance) => self.fail(Reason::PreflightFailed, text.clone(), vec![text]),
                None => self.fail(Reason::RefusedByCloud, text, vec![]),
            };
        }
        let policy = self.step().and_then(Step::call).map_or("read", |call| call.retry.as_str());
        self.after_failure(policy, &verdict, error)
    }
}

/// Whether one witness alone was asked, and shows no grant. It may be gone, which takes both to tell.
fn shows_none_to_one(seen: &Seen, job: &Job) -> bool {
    let unshown = seen.rule_at_cen(job).is_none() && seen.rule_at_resource(job).is_none();
    unshown && !seen.covers(Reads::WITNESSES)
}
