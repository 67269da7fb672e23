//! What is known of a job: the record that is committed before anything it says is used.

mod commanded;
mod ending;
mod image;
mod overtaken;
mod phase;
mod plan;
mod state;
mod wait;
mod write;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use commanded::{Commanded, Mandate};
pub use ending::{Ending, Undo};
pub use image::{EmptySince, Image};
pub use overtaken::Overtaker;
pub use phase::{Phase, Turn};
pub use plan::{Plan, PlannedCall};
pub use state::State;
pub use wait::Wait;
pub use write::{Judged, Outcome, Write};

use crate::domain::{AccountUid, Edition, Job, JobUid, Reason, Requester, whole_second};
use crate::workflow::Class;

/// After this many tries in a row that brought no progress, what is in the way does not pass in a moment.
pub(in crate::engine) const NOT_JUST_BUSY: u32 = 3;

/// What the AMQP properties of the message say about answers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Origin {
    /// AMQP `correlation_id`: echoed on every message about the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// AMQP `reply_to`: a queue that gets the terminal event too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// AMQP `app_id`: what the publisher calls itself. Shown, never trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// Header `traceparent`: the W3C trace context, echoed on every event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Everything about one job. The store keeps it whole and takes what it indexes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The id of the job here: a UUIDv7, so that ids ascend in the order of acceptance.
    pub uid: JobUid,
    /// The AMQP `user_id` of the message, which the broker verifies; `anonymous` without one.
    pub requester: Requester,
    /// The request, as the contract reads it.
    pub job: Job,
    /// What its answers are addressed by.
    #[serde(default)]
    pub origin: Origin,
    /// When the store committed it. Only then was its message acknowledged.
    pub accepted_at: Timestamp,
    /// SHA-256 of the definition it is pinned to, in hex.
    pub definition: String,
    /// Raised by every commit. A commit names the revision it was decided on, and conflicts on any other.
    pub revision: u64,
    /// Its state, with what belongs to being in it.
    #[serde(flatten)]
    pub phase: Phase,
    /// Name of the step it is at.
    pub step: String,
    /// Set while its steps are being undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Tries of this step in a row that brought no progress.
    pub attempt: u32,
    /// Since when there was no progress: `give-up` is counted from here.
    pub trying_since: Timestamp,
    /// When it parks if the tries of this step bring no progress until then. Set by a try that brought none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up_at: Option<Timestamp>,
    /// Since when the cloud refuses the credential of an account that the step needs, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_refused_since: Option<Timestamp>,
    /// Tries of all its steps together.
    pub attempts: u32,
    /// API calls made for this job: answered looks, and writes. A call that several jobs shared is counted once, and the
    /// sweep's calls are not counted.
    #[serde(default)]
    pub calls: u32,
    /// Raised by a resume, an undo and a new beginning. Part of every `ClientToken`, so that the cloud takes a write of a
    /// new generation for a new one.
    pub generation: u32,
    /// What it does or waits for, in one sentence for people.
    pub why: String,
    /// What the cloud showed before the first write. `None` if a call of the job was refused and the result is there all
    /// the same: perhaps the call made it, so what was there before is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Image>,
    /// What the cloud showed last; for a plan, what it would show once everything is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Image>,
    /// The answer to a job with `mode: plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The other CENs that the instance is granted to; read only where a revoke finds no grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_to: Vec<String>,
    /// What configuration alone finds in its way. Goes into the findings of its end, with what a look finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objections: Vec<String>,
    /// What could not be checked before the first write. Goes into the findings of its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// When it began to write: the first intent, or the latest one as long as every write was refused. The hourly limits
    /// count jobs by this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// When an operator approved it. No hourly limit stops it after that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// When the store was put back from a backup, if no command has let the job go on since: what happened after the backup is
    /// not known, so it makes no write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// The latest commands of operators, in the order in which they were carried out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Commanded>,
    /// The latest job that began to write to the instance while this one was parked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtaken_by: Option<Overtaker>,
    /// Since when looks have been empty where that matters.
    #[serde(default, skip_serializing_if = "EmptySince::is_never")]
    pub empty_since: EmptySince,
    /// Whether it has gone back from its wait to make a missing write, which it may do once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mended: bool,
    /// Every write, in the order of the intents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    /// The wait for the hour, from the last write on. Kept while the job is parked, so that a resume waits on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// When the new payer was not in force yet, for certain, if it came into force before the job could wait for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ineffective_at: Option<Timestamp>,
    /// When a read first showed the new payer in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_seen: Option<Timestamp>,
    /// How many events were published or are to be: the number of the latest.
    pub sequence: u32,
}

impl Record {
    /// A job as it is accepted: in the queue of its instance at once, or at its `not_before`. `definition` is the digest it
    /// is pinned to, `step` the name of the first step.
    pub fn new(uid: JobUid, requester: Requester, job: Job, definition: &str, step: &str, now: Timestamp) -> Self {
        let later = job.not_before.filter(|at| *at > now);
        Self {
            uid,
            requester,
            job,
            origin: Origin::default(),
            accepted_at: now,
            definition: definition.to_owned(),
            revision: 0,
            phase: Phase::Queued(later.map_or(Turn::Due(now), Turn::NotBefore)),
            step: step.to_owned(),
            undo: None,
            attempt: 0,
            trying_since: now,
            gives_up_at: None,
            keys_refused_since: None,
            attempts: 0,
            calls: 0,
            generation: 0,
            why: later.map_or("accepted".into(), |at| format!("not to be begun before {}", whole_second(at))),
            before: None,
            after: None,
            plan: None,
            granted_to: vec![],
            objections: vec![],
            unchecked: vec![],
            begun_at: None,
            approved_at: None,
            restored_at: None,
            commands: vec![],
            overtaken_by: None,
            empty_since: EmptySince::default(),
            mended: false,
            writes: vec![],
            wait: None,
            ineffective_at: None,
            effective_seen: None,
            sequence: 0,
        }
    }

    /// The batch it belongs to.
    pub fn batch(&self) -> Option<JobUid> {
        self.job.batch.as_ref().map(|terms| terms.uid(&self.requester))
    }

    /// Keeps that a command was carried out.
    pub fn commanded(&mut self, commanded: Commanded) {
        commanded::keep(&mut self.commands, commanded);
    }

    /// Whether this job may have changed something in the cloud. From then on it ends only in ways that leave nothing half
    /// done.
    pub fn has_written(&self) -> bool {
        self.writes.iter().any(Write::may_have_landed)
    }

    /// The state that listings, metrics and rows show.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// Parked between writes: blocks the queue of its instance and needs a person.
    pub fn is_half_done(&self) -> bool {
        matches!(self.phase, Phase::Parked { half_done: true, .. })
    }

    /// Waits for an hour that is long over.
    pub fn is_overdue(&self) -> bool {
        self.state() == State::Waiting && self.wait.as_ref().is_some_and(|wait| wait.overdue)
    }

    /// The account that it is put down to: the one that the message names with which it is parked or has ended, or by which it
    /// goes on for now, if that names one of the two; otherwise the owner of its instance.
    pub fn blames(&self) -> &AccountUid {
        let (instance, cen) = (&self.job.instance.owner, &self.job.cen.owner);
        let message = self.phase.ending().map_or(&self.why, |ending| &ending.message);
        let names = |uid: &AccountUid| message.contains(uid.as_str());
        if names(cen) && !names(instance) { cen } else { instance }
    }

    /// Half done and not going on: parked so, or its next write is refused each time that it is tried. What the credential of an
    /// account is refused for is told of the account.
    pub fn stands_half_done(&self) -> bool {
        let refused = |write: &Write| match &write.outcome {
            Outcome::Refused { judged, .. } => {
                !judged.as_ref().is_some_and(|judged| matches!(judged.class, Class::Auth | Class::Credential))
            }
            _ => false,
        };
        let stands = self.state() == State::Running && self.has_written() && self.attempt > NOT_JUST_BUSY;
        self.is_half_done() || (stands && self.writes.last().is_some_and(refused))
    }

    /// Parks it: it needs a person, and blocks the queue of its instance if what it wrote is not whole.
    pub fn park(&mut self, ending: Ending) {
        self.phase = Phase::Parked { ending, half_done: self.has_written() && !self.is_whole() };
    }

    /// Whether it waits for the hour and the last look showed everything written.
    fn is_whole(&self) -> bool {
        let Some(wait) = self.wait.as_ref().filter(|_| self.undo.is_none()) else { return false };
        let seen = self.after.as_ref().and_then(|after| after.attachments.as_ref());
        let mut billed = seen.into_iter().flatten().filter(|attachment| attachment.edition == Edition::Enterprise);
        billed.all(|attachment| attachment.order_type == Some(wait.goal))
    }

    /// Parked by an hourly limit until an operator approves it.
    pub fn needs_approval(&self) -> bool {
        matches!(&self.phase, Phase::Parked { ending, .. } if ending.reason == Reason::NeedsApproval)
    }

    /// Whether the sweep checks it: it waits for the hour, and the last sweep was not in doubt about it.
    pub fn is_swept(&self) -> bool {
        self.state() == State::Waiting && self.wait.as_ref().is_some_and(|w| !w.doubt)
    }
}
