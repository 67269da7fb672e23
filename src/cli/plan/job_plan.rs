//! What is planned of one message.

use crate::domain::contract::FaultList;
use crate::engine::record::Record;

/// The plan of a job, or the faults of its message.
pub(super) type Planning = Result<JobPlan, FaultList>;

/// The plan of a job.
pub(super) struct JobPlan {
    /// The requesters that may ask for the job, as the allow-rules name them; or why the policy refuses it.
    pub admitted: Result<Vec<String>, String>,
    /// The record with the plan. A refused job is planned as well, as if the policy allowed it.
    pub record: Box<Record>,
}
