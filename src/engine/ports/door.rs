//! The door, as a port: publishes a job for a requester that has no user at the broker.

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::Requester;

/// What is published for a requester. The worker that publishes it signs all of it but `traceparent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoorMessage {
    /// For whom: a name that begins with [`Requester::DOOR`].
    pub requester: Requester,
    /// AMQP `message_id`, which no other message has.
    pub message_id: String,
    /// AMQP `correlation_id`, which every event repeats.
    pub correlation_id: String,
    /// AMQP `reply_to`: the URL of a webhook.
    pub reply_to: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// A job, or all jobs of a batch.
    pub body: Bytes,
    /// AMQP `timestamp`: when it was signed.
    pub at: Timestamp,
}

/// Why a message is not known to be in the queue of jobs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// It is not in the queue: the broker cannot be reached, or it has refused the message.
    #[error("{0}")]
    NotTaken(String),
    /// It may be in the queue.
    #[error("{0}")]
    Unconfirmed(String),
}

/// Publishes to the queue of jobs.
#[async_trait]
pub trait DoorPublisher: Send + Sync + 'static {
    /// Publishes one message; `Ok` once the queue has it on disk. It answers within some seconds, whatever the broker does.
    async fn publish(&self, message: &DoorMessage) -> Result<(), NotPublished>;

    /// The routing key that the intake finds in a message with this body.
    fn routing_key(&self, body: &[u8]) -> String;
}
