//! Deciding: from the committed record of a job and one new observation to the next record, the events of it, and what to do
//! after the commit. The same record and observation always give the same decision.
//!
//! A step goes round until it is done:
//!
//! ```text
//!   look ──► judge ──► done ─────► next step (judged by the same look, when it saw enough)
//!    ▲         │  ├──► busy, unclear ──► rest until due ──► look
//!    │         │  └──► refuse ──► end, undo or park
//!    │         ▼
//!    │       write missing ──► commit the intent ──► act ──► commit the answer ──┐
//!    └───────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! This is safe to be cut anywhere, because a write follows only from a committed intent, and a job that is taken up again
//! always looks first. What the look means depends on the outstanding intent: see [`crate::engine::decide::writes`].

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::until;
use crate::domain::{AccountUid, Attachment, EventType, Hour, JobUid, Operation, OrderType, Reason};
use crate::engine::guards::Pause;
use crate::engine::ports::action::{Action, Certain, Registry, View};
use crate::engine::ports::cloud::{Answer, CloudError};
use crate::engine::record::Record;
use crate::engine::seen::{Reads, Seen};
use crate::workflow::{Call, Definition, ErrorClasses, Policies, Step};

/// What a decision depends on besides the record and the observation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The definition the job is pinned to.
    pub definition: &'a Definition,
    /// The actions that steps can call.
    pub registry: &'a Registry,
    /// The retry policies and timings of `workflows/policies.toml`, with the overrides of the operator.
    pub policies: &'a Policies,
    /// The table of error classes.
    pub classes: &'a ErrorClasses,
    /// The billing hour.
    pub hour: Hour,
    /// Whether the cloud has told the time. Before that, nothing begins or expires because of it.
    pub told: bool,
}

/// What happened since the last decision.
#[derive(Debug, Clone)]
pub enum Observation {
    /// A worker has claimed the job.
    TakenUp {
        /// Why its requester may not ask for it; `None` if it may.
        refusal: Option<(Reason, String)>,
        /// What configuration alone finds in its way.
        objections: Vec<String>,
        /// The pause of one of its accounts, if there is one.
        paused: Option<Pause>,
    },
    /// The first intent was not committed, because one of its accounts was paused meanwhile.
    Paused(Pause),
    /// The first intent was not committed, because the hourly limit is used up.
    OverLimit {
        /// How many other jobs began within the last hour.
        begun: u64,
        /// The limit.
        most: u32,
    },
    /// An intent was not committed, because this other job writes to the instance, or has left it half done.
    Locked(JobUid),
    /// A look was answered.
    Looked {
        /// What the look shows.
        seen: Seen,
        /// Payer changes of the same instance in the same CEN that wait for the hour, and earlier jobs on the instance that are
        /// parked and let this one pass.
        rivals: Vec<Record>,
    },
    /// A look for a job that will not begin, because of its objections.
    SeenInPart {
        /// What the parts that could be read show.
        seen: Seen,
        /// One sentence for each part that could not be read.
        unread: Vec<String>,
        /// The reads that were asked for. Those of an account without credentials are neither in `seen` nor in `unread`.
        asked: Reads,
    },
    /// A look failed.
    LookFailed(CloudError),
    /// This program cannot use the definition that the job is pinned to, and decides by the current one.
    Undefined {
        /// What is wrong with the pinned definition.
        why: String,
    },
    /// The budget has no room for the write that follows from a look.
    NoRoom {
        /// The operation that would write.
        operation: Operation,
        /// The account whose budget is used up.
        account: AccountUid,
        /// How long until there is room.
        opens_in: Duration,
        /// Whether the worker has waited for room once already.
        waited: bool,
    },
    /// A write was made.
    Answered {
        /// Index into `writes` of the record.
        write: usize,
        /// The answer, or why there is none.
        answer: Result<Answer<()>, CloudError>,
    },
}

/// What to do after the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Read the cloud.
    Look(Reads),
    /// Make the write at this index of `writes`.
    Write(usize),
    /// Wait for room in the budget, then decide on the same look again.
    AwaitRoom,
    /// Nothing: the job rests until it is due, or has ended.
    Rest,
}

/// What follows from an observation.
#[derive(Debug, Clone)]
pub struct Decision {
    /// The next record.
    pub record: Record,
    /// Whether the record must be on disk before `next`.
    pub commit: bool,
    /// Whether this is the first intent of a job that has changed nothing: then the commit tests limits and pauses.
    pub begins: bool,
    /// Events to publish with the commit.
    pub says: Vec<EventType>,
    /// Other jobs that change in the same commit, each with its event.
    pub also: Vec<(Record, EventType)>,
    /// What to do after the commit.
    pub next: Next,
}

/// What to do next, given what has happened. A job that has ended only rests, whatever the observation.
pub fn decide(context: &Context<'_>, record: &Record, observation: &Observation, now: Timestamp) -> Decision {
    let mut deciding = Deciding::new(context, record.clone(), now);
    let next = match observation {
        _ if record.state().is_terminal() => Next::Rest,
        Observation::Undefined { why } => deciding.park(Reason::UnknownCall, why.clone()),
        Observation::TakenUp { refusal, objections, paused } => {
            deciding.taken_up(refusal.as_ref(), objections, paused.as_ref())
        }
        Observation::Paused(pause) => deciding.taken_up(None, &[], Some(pause)),
        Observation::OverLimit { begun, most } => deciding.over_limit(*begun, *most),
        Observation::Locked(other) => deciding.locked(*other),
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
    /// What is certain of the look that is judged.
    pub(super) certain: Certain,
    /// The attachments as the record knew them before that look.
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

    /// How long ago the job was due: the worker was off, or had no hand free.
    pub(super) fn late(&self) -> Duration {
        self.record.phase.due().map_or(Duration::ZERO, |due| until(due, self.now))
    }

    /// The payer to arrive at: the one asked for or, in an undo, the one from before.
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

    /// The step the job is at. `None` if its definition has no such step, which only a damaged store shows.
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
}
