//! The job that began before one that was asked for earlier.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{JobId, JobUid, Kind, Requester};

/// A job that began to write to the instance while an earlier one was parked and so let it pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Overtaker {
    /// The job.
    pub uid: JobUid,
    /// Its id with its requester.
    pub id: JobId,
    /// Who asked for it.
    pub requester: Requester,
    /// What it does.
    pub kind: Kind,
    /// When it began.
    pub at: Timestamp,
}
