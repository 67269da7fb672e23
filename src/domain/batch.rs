//! Batches: jobs of one requester that have one end together.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{BatchId, JobUid, Requester};
use super::words::words;

/// The most jobs of a batch. Its end is told by one event, for which all of them are read.
pub const MAX_BATCH: u32 = 1000;

words! {
    /// What becomes of the other jobs of a batch once one of them has ended without its result.
    #[derive(Default)]
    pub enum OnFailure {
        /// They go on.
        #[default]
        GoOn = "go-on",
        /// Those that have not begun to write are cancelled.
        Stop = "stop",
    }
}

/// What a job says of its batch. All jobs of a batch say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchTerms {
    /// The requester's name of the batch.
    pub id: BatchId,
    /// How many jobs it has.
    pub size: u32,
    /// What becomes of the others once a job has failed.
    #[serde(default)]
    pub on_failure: OnFailure,
    /// Jobs of the batch that come after this time are rejected, and it ends without them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

impl BatchTerms {
    /// Our own name of the batch. It is made of both names that it has, so that each job knows it by itself.
    pub fn uid(&self, requester: &Requester) -> JobUid {
        self.id.uid(requester)
    }
}

impl BatchId {
    /// Our own name of the batch that a requester calls so.
    pub fn uid(&self, requester: &Requester) -> JobUid {
        JobUid(Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("batch\0{requester}\0{self}").as_bytes()))
    }
}
