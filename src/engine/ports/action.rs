//! What a step can call, as a port of the engine: what to read, how to judge it, and, if it writes, the call itself. An
//! action knows nothing of time, stores or retries; the engine knows nothing of grants.

use async_trait::async_trait;

use crate::domain::{InstanceType, Job, Operation, OrderType, Reason};
use crate::engine::ports::cloud::{Answer, CloudError, ResourceWriter, TransitRouterWriter};
use crate::engine::record::{NOT_JUST_BUSY, Outcome, Record, Write};
use crate::engine::seen::{Reads, Seen};
use crate::workflow::VerbSpec;

/// What a look may be believed in, by the looks before it. Where an empty answer matters, it is believed only if another
/// one, asked for a while after the first was given, was empty too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certain {
    /// That attachments are gone: there are none, or some that were shown before are missing.
    pub detached: bool,
    /// That the transit-router account is not shown the CEN.
    pub not_owner: bool,
    /// That every write of this job would show by now if it took effect.
    pub settled: bool,
    /// That the grant which was there when the job began is gone, where one witness alone can tell.
    pub gone: bool,
}

impl Certain {
    /// Everything, for a forecast that only supposes.
    pub const ALL: Self = Self { detached: true, not_owner: true, settled: true, gone: true };
}

/// What a step judges by, besides the look.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The job and everything that is known about it.
    pub record: &'a Record,
    /// The payer to arrive at: the one the job asks for, or in an undo the one of the before-image.
    pub goal: Option<OrderType>,
    /// Whether the step is being undone.
    pub undo: bool,
    /// What the look may be believed in.
    pub certain: Certain,
}

impl View<'_> {
    /// The last write of the step, forwards or in the undo, whichever is being made.
    fn last_write(&self) -> Option<&Write> {
        let mut writes = self.record.writes.iter().rev();
        writes.find(|w| w.step == self.record.step && w.undo == self.undo)
    }

    /// Whether the last write of the step was refused for good, or for a while now.
    pub fn refused(&self) -> bool {
        let lasts = self.lasts();
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { retry, .. } if lasts || !retry))
    }

    /// Whether the step was tried several times in a row without progress.
    pub fn lasts(&self) -> bool {
        self.record.attempt >= NOT_JUST_BUSY
    }

    /// Whether the last write of the step was accepted. Then it only has to show, and one witness is enough.
    pub fn accepted(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Accepted { .. }))
    }

    /// Whether the last write of the step was refused because its end state is there already.
    pub fn refused_as_done(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { done: true, .. }))
    }

    /// What the requester asked for.
    pub fn job(&self) -> &Job {
        &self.record.job
    }

    /// The type of the job's instance.
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

/// How a step judges a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The step is done, with one of the outcomes of its verb.
    Done(&'static str),
    /// This write is missing.
    Write(Intended),
    /// The cloud is changing the resource; the job looks again later.
    Busy(String),
    /// The look proves nothing, for this reason; the job looks again.
    Unclear(String),
    /// An empty answer matters here and is not believed before another look, a while later, agrees.
    Recheck(String),
    /// Something has changed since the survey: the job begins again at its first step. An action judges so only if no write
    /// of the job would be forgotten by that. In an undo it parks the job.
    StartOver(String),
    /// The step cannot be done.
    Refuse {
        /// How the job ends, or why it is parked.
        reason: Reason,
        /// The cause, in one plain sentence.
        message: String,
        /// The single findings, if there are several.
        findings: Vec<String>,
    },
}

/// The account that an action writes as, with its call.
pub enum Side<'a> {
    /// The action only reads.
    Readers,
    /// The account that owns the instance.
    Resource(&'a dyn ResourceAction),
    /// The account that owns the CEN.
    TransitRouter(&'a dyn TransitRouterAction),
}

/// A verb that a step can call.
pub trait Action: Send + Sync {
    /// What definitions are checked against: its name, the account it writes as, and its outcomes.
    fn spec(&self) -> VerbSpec;

    /// The reads it needs before it can judge.
    fn reads(&self, view: &View<'_>) -> Reads;

    /// Judges a look that covers its reads.
    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement;

    /// Changes a look as if the intended write had been made and were shown.
    fn foresee(&self, _job: &Job, _write: &Intended, _seen: &mut Seen) {}

    /// A cause of a refusal that cannot be read beforehand. It is named with the refusal. `classified`: whether the error
    /// table knows the code.
    fn unforeseeable(&self, _view: &View<'_>, _code: &str, _classified: bool) -> Option<&'static str> {
        None
    }

    /// Whether its write changes the payer in place, which the cloud may refuse for an hour.
    fn changes_payer(&self) -> bool {
        false
    }

    /// Whom it writes as, and the call.
    fn side(&self) -> Side<'_> {
        Side::Readers
    }
}

/// The call of an action that writes as the owner of the instance.
#[async_trait]
pub trait ResourceAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// The call of an action that writes as the owner of the CEN.
#[async_trait]
pub trait TransitRouterAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// The actions, by name.
pub struct Registry {
    actions: Vec<Box<dyn Action>>,
}

impl Registry {
    /// Takes the actions that definitions may call.
    pub fn new(actions: Vec<Box<dyn Action>>) -> Self {
        Self { actions }
    }

    /// The action of this name; `None`: this program has none.
    pub fn get(&self, verb: &str) -> Option<&dyn Action> {
        self.actions.iter().map(AsRef::as_ref).find(|action| action.spec().name == verb)
    }

    /// The specs of all actions, to check definitions against.
    pub fn specs(&self) -> Vec<VerbSpec> {
        self.actions.iter().map(|action| action.spec()).collect()
    }
}
