//! Why a job goes back, is parked or has ended.
use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::domain::Reason;

/// Why a job that had begun to write goes back, and how it ends then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undo {
    /// Its state once everything is put back: failed or cancelled.
    pub ends: State,
    /// The reason its end is published with.
    pub reason: Reason,
    /// The cause, in one plain sentence.
    pub message: String,
}

/// How a job ended, or why it is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    /// One of the closed list of reasons, which the contract publishes.
    pub reason: Reason,
    /// The cause, in one plain sentence.
    pub message: String,
    /// Each obstacle that was found, if there is more to say than `message`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}
