//! What is known of a job: the record that is committed before anything it says is used.

mod ending;
mod image;
mod phase;
mod plan;
mod state;
mod wait;
mod write;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use ending::{Ending, Undo};
pub use image::{EmptySince, Image};
pub use phase::{Phase, Turn};
pub use plan::{Plan, PlannedCall};
pub use state::State;
pub use wait::Wait;
pub use write::{Outcome, Write};

use crate::domain::{Edition, Job, JobUid, Reason, Requester};

/// Where the request came from and where its answers go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Origin {
    /// Echoed on every message about the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// A queue that gets the terminal event too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// What the publisher calls itself. Shown, never trusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// Everything about one job. The store keeps it whole and takes what it indexes from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Our name of it.
    pub uid: JobUid,
    /// Who asked, as the broker verified.
    pub requester: Requester,
    /// What was asked.
    pub job: Job,
    /// Where it came from.
    #[serde(default)]
    pub origin: Origin,
    /// When it was committed.
    pub accepted_at: Timestamp,
    /// The digest of the definition it is pinned to.
    pub definition: String,
    /// Counts commits; every commit names the revision it was decided on.
    pub revision: u64,
    /// Where it is.
    #[serde(flatten)]
    pub phase: Phase,
    /// The step it is at.
    pub step: String,
    /// Set when steps are being undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
    /// Tries in a row at this step without progress.
    pub attempt: u32,
    /// Since when: what giving up is counted from.
    pub trying_since: Timestamp,
    /// Since when the cloud refuses the keys of the account that the step acts as, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_refused_since: Option<Timestamp>,
    /// Tries altogether.
    pub attempts: u32,
    /// Calls of the cloud's API made for this job alone: looks that were answered, and writes. The sweep's calls are
    /// shared and not among them.
    #[serde(default)]
    pub calls: u32,
    /// Raised by resume, undo and a new beginning.
    pub generation: u32,
    /// Why it is where it is, in one sentence for people.
    pub why: String,
    /// What the cloud showed before the first write. `None` where a call of the job was refused and the result is there
    /// all the same: the call may have made it, so that what was there before is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Image>,
    /// What it showed last; of a plan, what it would show once all is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Image>,
    /// The answer to a plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<Plan>,
    /// The other CENs the instance is granted to, where a job needed to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted_to: Vec<String>,
    /// What is in the way of it by configuration alone; it goes into the findings of the end, with what a look finds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objections: Vec<String>,
    /// What could not be checked before the first write; it goes into the findings of the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// When it began to write: its first intent, or the latest one while every write was refused. What the hourly
    /// limits count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// When a person approved it: from then on no hourly limit stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<Timestamp>,
    /// Empty answers that are not believed yet, or were believed.
    #[serde(default, skip_serializing_if = "EmptySince::is_never")]
    pub empty_since: EmptySince,
    /// Whether it has come back from its wait to make a write that was missing, which it does once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mended: bool,
    /// Every write, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Write>,
    /// The wait for the hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Wait>,
    /// The first read that showed the goal effective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_seen: Option<Timestamp>,
    /// How many events were said.
    pub sequence: u32,
}

impl Record {
    /// A job as it is accepted: it stands in line at once, unless it is not to be begun yet. `definition` is the digest it
    /// is pinned to, `step` the first of it.
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
            keys_refused_since: None,
            attempts: 0,
            calls: 0,
            generation: 0,
            why: later.map_or("accepted".into(), |at| format!("not to be begun before {at}")),
            before: None,
            after: None,
            plan: None,
            granted_to: vec![],
            objections: vec![],
            unchecked: vec![],
            begun_at: None,
            approved_at: None,
            empty_since: EmptySince::default(),
            mended: false,
            writes: vec![],
            wait: None,
            effective_seen: None,
            sequence: 0,
        }
    }

    /// Whether something may have been changed in the cloud by this job: from then on it ends only in the few ways
    /// that leave nothing half done.
    pub fn has_written(&self) -> bool {
        self.writes.iter().any(Write::may_have_landed)
    }

    /// The state that listings, metrics and rows show.
    pub fn state(&self) -> State {
        self.phase.state()
    }

    /// When something is to be done next; `None` at rest, and for a job that is held and never expires.
    pub fn due(&self) -> Option<Timestamp> {
        self.phase.due()
    }

    /// How it ended, or why it is parked.
    pub fn ending(&self) -> Option<&Ending> {
        self.phase.ending()
    }

    /// Parked between writes: blocks the queue of its instance and needs a person.
    pub fn is_half_done(&self) -> bool {
        matches!(self.phase, Phase::Parked { half_done: true, .. })
    }

    /// Parks it: it needs a person, and blocks the queue of its instance if what it wrote is not whole.
    pub fn park(&mut self, ending: Ending) {
        self.phase = Phase::Parked { ending, half_done: self.has_written() && !self.is_whole() };
    }

    /// Whether it waits for the hour with everything written as it is to be, as far as the last look tells.
    fn is_whole(&self) -> bool {
        let Some(wait) = self.wait.as_ref().filter(|_| self.undo.is_none()) else { return false };
        let seen = self.after.as_ref().and_then(|after| after.attachments.as_ref());
        let mut billed = seen.into_iter().flatten().filter(|attachment| attachment.edition == Edition::Enterprise);
        billed.all(|attachment| attachment.order_type == Some(wait.goal))
    }

    /// Parked by an hourly limit, until a person approves it.
    pub fn needs_approval(&self) -> bool {
        matches!(&self.phase, Phase::Parked { ending, .. } if ending.reason == Reason::NeedsApproval)
    }

    /// Whether the sweep looks after it.
    pub fn is_swept(&self) -> bool {
        self.state() == State::Waiting && self.wait.as_ref().is_some_and(|w| !w.doubt)
    }
}
