//! The answer to a plan.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, OrderType};

/// What carrying a job out would do, as the cloud is at the look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// The writes, in order.
    pub calls: Vec<PlannedCall>,
    /// The top of the hour from which the new payer would be in force, if it were carried out at once; `None` when
    /// nothing waits for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
}

/// A write that would be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedCall {
    /// The step it belongs to.
    pub step: String,
    /// The API operation.
    pub operation: String,
    /// In whose account.
    pub account: AccountUid,
    /// The instance or the attachment written to.
    pub resource: String,
    /// The payer set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
}
