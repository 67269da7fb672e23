//! Why a job goes back, is parked or has ended.

use serde::{Deserialize, Serialize};

use super::state::State;
use crate::domain::Reason;

/// Why and how a job that had begun to write goes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// How it ends when everything is put back: failed or cancelled.
    pub ends: State,
    /// Why.
    pub reason: Reason,
    /// In one sentence.
    pub message: String,
}

/// How a job ended, or why it is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// From the closed list.
    pub reason: Reason,
    /// In one plain sentence.
    pub message: String,
    /// Everything that was found in the way, where there is more to say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}
