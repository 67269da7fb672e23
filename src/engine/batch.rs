//! What is known of a batch, and of the jobs in it.
//!
//! How many jobs are in which state is not kept: it is counted from their rows, which cannot be wrong after a crash. What is
//! kept is what was said, so that a batch ends once.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::later;
use crate::domain::{BatchTerms, JobId, JobUid, Requester, words};
use crate::engine::record::{Origin, State};

/// How long a batch without `not_after` waits for jobs that have not come.
const WAITS_FOR_JOBS: Duration = Duration::from_secs(86_400);

/// Everything about one batch but its jobs. The store keeps it whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    /// Our own name of it.
    pub uid: JobUid,
    /// Who has sent its jobs.
    pub requester: Requester,
    /// What all its jobs say of it.
    pub terms: BatchTerms,
    /// What its answers are addressed by: of the message that brought its first job.
    #[serde(default)]
    pub origin: Origin,
    /// When its first job was accepted.
    pub accepted_at: Timestamp,
    /// Jobs that come later are rejected.
    pub closes_at: Timestamp,
    /// Raised by every commit of the engine.
    pub revision: u64,
    /// How many events were published or are to be: the number of the latest.
    pub sequence: u32,
    /// When the latest event was said.
    pub told_at: Timestamp,
    /// How many jobs were in which state then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, u64>")]
    pub told: BTreeMap<State, u64>,
    /// Why none of its jobs begins any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<Stopped>,
    /// When its end was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// A batch was stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// A job that ended without its result.
    pub job: JobId,
}

/// The jobs of a batch, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many were accepted.
    pub members: u32,
    /// How many are in which state.
    pub states: BTreeMap<State, u64>,
}

impl Tally {
    /// How many have ended.
    pub fn ended(&self) -> u64 {
        self.states.iter().filter(|(state, _)| state.is_terminal()).map(|(_, jobs)| jobs).sum()
    }

    /// How many have ended without their result.
    pub fn failed(&self) -> u64 {
        self.states.iter().filter(|(state, _)| failed(**state)).map(|(_, jobs)| jobs).sum()
    }
}

words! {
    /// What became of a batch.
    pub enum BatchOutcome {
        /// All its jobs came and ended with their results.
        Completed = "completed",
        /// A job ended without its result.
        Failed = "failed",
        /// A job ended without its result, and the others were stopped for it.
        Stopped = "stopped",
        /// Jobs never came; those that did ended with their results.
        Incomplete = "incomplete",
    }
}

/// Whether a job that is in this state has ended without its result.
pub fn failed(state: State) -> bool {
    state.is_terminal() && !matches!(state, State::Completed | State::Planned)
}

impl Batch {
    /// A batch as its first job makes it.
    pub fn new(requester: Requester, terms: BatchTerms, origin: Origin, now: Timestamp) -> Self {
        Self {
            uid: terms.uid(&requester),
            closes_at: terms.not_after.unwrap_or_else(|| later(now, WAITS_FOR_JOBS)),
            requester,
            terms,
            origin,
            accepted_at: now,
            revision: 0,
            sequence: 0,
            told_at: now,
            told: BTreeMap::new(),
            stopped: None,
            ended_at: None,
        }
    }

    /// What has become of it, once it has ended with these jobs.
    pub fn outcome(&self, tally: &Tally) -> BatchOutcome {
        match self.stopped {
            Some(_) => BatchOutcome::Stopped,
            None if tally.failed() > 0 => BatchOutcome::Failed,
            None if tally.members < self.terms.size => BatchOutcome::Incomplete,
            None => BatchOutcome::Completed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BatchId, OnFailure};

    #[test]
    fn a_batch_that_was_stopped_or_has_a_failed_job_is_not_called_incomplete() {
        let now = Timestamp::UNIX_EPOCH;
        let id = BatchId::parse("MOVE-7").unwrap();
        let terms = BatchTerms { id, size: 2, on_failure: OnFailure::Stop, not_after: None };
        let batch = Batch::new(Requester::anonymous(), terms, Origin::default(), now);
        let came = |jobs: &[(State, u64)]| {
            let members = jobs.iter().map(|(_, count)| u32::try_from(*count).unwrap()).sum();
            Tally { members, states: jobs.iter().copied().collect() }
        };
        let outcome = |jobs| batch.outcome(&came(jobs));
        assert_eq!(outcome(&[(State::Completed, 1), (State::Planned, 1)]), BatchOutcome::Completed);
        assert_eq!(outcome(&[(State::Completed, 1)]), BatchOutcome::Incomplete);
        assert_eq!(outcome(&[(State::Failed, 1)]), BatchOutcome::Failed);
        let stopped = Some(Stopped { at: now, job: JobId::parse("one").unwrap() });
        let batch = Batch { stopped, ..batch };
        assert_eq!(batch.outcome(&came(&[(State::Cancelled, 2)])), BatchOutcome::Stopped);
    }
}
