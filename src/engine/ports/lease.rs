//! The right to work on a job, and which jobs a worker asks for.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{JobUid, Requester};
use crate::engine::record::Record;

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
