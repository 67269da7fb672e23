//! Calling webhooks, as a port.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::engine::ports::mail::Outgoing;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The receiver answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// How long it asks not to be called.
        retry_after: Option<Duration>,
        /// Where a redirect would have led; for people.
        location: Option<String>,
    },
    /// There is no answer, for this reason. The receiver may have the message.
    Unanswered(String),
    /// Nothing was sent: the host has no address that may be called.
    Forbidden(String),
    /// Nothing was sent: this worker calls no webhooks.
    Off,
}

/// Calls webhooks. A call ends within a bounded time.
#[async_trait]
pub trait Caller: Send + Sync + 'static {
    /// Sends a message to the URL that is its routing key; `now` is when, as the receiver is told.
    async fn call(&self, message: &Outgoing, now: Timestamp) -> Answer;
}

/// Calls nothing: webhooks are off.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCaller;

#[async_trait]
impl Caller for NoCaller {
    async fn call(&self, _message: &Outgoing, _now: Timestamp) -> Answer {
        Answer::Off
    }
}
