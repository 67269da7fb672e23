//! What a look showed, as it is remembered.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Attachment, OrderType};

/// What one look at the cloud showed of a grant: the before and after of events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// When we looked.
    pub at: Timestamp,
    /// Whether there is a grant.
    pub granted: bool,
    /// The payer written on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// The payer billing uses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_order_type: Option<OrderType>,
    /// The attachments of the instance in the CEN; `None` when they were not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Vec<Attachment>>,
}

/// Since when looks have shown nothing where an empty answer matters: the first of them is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct EmptySince {
    /// Attachments: none at all, or none of some that were shown before. When the first such look was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Timestamp>,
    /// The CEN, to the account that the job says owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cen: Option<Timestamp>,
    /// The grant, where one witness alone can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Timestamp>,
}

impl EmptySince {
    pub(super) fn is_never(&self) -> bool {
        *self == Self::default()
    }
}
