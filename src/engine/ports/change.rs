//! What is committed about a job or a batch, and what the store makes of it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::JobUid;
use crate::engine::batch::Batch;
use crate::engine::ports::lease::LeaseUse;
use crate::engine::ports::outbox::OutboundMessage;
use crate::engine::record::Record;

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
