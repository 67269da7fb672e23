//! The store, as a port of the engine. What a commit says is on disk when it returns; every implementation passes the
//! conformance suite in `store/conformance.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{AccountUid, CenId, Code, InstanceId, InstanceType, JobId, JobUid, Kind, Requester};
use crate::engine::guards::Pause;
use crate::engine::ports::mail::Outgoing;
use crate::engine::record::{Origin, Record, State};

/// A message to publish, committed with what it tells of.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundMessage {
    /// What to publish.
    pub outgoing: Outgoing,
    /// The event it carries; `None` for a dead-letter copy.
    pub event: Option<EventKey>,
}

/// Which event of which job. The terminal one also goes to everybody who asked for a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKey {
    /// The job; for a `rejected` event, the uid of the rejection.
    pub uid: JobUid,
    /// Its place among the events of the job.
    pub sequence: u32,
    /// Whether it is the last.
    pub terminal: bool,
}

/// A valid message.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The job it becomes when its key is new. Its key is (`requester`, `job.id`).
    pub record: Box<Record>,
    /// Tells a repetition from another request under the same id.
    pub digest: String,
    /// Said when the key is new.
    pub outbound: Vec<OutboundMessage>,
    /// Kept and said when the key was used before for something else.
    pub reused: Rejection,
}

/// A message that is not a job.
///
/// Its uid is made of the message, so the same message again is the same rejection: its event is said again, unchanged,
/// and there is no second copy.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Our name of it.
    pub uid: JobUid,
    /// When it came.
    pub at: Timestamp,
    /// Who sent it.
    pub requester: Requester,
    /// The id it gave, as far as it could be read.
    pub job_id: Option<String>,
    /// Why, as JSON.
    pub reasons: String,
    /// Who is answered: the event goes to its `reply_to` too.
    pub origin: Origin,
    /// Said about it: the copy for the dead-letter queue and the `rejected` event.
    pub outbound: Vec<OutboundMessage>,
}

/// A rejection, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Our name of it.
    pub uid: JobUid,
    /// When it came first.
    pub at: Timestamp,
    /// Who sent it.
    pub requester: Requester,
    /// The id it gave, as far as it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// Everything that is wrong with it: `at`, `code` and `message` each.
    pub reasons: Value,
}

/// One message to take in.
#[derive(Debug, Clone)]
pub enum Message {
    /// A valid one.
    Arrival(Box<Arrival>),
    /// Another.
    Rejection(Box<Rejection>),
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A new job.
    New(JobUid),
    /// A repetition: no second run. Its latest event is sent again, to the new `reply_to` if there is one, else to
    /// the events exchange; and the terminal event will go to the new `reply_to` too.
    Repeated(JobUid),
    /// The id was used before for another request: rejected under this uid.
    Reused(JobUid),
    /// Rejected, under this uid.
    Rejected(JobUid),
}

/// The right to work on a job: a fencing token that every commit must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it.
    pub holder: String,
    /// Higher than every token given out before for this job.
    pub token: i64,
    /// Until when, by the store's clock.
    pub until: Timestamp,
}

/// A job to work on.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// As committed.
    pub record: Record,
    /// The right to change it.
    pub lease: Lease,
}

/// What happens to the lease in a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseUse {
    /// The committer holds this lease and keeps it, until then.
    Keep(Lease, Timestamp),
    /// The committer holds this lease and gives it up.
    Release(Lease),
    /// The committer holds none: allowed for the sweep and for commands, which act on jobs at rest.
    None,
}

/// A decided change. Applied whole or not at all.
#[derive(Debug, Clone)]
pub struct Change {
    /// The next record; its `revision` is one more than that of the one it was decided on.
    pub record: Arc<Record>,
    /// By what right.
    pub hold: LeaseUse,
    /// Said with it.
    pub outbound: Vec<OutboundMessage>,
    /// Other jobs that change in the same commit, each by compare-and-set on its own revision.
    pub also: Vec<(Arc<Record>, Vec<OutboundMessage>)>,
    /// Tested in the same commit: set where the job begins to write.
    pub begins: Option<Admission>,
}

/// What a job that begins to write is tested by: neither of its accounts is paused, and of the others that are counted
/// as the same ([`counted_as`](crate::engine::guards::counted_as)), by their `begun_at`, fewer than `most` began after `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The beginning of the hour that counts.
    pub since: Timestamp,
    /// How many may have begun; `None` for any number.
    pub most: Option<u32>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// On disk.
    Done,
    /// Nothing was changed: the lease is another's, or the job or one of the others moved on meanwhile.
    Conflict,
    /// Nothing was changed: it begins to write, and one of its accounts is paused.
    Paused,
    /// Nothing was changed: it begins to write, and so many others have begun as may.
    OverLimit(u64),
}

/// Why the store did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Nothing was changed; may work later: disk full, locked, connection lost.
    #[error("the store cannot be used at the moment: {0}")]
    Unavailable(String),
    /// What is stored cannot be read: a damaged file, or rows of a newer version.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
}

impl StoreError {
    /// What it is explained under.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable(_) => Code::StoreUnavailable,
            Self::Corrupt(_) => Code::StoreCorrupt,
        }
    }
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Its place.
    pub number: i64,
    /// What to publish.
    pub outgoing: Outgoing,
}

/// Who waits for one group of the sweep.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The CEN; its owner makes the call.
    pub cen: crate::domain::Cen,
    /// The type: one per call (API §A.5).
    pub kind: InstanceType,
}

/// Which jobs to list; empty means all.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// In one of these states.
    pub states: Vec<State>,
    /// Of this kind.
    pub kind: Option<Kind>,
    /// On this instance.
    pub instance: Option<InstanceId>,
    /// On this CEN.
    pub cen: Option<CenId>,
    /// From this requester.
    pub requester: Option<Requester>,
    /// With this label.
    pub label: Option<(String, String)>,
    /// Older than this one: the last of the page before.
    pub before: Option<JobUid>,
    /// At most so many, newest first.
    pub limit: usize,
}

/// Counts for the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs by kind and state.
    pub jobs: BTreeMap<(Kind, State), u64>,
    /// Messages to publish.
    pub outbox: u64,
    /// Messages nobody took.
    pub undeliverable: u64,
    /// Messages rejected.
    pub rejected: u64,
    /// Accounts that are paused.
    pub paused: u64,
}

/// What another process may have brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// A job to claim.
    pub work: bool,
    /// Something to publish.
    pub mail: bool,
    /// Something for the sweep.
    pub hours: bool,
    /// Another number of workers.
    pub workers: bool,
}

/// Everything durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes messages in; one verdict each, in order. A job whose line is free is due at its `due`.
    async fn take(&self, messages: Vec<Message>) -> Result<Vec<Taken>, StoreError>;

    /// Leases up to `limit` jobs that are due at `now`, not swept, first in the line of their instance if they stand in
    /// it, and not leased by anybody; earliest due first. A job that is held for an account (`held` of its record) is due
    /// as well as soon as that was unpaused.
    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Gives up every lease of `holder`: a restarted worker takes its own back at once. Returns how many there were.
    async fn reclaim(&self, holder: &str) -> Result<usize, StoreError>;

    /// Applies one change. A change that [`Admission`] is tested in the same commit, so that of two that race for the last
    /// place one gets it, and none begins once a pause was answered.
    async fn commit(&self, change: Change) -> Result<Committed, StoreError>;

    /// Applies many changes in one physical commit, each for itself. One that is not allowed (a transition that is not in
    /// the table) is a conflict here, and logged.
    async fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError>;

    /// When [`Store::claim`] will next have something; `None` when nothing is due ever.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// When the sweep will next have something.
    async fn next_sweep(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The groups with swept jobs due at `now`, each with the number of them.
    async fn swept_groups(&self, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError>;

    /// Up to `limit` swept jobs of a group that are due at `now`, by instance id, after `after`.
    async fn swept(
        &self,
        group: &Group,
        now: Timestamp,
        after: Option<(InstanceId, JobUid)>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Nothing more of this group will be asked for in this pass: of workers that share the store another may have it.
    async fn swept_through(&self, _group: &Group) -> Result<(), StoreError> {
        Ok(())
    }

    /// One job.
    async fn load(&self, uid: JobUid) -> Result<Option<Record>, StoreError>;

    /// One job by its requester's name of it.
    async fn find(&self, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError>;

    /// The waiting jobs of this instance in this CEN, oldest first.
    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError>;

    /// The first in the line of an instance.
    async fn head_of_line(&self, instance: &InstanceId) -> Result<Option<JobUid>, StoreError>;

    /// Jobs, newest first.
    async fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError>;

    /// The events said of a job, in order, as JSON texts.
    async fn events(&self, uid: JobUid) -> Result<Vec<String>, StoreError>;

    /// The next messages to publish after number `after`, in order.
    async fn outbox(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError>;

    /// Settles published messages: confirmed ones leave the outbox, undeliverable ones are kept aside.
    async fn mark_sent(&self, confirmed: &[i64], undeliverable: &[i64]) -> Result<(), StoreError>;

    /// Rejections, newest first, older than the one named `before`.
    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError>;

    /// Messages kept aside as undeliverable, after number `after`, in order.
    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError>;

    /// Puts undeliverable messages into the outbox again, unchanged but for their numbers. Returns how many were there.
    async fn replay(&self, numbers: &[i64]) -> Result<usize, StoreError>;

    /// Keeps a definition; the same digest again is nothing new.
    async fn put_definition(&self, digest: &str, name: &str, text: &str) -> Result<(), StoreError>;

    /// A definition that some job is pinned to: its name and text.
    async fn definition(&self, digest: &str) -> Result<Option<(String, String)>, StoreError>;

    /// Pauses an account. False if it is paused already: nothing is changed.
    async fn pause(&self, pause: &Pause) -> Result<bool, StoreError>;

    /// Ends the pause of an account: what was held for it can be claimed at once. False if it is not paused.
    async fn unpause(&self, account: &AccountUid) -> Result<bool, StoreError>;

    /// The accounts that are paused, by uid.
    async fn pauses(&self) -> Result<Vec<Pause>, StoreError>;

    /// Counts for the metrics.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Writes and reads something, to tell whether the store can be used.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Forgets idempotency keys older than `keys_before` whose jobs have ended, with their jobs and events, and
    /// rejections of that age. Returns how many jobs went.
    async fn prune(&self, keys_before: Timestamp) -> Result<usize, StoreError>;

    /// Returns when another process that shares the store may have brought something. A store of one process never does.
    async fn wakeup(&self) -> Wakeup {
        std::future::pending().await
    }

    /// How many workers share the store, with this one, as far as is known.
    fn workers(&self) -> u32 {
        1
    }
}
