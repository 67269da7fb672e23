//! Taking a job up, and what keeps it from beginning: its time, its turn, the allow-list, a paused account, an hourly
//! limit, another job that writes to the instance.

use std::time::Duration;

use crate::clock::later;
use crate::domain::{JobUid, Kind, Reason, whole_second};
use crate::engine::decide::backoff;
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::guards::{Pause, setting};
use crate::engine::record::{EmptySince, Phase, State, Turn};
use crate::engine::seen::Reads;
use crate::workflow::Work;

impl Deciding<'_> {
    /// A worker has claimed the job. `refusal` is why its requester may not ask for it, `objections` what configuration
    /// alone finds in its way, `paused` the pause of one of its accounts.
    pub(super) fn taken_up(
        &mut self,
        refusal: Option<&(Reason, String)>,
        objections: &[String],
        paused: Option<&Pause>,
    ) -> Next {
        if self.record.phase.held().is_some() {
            self.record.phase.rest_until(self.now);
            self.progress();
        }
        let queued = self.record.state() == State::Queued;
        self.put_right();
        if queued && let Some(next) = self.not_begun(refusal, objections) {
            return next;
        }
        if let Some(pause) = paused.filter(|_| self.record.may_be_held()) {
            return self.hold(pause);
        }
        if queued {
            // What else is in the way is looked for first, so that all of it is said together.
            self.record.objections = if self.record.has_written() { vec![] } else { objections.to_vec() };
            self.record.phase = Phase::Running(Turn::Due(self.now));
            self.progress();
        }
        self.look_for_step()
    }

    /// What comes before the first step of a queued job: its time, its place in the queue, its requester's right.
    fn not_begun(&mut self, refusal: Option<&(Reason, String)>, objections: &[String]) -> Option<Next> {
        let has_time = self.record.job.not_before.is_some() || self.record.job.not_after.is_some();
        if has_time && !self.context.told && !self.record.has_written() {
            // Not `NotBefore` a time that the cloud may tell to be wrong: what is put off so is not brought forward.
            self.record.phase = Phase::Queued(Turn::Due(later(self.now, self.context.policies.settle_poll)));
            self.record.why = "it has a time of its own, and waits until the cloud has told the time".into();
            return Some(Next::Rest);
        }
        if let Some(at) = self.record.job.not_before.filter(|at| *at > self.now) {
            if self.record.has_written() {
                self.record.phase.rest_until(at);
            } else {
                // By a clock that was ahead it has a place in the queue already, and would hold up those behind it.
                self.record.phase = Phase::Queued(Turn::NotBefore(at));
            }
            self.record.why = format!("not to be begun before {}", whole_second(at));
            return Some(Next::Rest);
        }
        if !self.record.phase.in_queue() {
            // Its time has come; from here on it waits for its turn like every other job on the instance.
            self.record.phase = Phase::Queued(Turn::Due(self.now));
            return Some(Next::Rest);
        }
        if self.is_expired() {
            return Some(self.expire());
        }
        let (reason, why) = refusal.filter(|_| !self.record.has_written())?;
        let findings = std::iter::once(why).chain(objections).filter(|_| !objections.is_empty());
        Some(self.fail(*reason, why.clone(), findings.cloned().collect()))
    }

    /// Looks at what the step the job is at must see.
    pub(super) fn look_for_step(&mut self) -> Next {
        match self.step().map(|step| &step.work) {
            None => self.park(Reason::UnknownCall, format!("its definition has no step {:?}", self.record.step)),
            Some(Work::Wait { .. }) => Next::Look(Reads::ALL),
            Some(Work::Call(call)) => match self.action(call) {
                Some(action) => Next::Look(action.reads(&self.view())),
                None => {
                    let verb = call.undo.as_ref().filter(|_| self.record.undo.is_some()).unwrap_or(&call.verb);
                    self.park(Reason::UnknownCall, format!("this program has no call {verb:?}"))
                }
            },
        }
    }

    /// Rests until the account is unpaused, or the job may not be begun any more.
    pub(super) fn hold(&mut self, pause: &Pause) -> Next {
        if self.is_expired() {
            return self.expire();
        }
        self.record.empty_since = EmptySince::default();
        // It expires after that instant, not at it.
        let expires = self.record.job.not_after.map(|at| later(at, Duration::from_micros(1)));
        // As long as the time is not known, that may be past, and it does not expire.
        let turn = if expires.is_some() && !self.context.told {
            Turn::Due(later(self.now, self.context.policies.settle_poll))
        } else {
            Turn::Held { account: pause.account.clone(), expires }
        };
        let queued = self.record.state() == State::Queued;
        self.record.phase = if queued { Phase::Queued(turn) } else { Phase::Running(turn) };
        self.record.why = pause.to_string();
        Next::Rest
    }

    /// The hourly limit is used up. Nothing was written, so the next job on the instance may pass.
    pub(super) fn over_limit(&mut self, begun: u64, most: u32) -> Next {
        let job = &self.record.job;
        let what = match job.kind {
            Kind::Revoke => format!("revokes in {}", job.cen.id),
            _ => format!("payer changes of instances of account {}", job.instance.owner),
        };
        let setting = setting(job.kind).unwrap_or_default();
        let message = format!(
            "{what} begun within the last hour: {begun}; `[limits] {setting}` allows {most}, so it needs approval"
        );
        self.park(Reason::NeedsApproval, message)
    }

    /// Another job has the lock of the instance. Looks again as often as at something busy, and for as long as it takes: an
    /// operator may have to put that job right first.
    pub(super) fn locked(&mut self, other: JobUid) -> Next {
        if self.is_expired() {
            return self.expire();
        }
        self.record.attempt += 1;
        self.record.trying_since = self.now;
        let delay = backoff::delay(self.context.policies.busy(), self.record.attempt, &self.record.uid.to_string());
        self.record.phase.rest_until(later(self.now, delay));
        self.record.why = format!(
            "job {other}, which names another owner of the instance, writes to it or has left it half done: see `crossgrant show {other}`"
        );
        Next::Rest
    }

    /// Whether `not_after` has passed and nothing was written: then the job may not begin any more.
    pub(super) fn is_expired(&self) -> bool {
        self.context.told && !self.record.has_written() && self.record.job.not_after.is_some_and(|at| self.now > at)
    }

    pub(super) fn expire(&mut self) -> Next {
        let by = self.record.job.not_after.map(|at| at.to_string()).unwrap_or_default();
        self.fail(Reason::Expired, format!("it was not begun by {by}"), vec![])
    }
}
