//! What a step can call, as a port of the engine: what to read, what to make of it, and, for the ones that write, the
//! call itself. Reading and judging know nothing of time, stores or retries; the engine knows nothing of grants.

use async_trait::async_trait;

use crate::domain::{AccountUid, CalledAs, InstanceType, Job, Operation, OrderType, Reason};
use crate::engine::ports::cloud::{Answer, CloudError, ResourceWriter, TransitRouterWriter};
use crate::engine::record::{Outcome, Record, Write};
use crate::engine::seen::{Reads, Seen};
use crate::workflow::VerbSpec;

/// What is certain of a look by the looks before it: an empty answer is never believed where it matters unless another,
/// asked a while after the first was given, was empty too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certain {
    /// That attachments are not there: none at all, or none of some that were shown before.
    pub detached: bool,
    /// That the transit-router account is not shown the CEN.
    pub not_owner: bool,
    /// That whatever this job wrote shows by now if it took effect.
    pub settled: bool,
    /// That a grant which was there when the job began is not any more, where one witness alone can tell.
    pub gone: bool,
}

impl Certain {
    /// Everything, as in what is only supposed.
    pub const ALL: Self = Self { detached: true, not_owner: true, settled: true, gone: true };
}

/// After how many tries in a row that were turned away for now there is more behind it than a resource that is busy for a
/// moment.
pub(in crate::engine) const NOT_JUST_BUSY: u32 = 3;

/// What a step works on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The job and everything known of it.
    pub record: &'a Record,
    /// The payer to arrive at: the one asked for, or, when undoing, the one of the before-image.
    pub goal: Option<OrderType>,
    /// Whether the step is being undone.
    pub undo: bool,
    /// What is certain of the look it is judged by.
    pub certain: Certain,
}

impl View<'_> {
    /// The last write of the step, in this direction.
    fn last_write(&self) -> Option<&Write> {
        let mut writes = self.record.writes.iter().rev();
        writes.find(|w| w.step == self.record.step && w.undo == self.undo)
    }

    /// Whether the last write of the step was refused, and not only for a moment.
    pub fn refused(&self) -> bool {
        let lasts = self.record.attempt >= NOT_JUST_BUSY;
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { retry, .. } if lasts || !retry))
    }

    /// Whether the last write of the step was accepted: all that is missing is to see it, for which one witness will do.
    pub fn accepted(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Accepted { .. }))
    }

    /// Whether the cloud has refused the last write of the step because its end state is there already.
    pub fn refused_as_done(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { done: true, .. }))
    }

    /// What was asked.
    pub fn job(&self) -> &Job {
        &self.record.job
    }

    /// The type of the instance.
    pub fn kind(&self) -> InstanceType {
        self.record.job.instance.kind
    }
}

/// A write that a step wants made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// What to call.
    pub operation: Operation,
    /// The id of the instance or attachment written to.
    pub resource: String,
    /// The payer set; `None` where the operation sets none.
    pub order_type: Option<OrderType>,
}

impl Intended {
    /// The account it is made as: the one of the job's two that the operation belongs to.
    pub fn account<'a>(&self, job: &'a Job) -> &'a AccountUid {
        match self.operation.called_as() {
            CalledAs::TransitRouter => &job.cen.owner,
            CalledAs::Resource | CalledAs::Either | CalledAs::Hub | CalledAs::Unsigned => &job.instance.owner,
        }
    }
}

/// What a step makes of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The step is through, with one of the outcomes of its verb.
    Done(&'static str),
    /// This write is missing.
    Write(Intended),
    /// The cloud is at work on it; look again later.
    Busy(String),
    /// The look proves nothing; look again.
    Unclear(String),
    /// An empty answer matters here and is not believed yet: another look, a while later, has to agree.
    Recheck(String),
    /// The ground has shifted under the job: begin again at the first step. Said only where no write of this job would be lost sight of; in an undo it parks the job.
    StartOver(String),
    /// This cannot be done.
    Refuse {
        /// From the closed list.
        reason: Reason,
        /// In one plain sentence.
        message: String,
        /// Each finding, where there are several.
        findings: Vec<String>,
    },
}

/// The side a writing action acts on.
pub enum Side<'a> {
    /// It only reads.
    Readers,
    /// In the account that owns the instance.
    Resource(&'a dyn ResourceAction),
    /// In the account that owns the CEN.
    TransitRouter(&'a dyn TransitRouterAction),
}

/// Something a step can call.
pub trait Action: Send + Sync {
    /// Its name, whose account it needs, and its outcomes.
    fn spec(&self) -> VerbSpec;

    /// What it has to see before it can judge.
    fn reads(&self, view: &View<'_>) -> Reads;

    /// What it makes of a look that covers its reads.
    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement;

    /// Puts the effect of the write it intends into a look, as if it had been made and was shown.
    fn foresee(&self, _job: &Job, _write: &Intended, _seen: &mut Seen) {}

    /// What may lie behind a refusal of its write and can be read nowhere beforehand: it is named with the refusal.
    /// `classified`: whether the error table knows the code.
    fn unforeseeable(&self, _view: &View<'_>, _code: &str, _classified: bool) -> Option<&'static str> {
        None
    }

    /// Whether its write changes the payer of something that is there, which the cloud may refuse for an hour.
    fn changes_payer(&self) -> bool {
        false
    }

    /// How it writes.
    fn side(&self) -> Side<'_> {
        Side::Readers
    }
}

/// Writes as the owner of the instance.
#[async_trait]
pub trait ResourceAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// Writes as the owner of the CEN.
#[async_trait]
pub trait TransitRouterAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// All actions there are.
pub struct Registry {
    actions: Vec<Box<dyn Action>>,
}

impl Registry {
    /// A registry of these.
    pub fn new(actions: Vec<Box<dyn Action>>) -> Self {
        Self { actions }
    }

    /// The action of that name.
    pub fn get(&self, verb: &str) -> Option<&dyn Action> {
        self.actions.iter().map(AsRef::as_ref).find(|action| action.spec().name == verb)
    }

    /// What definitions are checked against.
    pub fn specs(&self) -> Vec<VerbSpec> {
        self.actions.iter().map(|action| action.spec()).collect()
    }
}
