//! Waiting for the hour: how a job comes to wait, what a look or the sweep makes of it, and how the wait ends. Pure.

use jiff::Timestamp;

use super::action::{Reads, Seen};
use super::decide::{Deciding, Decision, Next, Rules};
use super::hour::{Swept, Waited, judge_rule, judge_wait, next_check};
use super::state::{Image, Record, State, Wait};
use crate::clock::later;
use crate::domain::{EventType, OrderType, Reason, Rule};

/// Decides on what the sweep read of a waiting job at `at`: the rule as the first witness shows it.
pub fn decide_swept(rules: &Rules<'_>, record: Record, rule: Option<&Rule>, at: Timestamp, now: Timestamp) -> Decision {
    let goal = record.wait.as_ref().filter(|_| record.is_swept()).map(|wait| wait.goal);
    let mut deciding = Deciding::new(rules, record, now);
    let Some(goal) = goal else {
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
        Swept::Pending => deciding.still_pending(at),
        Swept::Doubtful => {
            if let Some(wait) = &mut deciding.record.wait {
                wait.doubt = true;
            }
            deciding.record.due = Some(now);
            deciding.record.why = "the hourly reading was not clear; looks for itself".into();
            Next::Rest
        }
    };
    deciding.into_decision(next)
}

impl Deciding<'_> {
    /// Both sides carry the new payer: wait for the boundary after the later of the last write and the look that first
    /// saw everything attached, by the cloud's own clock. A job that found another one's writes waits as long as that.
    pub(super) fn await_hour(&mut self, seen: &Seen, rivals: &[Record]) -> Next {
        let Some(goal) = self.goal() else {
            return self.park(Reason::HalfDone, "there is no payer to wait for".into());
        };
        let since = self.last_accepted().into_iter().chain([seen.date.unwrap_or(seen.at)]).max().unwrap_or(self.now);
        let boundary = self.rules.hour.next_after(since);
        let shared = rivals.iter().filter(|_| self.record.writes.is_empty()).filter_map(|rival| rival.wait.as_ref());
        let expected_at = shared.filter(|w| w.goal == goal).map(|w| w.expected_at).min().unwrap_or(boundary);
        self.wait_for(goal, expected_at)
    }

    pub(super) fn wait_for(&mut self, goal: OrderType, expected_at: Timestamp) -> Next {
        // A payer that never left billing was not seen pending, and did not take effect at any hour.
        let pending = |after: &Image| after.effective_order_type.is_some_and(|effective| effective != goal);
        self.record.state = State::Waiting;
        self.record.in_line = false;
        self.record.due = Some(self.next_check(expected_at));
        self.record.why = format!("{goal} is written and takes effect at {expected_at}");
        self.record.wait = Some(Wait {
            goal,
            expected_at,
            since: self.now,
            last_pending: self.record.after.as_ref().filter(|after| pending(after)).map(|after| after.at),
            doubt: false,
            overdue: false,
        });
        self.says.push(EventType::Waiting);
        Next::Rest
    }

    pub(super) fn next_check(&self, expected_at: Timestamp) -> Timestamp {
        next_check(expected_at, self.now, self.rules.hour, &self.rules.policies.sweep_offsets)
    }

    pub(super) fn looked_in_wait(&mut self, seen: &Seen) -> Next {
        if !seen.covers(Reads::ALL) {
            return Next::Look(Reads::ALL);
        }
        let Some(wait) = self.record.wait.clone() else {
            return self.park(Reason::HalfDone, "it is at a wait and waits for nothing".into());
        };
        // Also from `Running`: a parked wait that was resumed.
        self.record.state = State::Waiting;
        self.record.in_line = false;
        let settled = self.last_write_at().is_none_or(|at| self.now >= later(at, self.rules.policies.settle));
        match judge_wait(&self.record, &wait, seen) {
            Waited::Effective => self.effective(self.now),
            Waited::Pending => self.still_pending(seen.at),
            Waited::Unclear(why) => self.still_unclear(why),
            Waited::GrantGone | Waited::Overridden if !settled => {
                self.still_unclear("the last write may not be shown yet".into())
            }
            Waited::GrantGone => {
                let (id, cen) = (self.record.job.instance.id.clone(), self.record.job.cen.id.clone());
                self.fail(Reason::GrantGone, format!("{id} is no longer granted to {cen}"), vec![])
            }
            Waited::Overridden => {
                let goal = wait.goal;
                self.fail(Reason::Overridden, format!("somebody set the payer back from {goal}"), vec![])
            }
        }
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
        let goal = self.goal().map(|goal| goal.to_string()).unwrap_or_default();
        let (id, cen) = (&self.record.job.instance.id, &self.record.job.cen.id);
        let (reason, message) = match self.record.has_written() {
            true => (Reason::Done, format!("{id} in {cen}: {goal} is in force")),
            false => (Reason::AlreadySatisfied, format!("{id} in {cen}: {goal} was written already and is in force")),
        };
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

    /// Nothing can be told; the next look is at the usual time.
    pub(super) fn still_unclear(&mut self, why: String) -> Next {
        if let Some(wait) = &mut self.record.wait {
            wait.doubt = false;
        }
        self.wait_on(format!("cannot be told: {why}"))
    }

    fn wait_on(&mut self, what: String) -> Next {
        let Some(wait) = self.record.wait.clone() else {
            return self.park(Reason::HalfDone, "it is at a wait and waits for nothing".into());
        };
        let hour = self.rules.hour;
        if self.now >= later(wait.expected_at.max(wait.since), hour.scale(self.rules.policies.give_up_after)) {
            return self.park(Reason::GaveUp, format!("{} {what}, long after {}", wait.goal, wait.expected_at));
        }
        if !wait.overdue && self.now >= later(wait.expected_at, hour.scale(self.rules.policies.overdue_after)) {
            if let Some(wait) = &mut self.record.wait {
                wait.overdue = true;
            }
            self.says.push(EventType::Overdue);
        }
        self.record.due = Some(self.next_check(wait.expected_at));
        self.record.why = format!("{} {what}; expected at {}", wait.goal, wait.expected_at);
        self.commit = true;
        Next::Rest
    }
}
