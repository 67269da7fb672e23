//! What is known of a job: the record that is committed before anything it says is used.
//!
//! ```text
//!  queued ──► running ──┬─────────────────► completed, planned, failed, cancelled
//!    ▲                  ├───► waiting ────► completed, failed, cancelled, superseded
//!    │ resume           ▼        │
//!    ├────────────── parked ◄────┤    parked ──► cancelled
//!    └───────────────────────────┘ a write is missing
//! ```

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Attachment, Edition, Job, JobUid, Operation, OrderType, Reason, Requester};

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Accepted; not begun, or taken up again and not yet its turn.
    Queued,
    /// A step of it is being worked on, or will be tried again at its due time.
    Running,
    /// Both writes of a payer change are made; it waits for the top of the hour, and the sweep looks after it.
    Waiting,
    /// Needs a person.
    Parked,
    /// The result was read back from the cloud.
    Completed,
    /// A plan, answered.
    Planned,
    /// Ended without the result.
    Failed,
    /// A newer job took over.
    Superseded,
    /// Cancelled by a person.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 9] = [
        Self::Queued,
        Self::Running,
        Self::Waiting,
        Self::Parked,
        Self::Completed,
        Self::Planned,
        Self::Failed,
        Self::Superseded,
        Self::Cancelled,
    ];

    /// The word used in listings, metrics and rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Parked => "parked",
            Self::Completed => "completed",
            Self::Planned => "planned",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word used in listings.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Whether nothing more happens to the job.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Planned | Self::Failed | Self::Superseded | Self::Cancelled)
    }

    /// The transition table: whether a job may go from here to `to` (staying is allowed for all but the ends).
    pub fn may_become(self, to: Self) -> bool {
        use State::*;
        match (self, to) {
            (Completed | Planned | Failed | Superseded | Cancelled, _) => false,
            (from, to) if from == to => true,
            // Taking a job up is not a commit of its own, so a queued one may go wherever a running one may.
            (Queued | Running, Running | Waiting | Parked | Completed | Planned | Failed | Cancelled) => true,
            (Queued | Running, _) => false,
            (Waiting, Queued | Parked | Completed | Failed | Cancelled | Superseded) => true,
            (Waiting, _) => false,
            (Parked, Queued | Cancelled) => true,
            (Parked, _) => false,
        }
    }
}

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

/// What one look at the cloud showed of a grant: the before and after of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// When we looked.
    pub at: Timestamp,
    /// Whether there is a grant.
    pub granted: bool,
    /// The payer written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// The payer billing uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_order_type: Option<OrderType>,
    /// The attachments of the instance in the CEN; `None` when they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
}

/// A write, from the intent that was committed before it was sent to what is known of it now. The audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
    /// The step it belongs to.
    pub step: String,
    /// What is called. A job whose writes this program does not know is not read: it could not tell what they did.
    pub operation: Operation,
    /// In whose account.
    pub account: AccountUid,
    /// The instance or the attachment written to.
    pub resource: String,
    /// The payer set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// Whether it puts the before-image back.
    #[serde(default)]
    pub undo: bool,
    /// Raised by resume, undo and a new beginning; part of the ClientToken.
    pub generation: u32,
    /// The `ClientToken`, where the operation has one: the same on every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// How often it was sent, or may have been.
    pub sends: u32,
    /// Whether it was sent again, as a ClientToken allows, before it was known what became of an earlier send: a refusal
    /// of the later one does not tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// When the last of these sends was committed to.
    pub intended_at: Timestamp,
    /// What is known of it.
    pub outcome: Outcome,
}

impl Write {
    /// Whether it may have changed something: all but a refusal that is known for what it is.
    pub fn may_have_landed(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { unclassified: false, .. })
    }
}

/// What is known of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The intent is committed; whether it was sent, or took effect, is not known.
    Unknown,
    /// The cloud said yes.
    Accepted {
        /// Its RequestId.
        request_id: String,
        /// When the answer came, by our clock.
        at: Timestamp,
        /// The answer's `Date`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<Timestamp>,
    },
    /// The cloud said no, and nothing was changed as far as the answer tells.
    Refused {
        /// The API's error code, or `HTTP nnn`.
        code: String,
        /// The API's message.
        message: String,
        /// Its RequestId.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// When the answer came.
        at: Timestamp,
        /// Whether trying the same again may help.
        retry: bool,
        /// Whether the code is one nobody has classified, so that only a later look tells what it meant.
        unclassified: bool,
        /// Whether it says that the end state is there already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        done: bool,
    },
    /// A look showed the effect although no answer ever came.
    Seen {
        /// When.
        at: Timestamp,
    },
}

/// A wait for the top of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The payer that must become effective.
    pub goal: OrderType,
    /// When it should: the boundary after the last write, by the cloud's own clock.
    pub expected_at: Timestamp,
    /// Since when it waits, or was last resumed: what giving up is counted from, at the earliest.
    pub since: Timestamp,
    /// The last read that showed the goal written and not yet effective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pending: Option<Timestamp>,
    /// The sweep saw something it cannot judge alone; the job looks for itself.
    #[serde(default)]
    pub doubt: bool,
    /// `overdue` was said.
    #[serde(default)]
    pub overdue: bool,
}

/// Since when looks have shown nothing where an empty answer matters: the first of them is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EmptySince {
    /// Attachments: none at all, or none of some that were shown before. When the first such look was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Timestamp>,
    /// The CEN, to the account that the job says owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cen: Option<Timestamp>,
    /// The grant, where one witness alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Timestamp>,
}

impl EmptySince {
    fn is_never(&self) -> bool {
        *self == Self::default()
    }
}

/// Why and how a job that had begun to write goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// How it ends when everything is put back: failed or cancelled.
    pub ends: State,
    /// Why.
    pub reason: Reason,
    /// In one sentence.
    pub message: String,
}

/// How a job ended, or why it is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// From the closed list.
    pub reason: Reason,
    /// In one plain sentence.
    pub message: String,
    /// Everything that was found in the way, where there is more to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// What carrying a job out would do, as the cloud is at the look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The writes, in order.
    pub calls: Vec<PlannedCall>,
    /// The top of the hour from which the new payer would be in force, if it were carried out at once; `None` when
    /// nothing waits for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
}

/// A write that would be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The step it belongs to.
    pub step: String,
    /// What would be called.
    pub operation: Operation,
    /// In whose account.
    pub account: AccountUid,
    /// The instance or the attachment written to.
    pub resource: String,
    /// The payer set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
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
    pub state: State,
    /// Whether it stands in the line of its instance: queued and due, being worked on, or half done.
    #[serde(rename = "in_line")]
    pub in_queue: bool,
    /// When something is to be done next; `None` at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The paused account that it is held for: it is not begun before that is unpaused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<AccountUid>,
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
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The first read that showed the goal effective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_seen: Option<Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
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
            state: State::Queued,
            in_queue: later.is_none(),
            due: Some(later.unwrap_or(now)),
            held: None,
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
            ending: None,
            effective_seen: None,
            finished_at: None,
            sequence: 0,
        }
    }

    /// Whether something may have been changed in the cloud by this job: from then on it ends only in the few ways
    /// that leave nothing half done.
    pub fn has_written(&self) -> bool {
        self.writes.iter().any(Write::may_have_landed)
    }

    /// Parked between writes: blocks the line of its instance and needs a person.
    pub fn is_half_done(&self) -> bool {
        self.state == State::Parked && self.has_written() && !self.is_whole()
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
        self.state == State::Parked && self.ending.as_ref().is_some_and(|ending| ending.reason == Reason::NeedsApproval)
    }

    /// Whether the sweep looks after it.
    pub fn is_swept(&self) -> bool {
        self.state == State::Waiting && self.wait.as_ref().is_some_and(|w| !w.doubt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_states_is_decided_as_the_diagram_shows() {
        use State::*;
        let ends = [Completed, Planned, Failed, Superseded, Cancelled];
        for from in State::ALL {
            for to in State::ALL {
                let expected = if ends.contains(&from) {
                    false
                } else if from == to {
                    true
                } else {
                    match from {
                        Queued | Running => ![Queued, Superseded].contains(&to),
                        Waiting => [Queued, Parked, Completed, Failed, Cancelled, Superseded].contains(&to),
                        Parked => [Queued, Cancelled].contains(&to),
                        _ => unreachable!("the ends were handled above"),
                    }
                };
                assert_eq!(from.may_become(to), expected, "{from:?} to {to:?}");
            }
        }
    }
}
