//! Deciding: from what is committed of a job and one new observation to what is committed next, what is said, and what
//! is done. Pure: no IO, no clock, no randomness. The same record and observation always give the same decision.
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
//! What makes it safe to be cut anywhere: an act follows only from a committed intent, and a job taken up again always
//! looks first. What the look means depends on the intent that is outstanding: see [`crate::engine::decide::writes`].

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{AccountUid, Attachment, EventType, Hour, OrderType, Reason};
use crate::engine::guards::Pause;
use crate::engine::ports::action::{Action, Certain, Reads, Registry, Seen, View};
use crate::engine::ports::cloud::{Answer, CloudError};
use crate::engine::record::Record;
use crate::workflow::{Call, Definition, ErrorClasses, Policies, Step};

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
        operation: String,
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
        _ if record.state().is_terminal() => Next::Rest,
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
            deciding.no_room(operation, account, *opens_in, *waited)
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
}
