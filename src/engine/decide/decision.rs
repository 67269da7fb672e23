//! Deciding: from what is committed of a job and one new observation to what is committed next, what is said, and what
//! is done. Pure: no IO, no clock, no randomness. The same record and observation always give the same decision.
//!
//! A step goes round until it is through:
//!
//! ```text
//!   look ──► judge ──► through ──► next step (judged by the same look, when it saw enough)
//!    ▲         │  ├──► busy, unclear ──► rest until due ──► look
//!    │         │  └──► refuse ──► end, undo or park
//!    │         ▼
//!    │       write missing ──► commit the intent ──► act ──► commit the answer ──┐
//!    └───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What makes it safe to be cut anywhere: an act follows only from a committed intent, and a job taken up again always
//! looks first. What the look means depends on the intent that is outstanding: see [`crate::engine::decide::writes`].

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::{AccountUid, Attachment, EventType, Hour, Mode, Operation, OrderType, Reason};
use crate::engine::guards::Pause;
use crate::engine::ports::action::{Action, Certain, Judgement, Reads, Registry, Seen, View, VpnAttached};
use crate::engine::ports::cloud::{Answer, CloudError};
use crate::engine::record::{Image, Outcome, Record, State, Write};
use crate::workflow::{Call, Class, Definition, ErrorClasses, Finding, Policies, Step, Target, Work};

/// What decisions go by.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The steps the job is pinned to.
    pub definition: &'a Definition,
    /// What they can call.
    pub registry: &'a Registry,
    /// How patiently.
    pub policies: &'a Policies,
    /// What errors mean.
    pub classes: &'a ErrorClasses,
    /// The billing hour.
    pub hour: Hour,
}

/// What was observed.
#[derive(Debug, Clone)]
pub enum Observation {
    /// The job was taken up: it is due, and its turn.
    TakenUp {
        /// Why nothing may be done or read for whoever asks; `None` if it may.
        refusal: Option<(Reason, String)>,
        /// What is in its way by configuration alone.
        objections: Vec<String>,
        /// The pause of one of its accounts.
        paused: Option<Pause>,
    },
    /// It was about to begin, and one of its accounts was paused meanwhile. Nothing of it was committed.
    Paused(Pause),
    /// It was about to begin, and as many as may have begun within the last hour. Nothing of it was committed.
    OverLimit {
        /// How many others have.
        begun: u64,
        /// How many may.
        most: u32,
    },
    /// A look, and the jobs that wait on the same grant.
    Looked {
        /// What it saw.
        seen: Seen,
        /// Waiting payer changes of the same instance in the same CEN.
        rivals: Vec<Record>,
    },
    /// A look at a job that will not be begun, because of its objections.
    SeenInPart {
        /// What could be seen.
        seen: Seen,
        /// What could not be read, and why.
        unread: Vec<String>,
        /// What was asked for. What an account without credentials was to be asked is neither seen nor unread.
        asked: Reads,
    },
    /// A look that failed.
    LookFailed(CloudError),
    /// The definition it is pinned to cannot be used by this program; it is taken up under the one of today.
    Undefined {
        /// What is wrong with it.
        why: String,
    },
    /// The write that follows from a look would find no room in the budget of its account.
    NoRoom {
        /// The operation.
        operation: Operation,
        /// The account.
        account: AccountUid,
        /// When there will be room.
        opens_in: Duration,
        /// Whether it was waited for already.
        waited: bool,
    },
    /// What came of a write.
    Answered {
        /// Its place among the writes of the record.
        write: usize,
        /// The answer, if there was one.
        answer: Result<Answer<()>, CloudError>,
    },
}

/// What to do after the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read the cloud.
    Look(Reads),
    /// Make the write at this place.
    Write(usize),
    /// Wait for room in the budget, and then decide on the same look again.
    AwaitRoom,
    /// Nothing: the job rests until its due time, or for good.
    Rest,
}

/// A decision.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The record to commit.
    pub record: Record,
    /// Whether anything of it must be on disk before `next`.
    pub commit: bool,
    /// Whether it commits to a write and nothing was changed before: the hourly limits and pauses are tested with it.
    pub begins: bool,
    /// What to say with the commit.
    pub says: Vec<EventType>,
    /// Other jobs that change in the same commit, and what is said of them.
    pub also: Vec<(Record, EventType)>,
    /// What to do then.
    pub next: Next,
}

/// Decides.
pub fn decide(context: &Context<'_>, record: &Record, observation: &Observation, now: Timestamp) -> Decision {
    let mut deciding = Deciding::new(context, record.clone(), now);
    let next = match observation {
        _ if record.state.is_terminal() => Next::Rest,
        Observation::Undefined { why } => deciding.park(Reason::UnknownCall, why.clone()),
        Observation::TakenUp { refusal, objections, paused } => {
            deciding.taken_up(refusal.as_ref(), objections, paused.as_ref())
        }
        Observation::Paused(pause) => deciding.taken_up(None, &[], Some(pause)),
        Observation::OverLimit { begun, most } => deciding.over_limit(*begun, *most),
        Observation::SeenInPart { seen, unread, asked } => deciding.seen_in_part(seen, unread, *asked),
        Observation::Looked { seen, rivals } => deciding.looked(seen, rivals),
        Observation::LookFailed(error) => deciding.look_failed(error),
        Observation::NoRoom { operation, account, opens_in, waited } => {
            deciding.no_room(*operation, account, *opens_in, *waited)
        }
        Observation::Answered { write, answer } => deciding.answered(*write, answer),
    };
    deciding.into_decision(next)
}

/// A decision in the making.
pub(super) struct Deciding<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) record: Record,
    pub(super) now: Timestamp,
    pub(super) commit: bool,
    pub(super) begins: bool,
    pub(super) says: Vec<EventType>,
    pub(super) also: Vec<(Record, EventType)>,
    /// What is certain of the look being judged.
    pub(super) certain: Certain,
    /// The attachments as they were known before it.
    pub(super) known: Vec<Attachment>,
}

impl<'a> Deciding<'a> {
    pub(super) fn new(context: &'a Context<'a>, record: Record, now: Timestamp) -> Self {
        let (says, also, certain, known) = (Vec::new(), Vec::new(), Certain::default(), Vec::new());
        Self { context, record, now, commit: false, begins: false, says, also, certain, known }
    }

    pub(super) fn into_decision(self, next: Next) -> Decision {
        let commit = self.commit || next == Next::Rest;
        Decision { record: self.record, commit, begins: self.begins, says: self.says, also: self.also, next }
    }

    /// The payer to arrive at in the direction the job is going.
    pub(super) fn goal(&self) -> Option<OrderType> {
        match &self.record.undo {
            None => self.record.job.order_type,
            Some(_) => self.record.before.as_ref().and_then(|before| before.order_type),
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        let undo = self.record.undo.is_some();
        View { record: &self.record, goal: self.goal(), undo, certain: self.certain }
    }

    /// The step the job is at. `None`: its pinned definition has no such step any more, which only a damaged store shows.
    pub(super) fn step(&self) -> Option<&'a Step> {
        self.context.definition.step(&self.record.step)
    }

    pub(super) fn action(&self, call: &Call) -> Option<&'a dyn Action> {
        match (&self.record.undo, &call.undo) {
            (None, _) => self.context.registry.get(&call.verb),
            (Some(_), Some(verb)) => self.context.registry.get(verb),
            (Some(_), None) => None,
        }
    }

    fn taken_up(&mut self, refusal: Option<&(Reason, String)>, objections: &[String], paused: Option<&Pause>) -> Next {
        if self.record.held.take().is_some() {
            self.progress();
        }
        let record = &self.record;
        if record.state == State::Queued {
            if let Some(at) = record.job.not_before.filter(|at| *at > self.now) {
                self.record.due = Some(at);
                self.record.why = format!("not to be begun before {at}");
                return Next::Rest;
            }
            if !record.in_queue {
                // Its time has come; from here on it waits for its turn like every other job on the instance.
                self.record.in_queue = true;
                self.record.due = Some(self.now);
                return Next::Rest;
            }
            if self.is_expired() {
                return self.expire();
            }
            if let Some((reason, why)) = refusal.filter(|_| !record.has_written()) {
                let findings = std::iter::once(why).chain(objections).filter(|_| !objections.is_empty());
                return self.fail(*reason, why.clone(), findings.cloned().collect());
            }
        }
        if let Some(pause) = paused.filter(|_| self.record.may_be_held()) {
            return self.hold(pause);
        }
        if self.record.state == State::Queued {
            // What else is in the way is looked for first, so that all of it is said together.
            self.record.objections = if self.record.has_written() { vec![] } else { objections.to_vec() };
            self.record.state = State::Running;
            self.progress();
        }
        match self.step().map(|step| &step.work) {
            None => self.park(Reason::UnknownCall, format!("its definition has no step {:?}", self.record.step)),
            Some(Work::Wait(_)) => Next::Look(Reads::ALL),
            Some(Work::Call(call)) => match self.action(call) {
                Some(action) => Next::Look(action.reads(&self.view())),
                None => {
                    let verb = call.undo.as_ref().filter(|_| self.record.undo.is_some()).unwrap_or(&call.verb);
                    self.park(Reason::UnknownCall, format!("this program has no call {verb:?}"))
                }
            },
        }
    }

    fn looked(&mut self, seen: &Seen, rivals: &[Record]) -> Next {
        self.record.calls += seen.calls;
        // Good keys of readers say nothing of those that a write was refused with.
        let refused = |write: &Write| match &write.outcome {
            Outcome::Refused { code, retry: true, .. } => self.classify_refused(write, code).class == Class::Auth,
            _ => false,
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
        if self.record.undo.is_some() {
            // A write that is to be undone may not have landed yet.
            if let Some(rest) = self.unsettled_rest(seen) {
                return rest;
            }
        }
        loop {
            let Some(step) = self.step() else {
                return self.park(Reason::UnknownCall, format!("its definition has no step {:?}", self.record.step));
            };
            let call = match &step.work {
                Work::Wait(_) => return self.looked_in_wait(seen),
                Work::Call(call) => call,
            };
            let Some(action) = self.action(call) else { return self.taken_up(None, &[], None) };
            let reads = action.reads(&self.view());
            if !seen.covers(reads) {
                return Next::Look(reads);
            }
            let spec = action.spec();
            match action.judge(&self.view(), seen) {
                Judgement::Done(outcome) => {
                    self.effect_seen();
                    let on =
                        if self.record.undo.is_some() { None } else { self.context.definition.after(step, outcome) };
                    if let Some(next) = self.through(step, on, spec.writes, seen, rivals) {
                        return next;
                    }
                }
                Judgement::Write(_) if self.record.job.mode == Mode::Plan => {
                    return self.planned(&Target::Step(step.name.clone()), seen);
                }
                Judgement::Write(intended) => return self.wants(call, intended, seen, rivals),
                Judgement::Busy(why) => return self.again("busy", why),
                Judgement::Unclear(why) => return self.again(&call.retry, why),
                Judgement::Recheck(why) => return self.recheck(why),
                // What this job made is in use; taking it back as it stands would harm somebody.
                Judgement::StartOver(why) if self.record.undo.is_some() => {
                    return self.park(Reason::HalfDone, format!("cannot go back: {why}"));
                }
                Judgement::StartOver(why) => {
                    if let Some(rest) = self.unsettled_rest(seen) {
                        return rest;
                    }
                    self.record.step = self.context.definition.first().name.clone();
                    // What was refused on the old ground may be asked for again on the new one.
                    self.record.generation += 1;
                    return self.again("busy", why);
                }
                Judgement::Refuse { reason, message, findings } => {
                    self.believe_refusals();
                    return self.refused(reason, message, findings);
                }
            }
        }
    }

    /// Ends with everything that is in the way: what configuration knows, and what a look finds. Of a plan it says too
    /// what would follow otherwise, if that can be told.
    fn seen_in_part(&mut self, seen: &Seen, unread: &[String], asked: Reads) -> Next {
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

    /// A step is through: on to the next. `Some` when there is none, or it waits.
    fn through(
        &mut self,
        step: &Step,
        on: Option<Target>,
        wrote: bool,
        seen: &Seen,
        rivals: &[Record],
    ) -> Option<Next> {
        self.progress();
        if self.record.undo.is_some() {
            return match self.next_undo(Some(step)) {
                Some(name) => {
                    self.record.step = name;
                    None
                }
                None => Some(self.undone(seen)),
            };
        }
        if !wrote && !self.record.has_written() {
            self.record.before = self.record.after.clone();
        }
        let target = on.unwrap_or(Target::End);
        if self.is_expired() && self.record.writes.is_empty() {
            return Some(self.expire());
        }
        if self.record.job.mode == Mode::Plan {
            return Some(self.planned(&target, seen));
        }
        match target {
            Target::End => Some(self.complete(seen)),
            Target::Step(name) => {
                self.record.step = name;
                match self.step().map(|step| &step.work) {
                    Some(Work::Wait(_)) => Some(self.await_hour(seen, rivals)),
                    _ => None,
                }
            }
        }
    }

    fn look_failed(&mut self, error: &CloudError) -> Next {
        let verdict = self.classify(error);
        let message = error.to_string();
        if self.record.state == State::Waiting {
            let next = self.still_unclear(message);
            // Its next check may come sooner than the server wants to be asked.
            if let (Some(asked), Some(due)) = (error.retry_after, self.record.due) {
                self.record.due = Some(due.max(later(self.now, asked)));
            }
            return next;
        }
        if verdict.class == Class::Held {
            return self.held_back(message, error.retry_after);
        }
        let policy = match self.step().map(|step| &step.work) {
            Some(Work::Call(call)) => call.retry.clone(),
            _ => "read".to_owned(),
        };
        if verdict.class == Class::Permanent && !self.record.has_written() {
            let text = format!("{message}: {}", verdict.meaning);
            if verdict.finding == Some(Finding::Instance) {
                return self.fail(Reason::PreflightFailed, text.clone(), vec![text]);
            }
            return self.fail(Reason::RefusedByCloud, text, vec![]);
        }
        self.after_failure(&policy, &verdict, error)
    }
}
