//! The store, as a port of the engine. When a method returns, what it wrote is on disk. Every implementation passes the
//! conformance suite in `tests/support/conformance.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{
    AccountUid, BatchId, Cen, CenId, Code, Instance, InstanceId, InstanceType, JobId, JobUid, Kind, Reason, Requester,
};
use crate::engine::batch::{Batch, Tally};
use crate::engine::guards::Pause;
pub use crate::engine::ports::filter::Filter;
use crate::engine::ports::mail::{Lane, Outgoing};
pub use crate::engine::ports::outbox::{
    EventHead, EventKey, KeptEvent, OutboundMessage, Outbox, OutboxPage, OutboxRow, SetAside, Settlement,
    UndeliverableRow,
};
use crate::engine::record::{Origin, Record, State};

/// A valid request.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The job it becomes if its idempotency key, (`requester`, `job.id`), is new.
    pub record: Box<Record>,
    /// The digest of what is asked: tells a repetition from another request under the same key.
    pub digest: String,
    /// Published if the key is new.
    pub outbound: Vec<OutboundMessage>,
    /// Stored and published if the key was used before for another request.
    pub reused: Rejection,
    /// How many jobs of its requester on its instance may be there that have not begun to write; `None` for any number.
    pub most_unbegun: Option<u32>,
    /// The batch that it belongs to.
    pub batch: Option<Box<NewBatch>>,
}

/// The batch of a job, as the job makes it if it is the first one of it.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The batch.
    pub batch: Batch,
    /// Published if it is new.
    pub outbound: Vec<OutboundMessage>,
}

/// Why a job does not get into the batch that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The batch was begun with another size, or other terms.
    Differs,
    /// The batch has all its jobs.
    Full,
    /// The batch has ended, or takes no further job.
    Closed,
}

/// What became of messages that are taken all together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// All of them are taken, as new jobs or as repetitions; in order.
    Taken(Vec<Taken>),
    /// None of them is, because of these: their places, and what they would have become.
    Refused(Vec<(usize, Taken)>),
}

/// A decided change of a batch.
#[derive(Debug, Clone)]
pub struct BatchChange {
    /// The next batch. Its `revision` is one higher than in the batch it was decided on.
    pub batch: Batch,
    /// How many jobs had been accepted when it was decided.
    pub members: u32,
    /// Messages about it.
    pub outbound: Vec<OutboundMessage>,
}

/// A message that does not become a job.
///
/// Its uid is derived from the message. The same message again is therefore the same rejection: its event is published
/// again, unchanged, and no second copy goes to the dead-letter queue.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Derived from the message.
    pub uid: JobUid,
    /// When the message arrived.
    pub at: Timestamp,
    /// The sender, as the broker verified.
    pub requester: Requester,
    /// The job id in the message; `None` if it has none that can be read.
    pub job_id: Option<String>,
    /// A JSON array of everything that is wrong with the message.
    pub reasons: String,
    /// The event also goes to its `reply_to`.
    pub origin: Origin,
    /// The copy for the dead-letter queue and the `rejected` event.
    pub outbound: Vec<OutboundMessage>,
    /// The message as far as it is kept, with its properties as headers. It is never published.
    pub kept: Option<Outgoing>,
}

/// A rejection as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// Derived from the message.
    pub uid: JobUid,
    /// When the message first arrived.
    pub at: Timestamp,
    /// The sender, as the broker verified.
    pub requester: Requester,
    /// The job id in the message; `None` if it has none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// An array of everything that is wrong with the message, each with `at`, `code` and `message`.
    pub reasons: Value,
}

/// A rejection with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedMessage {
    /// The rejection.
    pub rejected: Rejected,
    /// [`Rejection::kept`]; `None` if the rejection is from before messages were kept.
    pub kept: Option<Outgoing>,
}

/// A message that was delivered, after it was checked.
#[derive(Debug, Clone)]
pub enum Message {
    /// It is a valid request.
    Arrival(Box<Arrival>),
    /// It is not.
    Rejection(Box<Rejection>),
}

/// What a message has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A new job.
    New(JobUid),
    /// A repetition of the request for this job, which does not run twice. The job's latest event is sent again: to the
    /// new `reply_to` if there is one, else to where it was sent first. The terminal event will also go to the new
    /// `reply_to`.
    Repeated(JobUid),
    /// A rejection under this uid, because the key was used before for another request.
    Reused(JobUid),
    /// A rejection under this uid.
    Rejected(JobUid),
    /// Nothing yet: it would be a new job, and its requester has as many on the instance that have not begun as it may. It is
    /// to be rejected.
    TooMany,
    /// Nothing yet: it would be a new job, and does not get into the batch that it names. It is to be rejected.
    Misfit(Misfit),
}

/// The right to work on a job, with a fencing token that every commit under it must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The name of the worker.
    pub holder: String,
    /// Higher than every token given out before for this job.
    pub token: i64,
    /// When it ends, by the store's clock.
    pub until: Timestamp,
}

/// Whose jobs a claim takes, so that no requester keeps the others waiting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    /// The jobs that the worker has in work. They are not claimed, whatever became of their leases.
    pub in_hand: BTreeMap<JobUid, Requester>,
    /// The requester whose turn was last: the one after it, in the order of names, is next.
    pub after: Option<Requester>,
    /// How many jobs of one requester may be in work.
    pub most: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self { in_hand: BTreeMap::new(), after: None, most: usize::MAX }
    }
}

impl Turns {
    /// How many jobs of each requester are in work.
    pub fn in_work(&self) -> BTreeMap<Requester, usize> {
        let mut in_work = BTreeMap::new();
        for requester in self.in_hand.values() {
            *in_work.entry(requester.clone()).or_default() += 1;
        }
        in_work
    }

    /// How many more jobs of this requester may be in work.
    pub fn left(&self, requester: &str) -> usize {
        self.most.saturating_sub(self.in_hand.values().filter(|other| other.as_str() == requester).count())
    }
}

/// The latest due times that can be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LatestDue {
    /// Of a job that is queued or running.
    pub resting: Timestamp,
    /// Of a job that waits for the hour.
    pub waiting: Timestamp,
}

impl LatestDue {
    /// At `at`, every job is to be looked at.
    pub fn all(at: Timestamp) -> Self {
        Self { resting: at, waiting: at }
    }
}

/// A job that a worker has leased.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The record as last committed.
    pub record: Record,
    /// Under which the worker commits.
    pub lease: Lease,
}

/// How a commit uses the lease on its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseUse {
    /// The committer holds this lease and prolongs it until then.
    Keep(Lease, Timestamp),
    /// The committer holds this lease and releases it.
    Release(Lease),
    /// The committer holds no lease, as the sweep and operators' commands do: the revision alone must match. A lease that
    /// another holds stays.
    None,
}

/// A decided change. It is applied whole or not at all.
#[derive(Debug, Clone)]
pub struct Change {
    /// The next record. Its `revision` is one higher than in the record it was decided on.
    pub record: Arc<Record>,
    /// The lease under which it is committed.
    pub lease: LeaseUse,
    /// Messages about it.
    pub outbound: Vec<OutboundMessage>,
    /// Other jobs that change in the same commit, each by compare-and-set on its own revision, with their messages.
    pub also: Vec<(Arc<Record>, Vec<OutboundMessage>)>,
    /// Set on the commit with which the job begins to write: it must pass this in the same commit.
    pub admission: Option<Admission>,
    /// Whether a write follows from it. Then the job must have the lock of its instance, or get it in the same commit: one job
    /// has it at a time, from its first intent until it leaves its queue or all it wrote was refused.
    pub intends: bool,
}

/// What a job must pass to begin to write. Neither of its accounts is paused; and of the other jobs counted with it
/// ([`counted_as`](crate::engine::guards::counted_as)), fewer than `most` have a `begun_at` after `since`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// An hour before the job begins.
    pub since: Timestamp,
    /// The hourly limit; `None` for no limit.
    pub most: Option<u32>,
}

/// What the store made of a change. All but `Done` changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// It is on disk.
    Done,
    /// Nothing was changed: another holds the lease, or one of the jobs has a newer revision.
    Conflict,
    /// Nothing was changed: the job would begin to write, and one of its accounts is paused.
    Paused,
    /// Nothing was changed: the job would begin to write, and the hourly limit is used up. Holds how many have begun.
    OverLimit(u64),
    /// Nothing was changed: the job would write, and this other job has the lock of the instance.
    Locked(JobUid),
}

/// Why a method of the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened as it is configured, and waiting does not help. Only opening says so.
    #[error("{1}")]
    Unusable(Code, String),
    /// Nothing was changed, and it may work later: disk full, file locked, connection lost.
    #[error("the store cannot be used at the moment: {0}")]
    Unavailable(String),
    /// What was to be stored is not taken, for what is in it. The same will be refused again, and other things will not.
    #[error("the store refuses this: {0}")]
    Refused(String),
    /// What is stored cannot be read, or what was to be stored contradicts it: a damaged file, rows of a newer version.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The store is not the one that it was: its file was removed, replaced, or put back to an older state. Nothing may be
    /// answered any more, and the process must end.
    #[error("the store is not what it was: {0}")]
    Lost(String),
}

impl StoreError {
    /// The code under which operators find it explained.
    pub fn code(&self) -> Code {
        match self {
            Self::Unusable(code, _) => *code,
            Self::Unavailable(_) => Code::StoreUnavailable,
            Self::Refused(_) => Code::StoreRefused,
            Self::Corrupt(_) => Code::StoreCorrupt,
            Self::Lost(_) => Code::StoreLost,
        }
    }
}

/// The jobs that the sweep checks together, because the same calls answer for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The calls are made as the owner of this CEN.
    pub cen: Cen,
    /// A call lists the rules of one instance type (API §A.5).
    pub kind: InstanceType,
}

/// Counts for the metrics.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs by kind and state; a pair without a job may be missing.
    pub jobs: BTreeMap<(Kind, State), u64>,
    /// Messages that are still to be published.
    pub outbox: u64,
    /// Of these, messages that a queue refused and that are to be tried again, and those that wait behind them.
    pub refused: u64,
    /// Messages to webhooks that failed and are to be tried again.
    pub failed: u64,
    /// Messages that could not be published, kept aside.
    pub undeliverable: u64,
    /// Stored rejections.
    pub rejected: u64,
    /// Accounts that are paused.
    pub paused: u64,
    /// Jobs that are held, by the account that is paused.
    pub held: BTreeMap<AccountUid, u64>,
    /// Parked jobs, by reason and whether they are half done; without a reason those beyond [`PARKED_READ`], and those whose
    /// reason this program does not know.
    pub parked: BTreeMap<(Option<Reason>, bool), u64>,
}

/// Of how many parked jobs the reason is read for [`Counts`], first of those that are half done. It is in the record alone, and
/// metrics are read every few seconds.
pub const PARKED_READ: u32 = 10_000;

/// How old things are, for the metrics, and what is counted by age.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ages {
    /// When the oldest job of each state was accepted, of those that are no ends.
    pub oldest: BTreeMap<State, Timestamp>,
    /// Waiting jobs that are overdue; at most [`PARKED_READ`] are read.
    pub overdue: u64,
    /// When the first event was said that waits to be published and that no queue has refused, be it for the exchange or as a
    /// reply.
    pub unpublished: Option<Timestamp>,
    /// Batches that have not ended.
    pub open_batches: u64,
    /// When the oldest of them was accepted.
    pub oldest_batch: Option<Timestamp>,
}

/// The jobs of a state that go on by themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// Queued, running or waiting.
    pub state: State,
    /// How many there are.
    pub jobs: u64,
    /// When the first of them is due, if that is known.
    pub due: Option<Timestamp>,
    /// When the oldest of them was accepted.
    pub oldest: Timestamp,
}

/// What another process that shares the store may have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wakeup {
    /// There may be a job to claim.
    pub work: bool,
    /// There may be a message to publish.
    pub mail: bool,
    /// There may be a job for the sweep.
    pub sweep: bool,
    /// The number of workers has changed.
    pub workers: bool,
}

/// Among how many requesters, in the order of their names, a job is looked for by its id alone. Each costs a lookup by the index,
/// and there are as many as there are users of the broker.
pub const REQUESTERS_ASKED: u32 = 1000;

/// Everything durable.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Takes messages in, in one commit; one answer for each, in order. A job that names a batch gets into it in the same commit.
    async fn take(&self, messages: Vec<Message>) -> Result<Vec<Taken>, StoreError>;

    /// Takes requests in, all in one commit, or none of them if one would be no new job and no repetition.
    async fn take_whole(&self, messages: Vec<Message>) -> Result<Whole, StoreError>;

    /// The batch with this uid, and its jobs counted.
    async fn batch(&self, uid: JobUid) -> Result<Option<(Batch, Tally)>, StoreError>;

    /// Batches, the last accepted first, before the one that is named; all, or only those that have not ended.
    async fn batches(&self, open: bool, before: Option<JobUid>, limit: usize) -> Result<Vec<Batch>, StoreError>;

    /// The batches that requesters know by this id.
    async fn batches_by_id(&self, id: &BatchId) -> Result<Vec<Batch>, StoreError>;

    /// Applies a change of a batch. `Conflict` if it has a newer revision, or if a further job has got into it.
    async fn commit_batch(&self, change: BatchChange) -> Result<Committed, StoreError>;

    /// Leases up to `limit` jobs to `holder` until `until`. A job can be leased if it is due at `now`, not left to the sweep,
    /// first in the queue of its instance or outside of it, and not leased. A job that is held for a paused account is also
    /// due once that account is unpaused. Requesters take turns, as `turns` says; each gets its earliest due job first.
    /// Those that the holder has in hand are left out, whatever became of their leases.
    async fn claim_in_turn(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
        turns: &Turns,
    ) -> Result<Vec<Claimed>, StoreError>;

    /// Leases jobs to a holder that has these in hand, without a bound for one requester.
    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
        in_hand: &[JobUid],
    ) -> Result<Vec<Claimed>, StoreError> {
        let in_hand = in_hand.iter().map(|uid| (*uid, Requester::anonymous())).collect();
        self.claim_in_turn(holder, now, until, limit, &Turns { in_hand, ..Turns::default() }).await
    }

    /// Releases every lease of `holder`, so that a restarted worker need not wait for its own to end. Returns how many
    /// there were.
    async fn reclaim(&self, holder: &str) -> Result<usize, StoreError>;

    /// Makes jobs due at `now` that are to be looked at later than is right, or only those of an account: a clock that was ahead
    /// has set their times, or what they waited for has come, and a look that comes early does no harm. Jobs outside the queue
    /// until their `not_before`, and those that are held, stay: their times are their own. Leases stay too. Returns how many jobs
    /// there were.
    async fn bring_forward(
        &self,
        now: Timestamp,
        latest: LatestDue,
        of: Option<&AccountUid>,
    ) -> Result<usize, StoreError>;

    /// Applies one change. An [`Admission`] is checked in the same commit: of two jobs that race for the last place of an
    /// hour one gets it, and no job begins once a pause was answered.
    async fn commit(&self, change: Change) -> Result<Committed, StoreError>;

    /// Applies many changes in one physical commit, each for itself. One that is refused, such as a transition that is not
    /// in the table, is logged and counts as a conflict.
    async fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError>;

    /// When [`Store::claim`] will next find a job; `None` if it will not, as things are.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// When the next job for the sweep is due.
    async fn next_sweep(&self) -> Result<Option<Timestamp>, StoreError>;

    /// The groups with jobs that are due for the sweep at `now`, each with how many there are.
    async fn swept_groups(&self, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError>;

    /// Up to `limit` jobs of a group that are due for the sweep at `now`, by instance id and uid, after `after`. Of workers
    /// that share the store, the first to ask has the group until it releases it; the others find it empty.
    async fn swept(
        &self,
        group: &Group,
        now: Timestamp,
        after: Option<(InstanceId, JobUid)>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Whether this worker may take messages from the broker: of those that share the store, the first to ask may until it
    /// resigns, or until its connection ends.
    async fn lead_intake(&self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Lets another worker that shares the store take messages.
    async fn resign_intake(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Lets another worker that shares the store sweep this group.
    async fn release_group(&self, _group: &Group) -> Result<(), StoreError> {
        Ok(())
    }

    /// The job with this uid.
    async fn load(&self, uid: JobUid) -> Result<Option<Record>, StoreError>;

    /// The job that a requester knows by this id.
    async fn find(&self, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError>;

    /// The jobs that requesters know by this id, of at most [`REQUESTERS_ASKED`] requesters.
    async fn find_by_id(&self, id: &JobId) -> Result<Vec<Record>, StoreError>;

    /// The waiting jobs on this instance in this CEN, oldest first.
    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError>;

    /// The first job in the queue of an instance and its owner.
    async fn first_in_queue(&self, instance: &Instance) -> Result<Option<JobUid>, StoreError>;

    /// A page of jobs, newest first. `reasons` of the filter only narrow the states that they can be found in: the reason is in
    /// the record alone, and [`Filter::matches`] tells.
    async fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError>;

    /// The events of a job, in order, as JSON texts.
    async fn events(&self, uid: JobUid) -> Result<Vec<String>, StoreError>;

    /// The next messages to publish, in order. Where a queue has refused a reply, every other reply to it stays behind that
    /// one, until it has left the outbox. Then those that were put behind it are due, before the fresh ones to that queue.
    async fn outbox(&self, page: OutboxPage) -> Result<Vec<OutboxRow>, StoreError>;

    /// When the first refused message of a lane is due.
    async fn next_retry(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError>;

    /// Settles what became of published messages of a lane. A message that is not there was settled before.
    async fn settle(&self, lane: Lane, settlement: &Settlement) -> Result<(), StoreError>;

    /// Up to `limit` messages to webhooks that are due at `now`: the first one of each host, then the second ones, and so on, so that
    /// no host keeps the others waiting. Messages of no lane are in it, and none of these is in a lane.
    async fn webhooks(&self, now: Timestamp, limit: usize) -> Result<Vec<OutboxRow>, StoreError>;

    /// When the first message to a webhook is due after `now`.
    async fn next_webhook(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError>;

    /// Settles what became of messages to webhooks, each for itself.
    async fn settle_webhooks(&self, settlement: &Settlement) -> Result<(), StoreError>;

    /// Rejections, newest first, older than the one named `before`.
    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError>;

    /// A rejection, with its message as far as that is kept.
    async fn rejection(&self, uid: JobUid) -> Result<Option<RejectedMessage>, StoreError>;

    /// Deletes rejections, except those with an unpublished message. Returns how many there were.
    async fn drop_rejections(&self, uids: &[JobUid]) -> Result<usize, StoreError>;

    /// Up to `limit` jobs that were accepted before `until` and had not ended before `since`, so that they can have events in
    /// between; by uid, which is the order of acceptance, after `after`.
    async fn jobs_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        after: Option<JobUid>,
        limit: usize,
    ) -> Result<Vec<JobUid>, StoreError>;

    /// The events of these jobs, by uid and sequence.
    async fn kept_events(&self, uids: &[JobUid]) -> Result<Vec<KeptEvent>, StoreError>;

    /// Puts events of jobs and of rejections into the outbox again, in this order, to where they went first. They count as put
    /// off and due at once, so that fresh messages do not wait behind them. Returns how many there were.
    async fn publish_again(&self, events: &[(JobUid, u32)]) -> Result<usize, StoreError>;

    /// Undeliverable messages after number `after`, in order.
    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<UndeliverableRow>, StoreError>;

    /// Moves undeliverable messages back to the outbox, unchanged but for their numbers. Returns how many there were.
    async fn replay(&self, numbers: &[i64]) -> Result<usize, StoreError>;

    /// Deletes undeliverable messages. Returns how many there were.
    async fn drop_undeliverable(&self, numbers: &[i64]) -> Result<usize, StoreError>;

    /// Stores a definition under its digest. Changes nothing if it is there.
    async fn put_definition(&self, digest: &str, name: &str, text: &str) -> Result<(), StoreError>;

    /// The name and text of the definition with this digest.
    async fn definition(&self, digest: &str) -> Result<Option<(String, String)>, StoreError>;

    /// Pauses an account. Returns false, and changes nothing, if it is paused already.
    async fn pause(&self, pause: &Pause) -> Result<bool, StoreError>;

    /// Ends the pause of an account: jobs that were held for it can be claimed at once. Returns false if it is not paused.
    async fn unpause(&self, account: &AccountUid) -> Result<bool, StoreError>;

    /// The accounts that are paused, by uid.
    async fn pauses(&self) -> Result<Vec<Pause>, StoreError>;

    /// What goes on by itself: one for each state that has such jobs.
    async fn outlook(&self) -> Result<Vec<Outlook>, StoreError>;

    /// Counts for the metrics.
    async fn counts(&self) -> Result<Counts, StoreError>;

    /// How old things are. No job is overdue that was accepted at `late` or after it.
    async fn ages(&self, late: Timestamp) -> Result<Ages, StoreError>;

    /// How much room it takes where it is kept, in bytes.
    async fn size(&self) -> Result<u64, StoreError>;

    /// Writes something and reads it back, to find out whether the store can be used.
    async fn probe(&self) -> Result<(), StoreError>;

    /// Finds out, without a write, whether the store is still the one that was opened.
    ///
    /// # Errors
    /// `Lost` if it is not.
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Deletes jobs that ended before `before`, with their idempotency keys and events, batches without jobs, and rejections of
    /// that age. What has an unpublished message stays, and so do the jobs of a batch that has not ended. Returns how many jobs were deleted.
    async fn prune(&self, before: Timestamp) -> Result<usize, StoreError>;

    /// Deletes rejections, the oldest first, until `most` are left; those of one instant go together, and what has an
    /// unpublished message stays. Returns how many were deleted.
    async fn trim_rejections(&self, most: usize) -> Result<usize, StoreError>;

    /// Returns when another process may have changed something. A store that is not shared never returns.
    async fn wakeup(&self) -> Wakeup {
        std::future::pending().await
    }

    /// How many workers share the store, this one included, when they were last counted.
    fn workers(&self) -> u32 {
        1
    }
}
