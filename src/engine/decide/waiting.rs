//! Waiting for the hour: how a wait begins, what follows from the look of the job or of the sweep, and how the wait ends.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{later, until};
use crate::domain::{Attachment, EventType, GrantRule, OrderType, Reason, whole_second};
use crate::engine::decide::decision::{Context, Deciding, Decision, Next};
use crate::engine::decide::effective::{Over, Swept, Waited, judge_rule, judge_wait, over};
use crate::engine::decide::sweep_times::next_check;
use crate::engine::record::{EmptySince, Image, Phase, Record, State, Turn, Wait};
use crate::engine::seen::{Reads, Seen};
use crate::workflow::{ActsAs, Step};

/// Decides on what the sweep read of a waiting job at `at`: its grant rule, as `DescribeGrantRulesToCen` shows it.
///
/// `attachments` are those of its instance in the CEN, where they were compared: see [`is_late`].
pub fn decide_swept(
    context: &Context<'_>,
    record: Record,
    rule: Option<&GrantRule>,
    attachments: Option<&[Attachment]>,
    at: Timestamp,
    now: Timestamp,
) -> Decision {
    let wait = record.wait.as_ref().filter(|_| record.is_swept());
    let wait = wait.map(|wait| (wait.goal, over(wait, now, context.hour)));
    let mut deciding = Deciding::new(context, record, now);
    let Some((goal, past)) = wait else {
        return deciding.into_decision(Next::Rest);
    };
    if let Some(rule) = rule {
        let attachments = deciding.record.after.take().and_then(|after| after.attachments);
        deciding.record.after = Some(Image {
            at,
            granted: true,
            order_type: rule.order_type,
            effective_order_type: rule.effective_order_type,
            attachments,
        });
    }
    let next = match judge_rule(goal, rule) {
        Swept::Effective => deciding.effective(now),
        Swept::Pending if attachments.is_some_and(|list| disagree(goal, list, past)) => {
            deciding.doubt("the hour has passed, and its attachments are not as it left them; looks for itself")
        }
        Swept::Pending => deciding.still_pending(at),
        Swept::Doubtful => deciding.doubt("the hourly reading was not clear; looks for itself"),
    };
    deciding.into_decision(next)
}

/// Whether the sweep has to compare the attachments of a wait that is still pending: from the second check after its hour
/// on. Usually the effect only shows a little late, and the next check confirms it.
pub fn is_late(record: &Record, rule: Option<&GrantRule>) -> bool {
    let Some(wait) = record.wait.as_ref().filter(|_| record.is_swept()) else { return false };
    let before = wait.last_pending.is_some_and(|at| at >= wait.expected_at);
    before && judge_rule(wait.goal, rule) == Swept::Pending
}

/// Whether attachments show that a wait for `goal` has been disturbed.
fn disagree(goal: OrderType, list: &[Attachment], past: Over) -> bool {
    (list.is_empty() && past == Over::AWholeHour)
        || list.iter().any(|a| a.is_attached() && a.order_type.is_some_and(|payer| payer != goal))
}

impl Deciding<'_> {
    /// Both sides carry the new payer. If this look shows it in force already, because the hour came between the writes and the
    /// look, there is nothing to wait for. Otherwise waits for the boundary after the last write or after the look that first showed
    /// everything attached, whichever is later, by the clock of the cloud. A job that found the writes of another waits for
    /// the hour of that one.
    pub(super) fn await_hour(&mut self, seen: &Seen, rivals: &[Record]) -> Next {
        let Some(goal) = self.goal() else {
            return self.park(Reason::HalfDone, "there is no payer to wait for".into());
        };
        let effective = |image: &Image| image.effective_order_type == Some(goal);
        // One that was billed all the time comes into force at no hour that could be seen, so its hour is waited for.
        let before =
            self.record.before.as_ref().filter(|before| before.effective_order_type.is_some_and(|was| was != goal));
        if let Some(before) = before
            && self.record.after.as_ref().is_some_and(|after| after.order_type == Some(goal) && effective(after))
        {
            self.record.ineffective_at = self.unwritten(before);
            return self.effective(self.now);
        }
        let since = self.last_accepted().into_iter().chain([seen.date.unwrap_or(seen.at)]).max().unwrap_or(self.now);
        let boundary = self.context.hour.next_after(since);
        let shared = rivals
            .iter()
            .filter(|rival| self.record.writes.is_empty() && rival.state() == State::Waiting)
            .filter_map(|rival| rival.wait.as_ref());
        let expected_at = shared.filter(|w| w.goal == goal).map(|w| w.expected_at).min().unwrap_or(boundary);
        self.wait_for(goal, expected_at)
    }

    pub(super) fn wait_for(&mut self, goal: OrderType, expected_at: Timestamp) -> Next {
        // A payer that was billed all the time was never pending, and takes effect at no hour.
        let pending = |after: &Image| after.effective_order_type.is_some_and(|effective| effective != goal);
        self.record.phase = Phase::Waiting { due: self.next_check(expected_at) };
        self.record.empty_since = EmptySince::default();
        self.record.why = format!("{goal} is written and takes effect at {}", whole_second(expected_at));
        self.record.wait = Some(Wait {
            goal,
            expected_at,
            since: self.now,
            last_pending: self.record.after.as_ref().filter(|after| pending(after)).map(|after| after.at),
            unmet_since: None,
            doubt: false,
            overdue: false,
        });
        self.says.push(EventType::Waiting);
        Next::Rest
    }

    /// The latest moment at which nothing of this job was written, for certain: its first intent; if that was sent again, which
    /// moves its time, the look before it.
    fn unwritten(&self, before: &Image) -> Option<Timestamp> {
        let first = self.record.writes.first()?;
        Some(if first.sends == 1 { first.intended_at } else { before.at })
    }

    pub(super) fn next_check(&self, expected_at: Timestamp) -> Timestamp {
        next_check(expected_at, self.now, self.context.hour, &self.context.policies.sweep_offsets)
    }

    pub(super) fn looked_in_wait(&mut self, seen: &Seen) -> Next {
        if !seen.covers(Reads::ALL) {
            return Next::Look(Reads::ALL);
        }
        let Some(wait) = self.record.wait.clone() else {
            return self.park(Reason::HalfDone, "it is at a wait and waits for nothing".into());
        };
        // Also from `Running`: a parked wait that was resumed.
        let stored = self.record.state();
        self.record.phase = Phase::Waiting { due: self.record.phase.due().unwrap_or(self.now) };
        let settled = self.last_write_at().is_none_or(|at| self.now >= later(at, self.context.policies.settle));
        let past = over(&wait, self.now, self.context.hour);
        match judge_wait(&self.record, &wait, seen, self.certain, &self.known, past) {
            Waited::Effective => self.effective(self.now),
            Waited::Pending => self.still_pending(seen.at),
            Waited::Unclear(why) => self.still_unclear(why),
            Waited::Recheck(why) => {
                // The next look is its own again, so that the sweep does not come between.
                if let Some(wait) = &mut self.record.wait {
                    wait.doubt = true;
                }
                self.recheck(why)
            }
            Waited::GrantGone | Waited::Overridden(_) | Waited::Detached | Waited::Missing(_) if !settled => {
                self.still_unclear("the last write may not be shown yet".into())
            }
            Waited::GrantGone => {
                let (id, cen) = (self.record.job.instance.id.clone(), self.record.job.cen.id.clone());
                self.fail(Reason::GrantGone, format!("{id} is no longer granted to {cen}"), vec![])
            }
            Waited::Overridden(message) => self.fail(Reason::Overridden, message, vec![]),
            Waited::Detached => {
                let message = format!(
                    "{} is attached to nothing in {}; {} is written on the grant and did not take effect at {}",
                    self.record.job.instance.id, self.record.job.cen.id, wait.goal, wait.expected_at
                );
                self.fail(Reason::Detached, message, vec![])
            }
            Waited::Missing(why) => self.mend(why, stored),
        }
    }

    /// Goes back from the wait to the missing write, once. From `Waiting` it takes a place in the queue of the instance again;
    /// a resumed wait has one.
    fn mend(&mut self, why: String, stored: State) -> Next {
        let steps = &self.context.definition.steps;
        let wait = steps.iter().position(|step| step.call().is_none()).unwrap_or_default();
        let of_other_account = |step: &&Step| step.call().is_some_and(|call| call.acts_as == ActsAs::TransitRouter);
        let step = steps[..wait].iter().rev().find(of_other_account);
        let Some(step) = step.filter(|_| self.record.undo.is_none() && !self.record.mended) else {
            return self.park(Reason::HalfDone, format!("{why}, and it is not written once more"));
        };
        self.record.mended = true;
        self.record.step.clone_from(&step.name);
        self.record.generation += 1;
        self.record.wait = None;
        let turn = Turn::Due(self.now);
        self.record.phase = if stored == State::Waiting { Phase::Queued(turn) } else { Phase::Running(turn) };
        self.record.why = format!("{why}; writes it");
        self.progress();
        self.commit = true;
        Next::Rest
    }

    /// The sweep cannot tell: the job makes a look of its own.
    fn doubt(&mut self, why: &str) -> Next {
        if let Some(wait) = &mut self.record.wait {
            wait.doubt = true;
        }
        self.record.phase.rest_until(self.now);
        self.record.why = why.into();
        Next::Rest
    }

    /// The goal of the wait is in force.
    pub(super) fn effective(&mut self, at: Timestamp) -> Next {
        self.record.effective_seen = Some(at);
        if let Some(after) = &mut self.record.after {
            after.at = after.at.max(at);
        }
        if self.record.undo.is_some() {
            return self.went_back();
        }
        let wrote = self.record.has_written();
        let (reason, message) =
            self.in_force(if wrote { "is in force" } else { "was written already and is in force" });
        self.finish(State::Completed, reason, message, vec![])
    }

    /// The goal of the wait is written and not in force.
    pub(super) fn still_pending(&mut self, at: Timestamp) -> Next {
        if let Some(wait) = &mut self.record.wait {
            wait.last_pending = Some(at);
            wait.doubt = false;
        }
        self.wait_on("is written and not yet in force".into())
    }

    /// The look does not tell; the next one is at the usual time.
    pub(super) fn still_unclear(&mut self, why: String) -> Next {
        if let Some(wait) = &mut self.record.wait {
            wait.doubt = false;
        }
        self.wait_on(format!("cannot be told: {why}"))
    }

    /// For how long looks have been made in vain since the hour. Time in which the worker was off, and made none, does not
    /// count, nor does the time before the first of them.
    fn unmet(&mut self, wait: &Wait) -> Duration {
        if self.now < wait.expected_at {
            return Duration::ZERO;
        }
        let since = wait.unmet_since.map_or(self.now, |since| later(since, self.late())).min(self.now);
        if let Some(wait) = &mut self.record.wait {
            wait.unmet_since = Some(since);
        }
        until(since, self.now)
    }

    /// The credential that the look needs is refused: it was not in vain, since it was not made.
    pub(super) fn cannot_look(&mut self) {
        if let Some(wait) = &mut self.record.wait {
            wait.unmet_since = None;
        }
    }

    fn wait_on(&mut self, what: String) -> Next {
        let Some(wait) = self.record.wait.clone() else {
            return self.park(Reason::HalfDone, "it is at a wait and waits for nothing".into());
        };
        let (hour, policies) = (self.context.hour, self.context.policies);
        let unmet = self.unmet(&wait);
        if unmet >= hour.scale(policies.give_up_after) {
            return self
                .park(Reason::GaveUp, format!("{} {what}, long after {}", wait.goal, whole_second(wait.expected_at)));
        }
        if !wait.overdue && unmet >= hour.scale(policies.overdue_after) {
            if let Some(wait) = &mut self.record.wait {
                wait.overdue = true;
            }
            self.says.push(EventType::Overdue);
        }
        let due = self.next_check(wait.expected_at);
        self.record.phase.rest_until(due);
        self.record.why = format!("{} {what}; expected at {}", wait.goal, whole_second(wait.expected_at));
        self.commit = true;
        Next::Rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record};
    use crate::domain::{Edition, Hour, Kind};
    use crate::engine::decide::decision::{Observation, decide};
    use crate::engine::ports::cloud::Listing;
    use crate::workflow::{Catalog, Overrides};

    /// A look after the hour at a grant whose attachment has not got the new payer.
    fn missing(record: &Record) -> Seen {
        let job = &record.job;
        let rule = GrantRule {
            cen: job.cen.id.clone(),
            cen_owner: job.cen.owner.clone(),
            instance: job.instance.id.clone(),
            instance_owner: None,
            region: None,
            order_type: Some(OrderType::PayByResourceOwner),
            effective_order_type: Some(OrderType::PayByCenOwner),
        };
        let attachment = Attachment {
            id: "tr-attach-1".into(),
            edition: Edition::Enterprise,
            status: "Attached".into(),
            order_type: Some(OrderType::PayByCenOwner),
        };
        Seen {
            cen_rule: Some(Listing { items: vec![rule.clone()], complete: true }),
            resource_rules: Some(Listing { items: vec![rule], complete: true }),
            attachments: Some(Listing { items: vec![attachment], complete: true }),
            basic: Some(Listing { items: vec![], complete: true }),
            ..Seen::nothing(at("2026-11-21T11:02:00Z"))
        }
    }

    /// A wait that was parked and resumed comes back from `running`, another from `waiting`.
    #[test]
    fn a_missing_write_is_gone_back_to_from_wherever_the_wait_is_stored() {
        let registry = crate::actions::registry();
        let catalog = Catalog::embedded(&registry.specs(), &Overrides::default()).unwrap();
        let definition = catalog.definition(Kind::PayerChange);
        let (policies, classes) = (&catalog.policies, &catalog.classes);
        let rules = Context { definition, registry: &registry, policies, classes, hour: Hour::REAL, told: true };
        for from in [State::Waiting, State::Running] {
            let (expected_at, since) = (at("2026-11-21T11:00:00Z"), at("2026-11-21T10:20:00Z"));
            let goal = OrderType::PayByResourceOwner;
            let wait =
                Wait { goal, expected_at, since, last_pending: None, unmet_since: None, doubt: true, overdue: false };
            let due = at("2026-11-21T11:02:00Z");
            let waits = from == State::Waiting;
            let phase = if waits { Phase::Waiting { due } } else { Phase::Running(Turn::Due(due)) };
            let job = Record { phase, step: "await-hour".into(), wait: Some(wait), ..record("NET-1") };
            let looked = Observation::Looked { seen: missing(&job), rivals: vec![] };
            let decided = decide(&rules, &job, &looked, at("2026-11-21T11:02:01Z")).record;
            assert_eq!(
                (decided.step.as_str(), decided.phase.in_queue()),
                ("update-attachments", true),
                "{}",
                decided.why
            );
            assert!(from.may_become(decided.state()), "{from:?} to {:?}", decided.state());
        }
    }
}
