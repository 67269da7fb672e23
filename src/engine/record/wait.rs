//! A wait for the top of an hour.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::OrderType;

/// A wait for the top of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// The payer that must come into force.
    pub goal: OrderType,
    /// When it should: the top of the hour after the last write, by the clock of the cloud.
    pub expected_at: Timestamp,
    /// When the wait began, or was resumed last.
    pub since: Timestamp,
    /// The latest read that showed the goal written and not yet in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pending: Option<Timestamp>,
    /// Since when looks after `expected_at` have not shown the goal in force. Moved on by the time in which none was made, so
    /// that until now is the time for which it was looked for in vain: `overdue-after` and `give-up-after` are counted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmet_since: Option<Timestamp>,
    /// Whether the sweep saw something that it cannot judge alone: then the job makes a look of its own.
    #[serde(default)]
    pub doubt: bool,
    /// Whether the event `overdue` was published for this wait.
    #[serde(default)]
    pub overdue: bool,
}
