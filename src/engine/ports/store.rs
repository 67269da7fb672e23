//! The store, as a port of the engine. When a method returns, what it wrote is on disk. Every implementation passes the
//! conformance suite in `tests/support/conformance.rs`.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{AccountUid, BatchId, Cen, CenId, Instance, InstanceId, InstanceType, JobId, JobUid, Requester};
use crate::engine::batch::{Batch, Tally};
use crate::engine::guards::Pause;
pub use crate::engine::ports::arrival::{
    Arrival, Message, Misfit, NewBatch, Rejected, RejectedMessage, Rejection, Taken, Whole,
};
pub use crate::engine::ports::change::{Admission, BatchChange, Change, Committed};
pub use crate::engine::ports::counts::{Ages, Counts, Outlook, PARKED_READ, UnreadableRow};
pub use crate::engine::ports::feed::{Feed, FeedEvent, FeedPage};
pub use crate::engine::ports::filter::Filter;
pub use crate::engine::ports::lease::{Claimed, LatestDue, Lease, LeaseUse, Turns};
use crate::engine::ports::mail::Lane;
pub use crate::engine::ports::outbox::{
    EventHead, EventKey, KeptEvent, OutboundMessage, Outbox, OutboxPage, OutboxRow, SetAside, Settlement,
    UndeliverableRow, WaitingWebhook,
};
pub use crate::engine::ports::store_error::StoreError;
use crate::engine::record::Record;

/// The jobs that the sweep checks together, because the same calls answer for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group {
    /// The calls are made as the owner of this CEN.
    pub cen: Cen,
    /// A call lists the rules of one instance type (API §A.5).
    pub kind: InstanceType,
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

    /// Batches that can be read, the last accepted first, before the one that is named; all, or only those that have not ended.
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

    /// The jobs that requesters know by this id, without those that cannot be read, of at most [`REQUESTERS_ASKED`] requesters.
    async fn find_by_id(&self, id: &JobId) -> Result<Vec<Record>, StoreError>;

    /// The waiting jobs on this instance in this CEN that can be read, oldest first.
    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError>;

    /// The first job in the queue of an instance and its owner.
    async fn first_in_queue(&self, instance: &Instance) -> Result<Option<JobUid>, StoreError>;

    /// A page of jobs, newest first. One that cannot be read is left out, and the page has a further one instead. `reasons` of the filter only narrow the states that they can be found in: the reason is in
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

    /// Up to `limit` messages to webhooks in the outbox that are about this job or batch.
    async fn waiting_webhooks(&self, uid: JobUid, limit: usize) -> Result<Vec<WaitingWebhook>, StoreError>;

    /// Settles what became of messages to webhooks, each for itself.
    async fn settle_webhooks(&self, settlement: &Settlement) -> Result<(), StoreError>;

    /// Rejections, newest first, older than the one named `before`.
    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError>;

    /// Rejections of messages that name this batch, of whomever, newest first.
    async fn rejections_of(&self, batch: &BatchId, limit: usize) -> Result<Vec<Rejected>, StoreError>;

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

    /// A page of the feed of all events. Behind a number that it has told, none appears before it.
    async fn feed(&self, page: &FeedPage) -> Result<Feed, StoreError>;

    /// The number of the last event in the feed: every event that is told after this answer has a higher one.
    async fn feed_end(&self) -> Result<i64, StoreError>;

    /// Puts events of jobs and of rejections into the outbox again, in this order, to where they went first. They count as put
    /// off and due at once, so that fresh messages do not wait behind them. Returns how many there were.
    async fn publish_again(&self, events: &[(JobUid, u32)]) -> Result<usize, StoreError>;

    /// Undeliverable messages after number `after`, in order.
    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<UndeliverableRow>, StoreError>;

    /// Moves undeliverable messages back to the outbox, unchanged but for their numbers; and makes messages to webhooks due at once that
    /// are put off there. Returns how many there were.
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

    /// How many rows this worker has met and cannot read.
    fn unreadable(&self) -> usize {
        0
    }
}
