//! A write and what is known of it: the audit trail.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, OrderType};

/// A write, from the intent that was committed before it was sent to what is known of it now. The audit trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Write {
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
    /// Whether it puts the before-image back.
    #[serde(default)]
    pub undo: bool,
    /// Raised by resume, undo and a new beginning; part of the ClientToken.
    pub generation: u32,
    /// The `ClientToken`, where the operation has one: the same on every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// How often it was sent, or may have been.
    pub sends: u32,
    /// Whether it was sent again, as a ClientToken allows, before it was known what became of an earlier send: a refusal
    /// of the later one does not tell.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// When the last of these sends was committed to.
    pub intended_at: Timestamp,
    /// What is known of it.
    pub outcome: Outcome,
}

impl Write {
    /// Whether it may have changed something: all but a refusal that is known for what it is.
    pub fn may_have_landed(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { unclassified: false, .. })
    }
}

/// What is known of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The intent is committed; whether it was sent, or took effect, is not known.
    Unknown,
    /// The cloud said yes.
    Accepted {
        /// Its RequestId.
        request_id: String,
        /// When the answer came, by our clock.
        at: Timestamp,
        /// The answer's `Date`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<Timestamp>,
    },
    /// The cloud said no, and nothing was changed as far as the answer tells.
    Refused {
        /// The API's error code, or `HTTP nnn`.
        code: String,
        /// The API's message.
        message: String,
        /// Its RequestId.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// When the answer came.
        at: Timestamp,
        /// Whether trying the same again may help.
        retry: bool,
        /// Whether the code is one nobody has classified, so that only a later look tells what it meant.
        unclassified: bool,
        /// Whether it says that the end state is there already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        done: bool,
    },
    /// A look showed the effect although no answer ever came.
    Seen {
        /// When.
        at: Timestamp,
    },
}
