//! Messages, as ports of the engine: what comes in and what goes out, without a word of AMQP's library.

use std::collections::BTreeMap;

use bytes::Bytes;

/// What is to be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// The same for every attempt to publish it.
    pub message_id: String,
    /// The exchange; empty for the default one, where the routing key names a queue.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// Echo of the request's.
    pub correlation_id: Option<String>,
    /// The content type of the body.
    pub content_type: String,
    /// AMQP headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Bytes,
}
