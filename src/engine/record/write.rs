//! A write and what is known of it: the audit trail.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Operation, OrderType};
use crate::workflow::{Class, Finding, Verdict};

/// A write, from its intent, which is committed before it is sent, to what is known of it now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Write {
    /// Name of the step that wants it.
    pub step: String,
    /// The operation that is called. A record with one that this program does not know is not read, since it could not tell
    /// what the write did.
    pub operation: Operation,
    /// The account it is made in.
    pub account: AccountUid,
    /// Id of the instance or the attachment it changes.
    pub resource: String,
    /// The payer it sets, if it sets one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// Whether it puts back what was there before the job.
    #[serde(default)]
    pub undo: bool,
    /// The generation of the job at the intent; part of the `ClientToken`.
    pub generation: u32,
    /// The `ClientToken`, where the operation has one: the same on every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// How many sends were committed to. The last of them may not have gone out.
    pub sends: u32,
    /// Whether it was sent again, as a ClientToken allows, while the outcome of an earlier send was unknown. A refusal of the
    /// later send then says nothing about the earlier one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// When the intent of the last send was made.
    pub intended_at: Timestamp,
    /// What is known of its effect.
    pub outcome: Outcome,
}

impl Write {
    /// Whether it may have changed something: always, but for a refusal that a look has confirmed or the error table knows.
    pub fn may_have_landed(&self) -> bool {
        !matches!(self.outcome, Outcome::Refused { unclassified: false, .. })
    }
}

/// What the table of error classes said of a refusal when it was answered: it stays so when an operator changes the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// What to do about it.
    pub class: Class,
    /// What it finds wrong with the job itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
    /// What it means, in one sentence.
    pub meaning: String,
}

impl From<Verdict<'_>> for Judged {
    fn from(Verdict { class, finding, meaning, .. }: Verdict<'_>) -> Self {
        Self { class, finding, meaning: meaning.to_owned() }
    }
}

/// What is known of the effect of a write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// The intent is committed. Whether it was sent and took effect is not known.
    Unknown,
    /// The cloud accepted it.
    Accepted {
        /// `RequestId` of the answer.
        request_id: String,
        /// When the answer came, by the clock of this machine.
        at: Timestamp,
        /// `Date` of the answer: the clock of the cloud.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        date: Option<Timestamp>,
    },
    /// The cloud refused it: by the answer, nothing was changed.
    Refused {
        /// `Code` of the answer, or `HTTP nnn` if it had none.
        code: String,
        /// `Message` of the answer.
        message: String,
        /// `RequestId` of the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// When the answer came, by the clock of this machine.
        at: Timestamp,
        /// Whether the same call may be accepted later.
        retry: bool,
        /// Whether only a later look tells that it had no effect: the error table does not know the code, or an earlier send
        /// may have landed.
        unclassified: bool,
        /// What the table of error classes said of it then. Stores of earlier builds do not hold it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        judged: Option<Judged>,
        /// Whether the code says that the end state is there already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        done: bool,
    },
    /// A look showed its effect, although no answer said that it was accepted.
    Seen {
        /// When the look was judged.
        at: Timestamp,
    },
}
