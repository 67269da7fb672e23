//! A wait for the top of an hour.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::OrderType;

/// A wait for the top of an hour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The payer that must become effective.
    pub goal: OrderType,
    /// When it should: the boundary after the last write, by the cloud's own clock.
    pub expected_at: Timestamp,
    /// Since when it waits, or was last resumed: what giving up is counted from, at the earliest.
    pub since: Timestamp,
    /// The last read that showed the goal written and not yet effective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pending: Option<Timestamp>,
    /// The sweep saw something it cannot judge alone; the job looks for itself.
    #[serde(default)]
    pub doubt: bool,
    /// `overdue` was said.
    #[serde(default)]
    pub overdue: bool,
}
