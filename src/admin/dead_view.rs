//! Dead messages, as the admin API shows them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::JobUid;
use crate::engine::decide::delivery::Cause;
use crate::engine::loops::intake::BODY_LENGTH;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventHead, Rejected, UndeliverableRow};

/// A page of rejections.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RejectionPage {
    /// The number of rejections that match.
    pub total: u64,
    /// Newest first.
    pub rejections: Vec<Rejected>,
    /// The `before` of the next page; `None` on the last one.
    pub next: Option<JobUid>,
}

/// A page of messages that could not be published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UndeliverablePage {
    /// The number of such messages that match.
    pub total: u64,
    /// Oldest first.
    pub messages: Vec<Undeliverable>,
    /// The `after` of the next page; `None` on the last one.
    pub next: Option<i64>,
}

/// A message that could not be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undeliverable {
    /// Its number in the outbox, by which `replay` and `drop` name it.
    pub number: i64,
    /// AMQP `message_id`: the id of the event it carries.
    pub message_id: String,
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: String,
    /// The routing key, or for the default exchange the name of the queue, or the URL of the webhook.
    pub routing_key: String,
    /// Why, in the broker's words if it has said any.
    #[serde(default)]
    pub reason: String,
    /// Why, in a word: `no-queue`, `refused`, `unconfirmed`, `unpublishable`, `webhook-failed` or `webhook-gone`.
    #[serde(default)]
    pub cause: String,
    /// How often a queue has refused it, or a webhook was called.
    #[serde(default)]
    pub tries: u32,
    /// When its event happened; `None` for a message that carries no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

impl Undeliverable {
    /// As the store has it.
    pub(super) fn of(row: &UndeliverableRow) -> Self {
        let UndeliverableRow { number, outgoing, reason, tries } = row;
        Self {
            number: *number,
            message_id: outgoing.message_id.clone(),
            exchange: outgoing.exchange.clone(),
            routing_key: outgoing.routing_key.clone(),
            reason: reason.clone(),
            cause: Cause::of(reason).to_string(),
            tries: *tries,
            time: EventHead::read(&outgoing.body).map(|event| event.time),
        }
    }
}

/// The answer to `GET /v1/rejections/{uid}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RejectionView {
    /// The rejection.
    #[serde(flatten)]
    pub rejected: Rejected,
    /// The message; `None` if the rejection is from before messages were kept.
    pub message: Option<KeptMessage>,
}

/// A rejected message, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptMessage {
    /// The body, or its beginning. What is no UTF-8 is replaced by U+FFFD.
    pub body: String,
    /// Whether `body` is the body, whole and byte for byte.
    pub exact: bool,
    /// The length of the body that came, in bytes.
    pub length: u64,
    /// How many bytes of it are kept.
    pub kept: u64,
    /// AMQP `content_type`.
    pub content_type: String,
    /// AMQP `correlation_id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Its other properties, under the names of headers as the copy in the dead-letter queue has them.
    pub properties: BTreeMap<String, String>,
}

impl KeptMessage {
    /// As the store has it.
    pub(super) fn of(kept: &Outgoing) -> Self {
        let whole = kept.headers.get(BODY_LENGTH).and_then(|length| length.parse().ok());
        let text = std::str::from_utf8(&kept.body);
        Self {
            body: String::from_utf8_lossy(&kept.body).into_owned(),
            exact: whole.is_none() && text.is_ok(),
            length: whole.unwrap_or(kept.body.len() as u64),
            kept: kept.body.len() as u64,
            content_type: kept.content_type.clone(),
            correlation_id: kept.correlation_id.clone(),
            properties: kept.headers.clone(),
        }
    }
}

/// The answer to `POST /v1/undeliverable/replay`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The number of messages that will be sent again.
    pub replayed: usize,
}

/// The answer to `POST /v1/undeliverable/drop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The number of messages that were deleted.
    pub dropped: usize,
}
