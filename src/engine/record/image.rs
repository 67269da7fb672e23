//! What a look showed, as it is remembered.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Attachment, OrderType};

/// What one look showed of a grant: the `before` and `after` of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// When the look began.
    pub at: Timestamp,
    /// Whether the grant is there.
    pub granted: bool,
    /// `OrderType`: the payer written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// `EffectiveOrderType`: the payer that is billed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_order_type: Option<OrderType>,
    /// The attachments of the instance in the CEN; `None` when they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
}

/// Since when looks have been empty where an empty answer matters. The first of them is never believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct EmptySince {
    /// No attachments at all, or fewer than were shown before: when the first such look was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Timestamp>,
    /// The account that the job names as owner of the CEN is not shown the CEN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cen: Option<Timestamp>,
    /// No grant, where one witness alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Timestamp>,
}

impl EmptySince {
    pub(super) fn is_never(&self) -> bool {
        *self == Self::default()
    }
}
