//! What is counted in the store, for the metrics and the status.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{AccountUid, JobUid, Kind, Reason};
use crate::engine::record::State;

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
    /// The rows that this worker has met and cannot read.
    pub unreadable: Vec<UnreadableRow>,
}

/// A row of a job or batch whose record this program cannot read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The uid of the job or batch.
    pub uid: JobUid,
    /// Whether it is a batch.
    pub is_batch: bool,
    /// Why it cannot be read.
    pub why: String,
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
