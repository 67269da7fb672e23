//! The answer of `plan --json` for one job.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::contract::Fault;
use crate::domain::{JobId, Reason, words};
use crate::engine::record::{Image, PlannedCall};

words! {
    /// What would come of a job.
    pub enum Verdict {
        /// It would be carried out.
        Planned = "planned",
        /// It would fail.
        Failed = "failed",
        /// There is no answer at the moment.
        Unclear = "unclear",
    }
}

words! {
    /// The message is not a valid job.
    pub enum Invalid {
        /// It has faults.
        Invalid = "invalid",
    }
}

/// A line of `crossgrant plan --json`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum PlanAnswer<'a> {
    /// What a job would do.
    Job(Box<JobAnswer<'a>>),
    /// Why it is no job.
    NoJob(NoJobAnswer<'a>),
}

/// What a job would do.
#[derive(Debug, Serialize, JsonSchema)]
pub struct JobAnswer<'a> {
    /// Its id.
    pub id: &'a JobId,
    /// The requesters that may ask for it, as the allow-rules name them; null if none may.
    pub requesters: Option<&'a [String]>,
    /// Why the policy refuses it. It is planned all the same.
    pub refused: Option<Refused<'a>>,
    /// What would come of it.
    pub verdict: Verdict,
    /// Why it would end so.
    pub reason: Option<Reason>,
    /// The same in one sentence.
    pub message: &'a str,
    /// Each obstacle, and what could not be checked.
    pub findings: Option<&'a [String]>,
    /// The writes that would be made, in order.
    pub plan: Option<&'a [PlannedCall]>,
    /// What the cloud shows.
    pub before: Option<&'a Image>,
    /// What it would show once everything is in force.
    pub after: Option<&'a Image>,
    /// When the new payer would be in force if the job began now.
    pub effective_from: Option<Timestamp>,
}

/// Why the policy refuses a job.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Refused<'a> {
    /// `refused-by-policy`.
    pub reason: Reason,
    /// Which rule is missing.
    pub message: &'a str,
}

/// What is wrong with a message that is no job.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NoJobAnswer<'a> {
    /// `invalid`.
    pub verdict: Invalid,
    /// Everything that is wrong with it.
    pub faults: &'a [Fault],
}
