//! The answer to a plan.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Operation, OrderType};

/// What carrying out a job would do, as the cloud is at the look.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The writes, in the order they would be made.
    pub calls: Vec<PlannedCall>,
    /// The top of the hour at which the new payer would come into force if the job were carried out now. `None` if nothing
    /// waits for an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
}

/// A write that would be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedCall {
    /// Name of the step that would make it.
    pub step: String,
    /// The operation that would be called.
    pub operation: Operation,
    /// The account it would be made in.
    pub account: AccountUid,
    /// Id of the instance or the attachment it would change.
    pub resource: String,
    /// The payer it would set, if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
}
