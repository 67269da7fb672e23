//! Mail, as ports of the engine: what takes messages in, and what sends them out. The broker calls the one and
//! implements the other; neither names a type of its library.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::domain::contract::Fault;
use crate::domain::hex;

/// One message as the broker delivered it. Nothing in it has been checked, its size included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Incoming {
    /// The payload.
    pub body: Bytes,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Whether the broker has handed it out before.
    pub redelivered: bool,
    /// AMQP `message_id`.
    pub message_id: Option<String>,
    /// AMQP `correlation_id`.
    pub correlation_id: Option<String>,
    /// AMQP `reply_to`.
    pub reply_to: Option<String>,
    /// Who sent it: AMQP `user_id`, which the broker has verified to be the connection's user, or who has signed it. A name that
    /// begins with `http:` is that of a token, and a worker has signed for it.
    pub user_id: Option<String>,
    /// AMQP `app_id`; anyone may write anything there.
    pub app_id: Option<String>,
    /// AMQP `content_type`.
    pub content_type: Option<String>,
    /// AMQP `content_encoding`.
    pub content_encoding: Option<String>,
    /// AMQP `type`.
    pub kind: Option<String>,
    /// AMQP `timestamp`: seconds since 1970, as the publisher says.
    pub timestamp: Option<u64>,
    /// AMQP `priority`.
    pub priority: Option<u8>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// What the whole body was, if `body` is only its beginning.
    pub whole: Option<WholeBody>,
    /// The names of the properties that could not be read as they came.
    pub unreadable: Vec<String>,
    /// Why the broker gave the message up, if it did.
    pub dead_lettered: Option<DeadLettered>,
    /// Why who it says has sent it is not believed, if it says so and is not believed.
    pub unproven: Option<Fault>,
}

/// A body that was too large to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeBody {
    /// In bytes.
    pub length: u64,
    /// Its SHA-256, in hex.
    pub sha256: String,
}

impl WholeBody {
    /// What is to be known of a body.
    pub fn of(body: &[u8]) -> Self {
        Self { length: body.len() as u64, sha256: hex(&Sha256::digest(body)) }
    }
}

/// The broker has taken a message out of the queue of jobs before a worker had accepted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLettered {
    /// The broker's word: `expired` or `delivery_limit`.
    pub reason: String,
}

impl Incoming {
    /// Keeps only the beginning of a body of more than `longest` bytes, and what is needed to know it by.
    #[must_use]
    pub fn bounded(mut self, longest: usize) -> Self {
        if self.body.len() > longest {
            self.whole.get_or_insert_with(|| WholeBody::of(&self.body));
            // A slice would keep all of it in memory.
            self.body = Bytes::copy_from_slice(&self.body[..longest]);
        }
        self
    }
}

/// Nothing of the batch may be acknowledged: the store cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store cannot be written: {why}")]
pub struct IntakeError {
    /// What was in the way.
    pub why: String,
}

/// Takes messages.
#[async_trait]
pub trait Intake: Send + Sync + 'static {
    /// Returns `Ok` only when every message of the batch is committed: as a job, a duplicate or a rejection. The same
    /// message may come again, whatever was returned the first time, and the call may be dropped half-way.
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError>;

    /// Returns when the store can be written; at once when it can be now.
    async fn ready(&self);

    /// Whether this worker may consume: of those that share a store one leads, until it resigns or is lost. Asked again and
    /// again.
    async fn lead(&self) -> bool {
        true
    }

    /// Lets another worker lead.
    async fn resign(&self) {}
}

/// The name under which [`Outgoing::headers`] has AMQP `type`: what the message is.
pub const TYPE: &str = "amqp:type";
/// The name under which [`Outgoing::headers`] has AMQP `timestamp`, in seconds since 1970.
pub const TIMESTAMP: &str = "amqp:timestamp";

/// What is to be published: persistent, and mandatory unless it is for a direct reply-to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outgoing {
    /// AMQP `message_id`; the same on every attempt, since a receiver tells a repetition by it.
    pub message_id: String,
    /// The exchange; empty for the default exchange, which routes to the queue that the routing key names.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// AMQP `correlation_id`.
    pub correlation_id: Option<String>,
    /// AMQP `content_type`.
    pub content_type: String,
    /// AMQP headers, as strings; [`TYPE`] and [`TIMESTAMP`] are properties among them. A store keeps all of them alike.
    pub headers: BTreeMap<String, String>,
    /// The payload.
    pub body: Bytes,
}

/// Messages of one lane go out in order, over a connection of their own. What holds one lane up never holds up the other:
/// the sender of a message chooses the queue of its replies, so only the lane of replies can be led to where publishing fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// To the events exchange.
    Events,
    /// To the default exchange: replies, and copies of rejected messages.
    Replies,
}

impl Lane {
    /// Both lanes.
    pub const ALL: [Self; 2] = [Self::Events, Self::Replies];

    /// The lane of messages to this exchange.
    pub fn of(exchange: &str) -> Self {
        if exchange.is_empty() { Self::Replies } else { Self::Events }
    }
}

/// One of a thing for each lane.
#[derive(Debug, Default)]
pub struct Lanes<T> {
    events: T,
    replies: T,
}

impl<T> Lanes<T> {
    /// Both made alike.
    pub fn new(make: impl Fn() -> T) -> Self {
        Self { events: make(), replies: make() }
    }

    /// That of one lane.
    pub fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Events => &self.events,
            Lane::Replies => &self.replies,
        }
    }
}

/// What became of a published message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Delivered {
    /// Every queue it was routed to has it on disk.
    Confirmed,
    /// Returned: no queue takes it.
    Undeliverable,
    /// A queue it was routed to refused it (`basic.nack`: it is full, or it failed). Another one may have it.
    Refused,
    /// It was not confirmed in time, while the broker confirmed later ones, or answered everything else. It may have arrived.
    Unconfirmed,
    /// Published alone, it made the broker close the channel or the connection, with these words. Others can be published.
    Unpublishable(String),
}

/// Nothing may be assumed about any message of the batch; all are to be published again, with the same ids.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not published: {why}")]
pub struct PublishError {
    /// What was seen.
    pub why: String,
}

/// Sends messages.
#[async_trait]
pub trait Publisher: Send + Sync + 'static {
    /// Publishes a batch and waits for confirms: one verdict for each message, in order. There are fewer verdicts than
    /// messages if the broker was lost on the way, or if some were not confirmed in time: what is known of them should be
    /// settled before the rest is published. Nothing may be assumed about the messages without a verdict.
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError>;
}
