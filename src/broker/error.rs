//! Errors of the broker and of the connection to it. None contains a URL, because a URL holds a password.

use std::time::Duration;

use super::missing_right::MissingRight;
use crate::domain::Code;

/// AMQP reply codes: the user may not do this; to `connection.start-ok`, nor log in.
pub(super) const ACCESS_REFUSED: u16 = 403;
/// There is no such exchange or queue.
pub(super) const NOT_FOUND: u16 = 404;
/// It is there, and otherwise.
pub(super) const PRECONDITION_FAILED: u16 = 406;
/// To `connection.open`, that the user cannot have this vhost. ApsaraMQ answers it to too many calls.
pub(super) const NOT_ALLOWED: u16 = 530;

/// An error of the broker or of the connection to it.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A URL in the settings cannot be used. Trying again does not help.
    #[error("broker URL number {number} cannot be used: {why}")]
    Url {
        /// Its place in the list, from 1.
        number: usize,
        /// The parser's error.
        why: String,
    },
    /// No URL of the list led to a broker that let the user in. Trying later may help.
    #[error("no broker can be reached: {}", .tries.join("; "))]
    Unreachable {
        /// One text for each URL, with host and port.
        tries: Vec<String>,
        /// What is to be done about it.
        code: Code,
    },
    /// The broker's exchanges and queues are not what this worker needs. An operator must fix it.
    #[error("the broker's exchanges and queues do not fit: {}", .faults.join("; "))]
    Topology {
        /// One text for each exchange or queue, with what to do.
        faults: Vec<String>,
    },
    /// A call was not answered in time. It may have had an effect.
    #[error("{call}: no answer within {after:?}")]
    Timeout {
        /// The AMQP method.
        call: &'static str,
        /// The time limit.
        after: Duration,
    },
    /// The broker refused a call, or the connection broke during it.
    #[error("{call}: {source}")]
    Call {
        /// The AMQP method.
        call: &'static str,
        /// The library's error; it tells a refusal from a broken connection.
        source: lapin::Error,
    },
    /// The connection or the consumer is gone. Reconnecting helps.
    #[error("the session with the broker ended: {why}")]
    Ended {
        /// The first sign of it.
        why: String,
    },
    /// The broker closed the connection because of something that was sent on it.
    #[error("the broker closed the connection: {why}")]
    Closed {
        /// The broker's words.
        why: String,
        /// The AMQP reply code.
        reply_code: u16,
    },
    /// The store could not be written for as long as deliveries may be held.
    #[error("{held} deliveries were given back after {after:?}: {why}")]
    Held {
        /// The number of deliveries.
        held: usize,
        /// How long they were held.
        after: Duration,
        /// The store's error.
        why: String,
    },
    /// A property of a message is longer than AMQP allows.
    #[error("{property} is longer than 255 bytes")]
    TooLong {
        /// The name of the property.
        property: &'static str,
    },
    /// A property of a message has a line feed, and is to be signed.
    #[error("a job whose message_id, correlation_id or reply_to has a line feed cannot be signed")]
    LineFeed,
    /// The exchange routed the message to no queue.
    #[error("no queue is bound to exchange {exchange:?} for routing key {routing_key:?}")]
    NoQueue {
        /// The exchange that it was published to.
        exchange: String,
        /// The routing key that no binding matches.
        routing_key: String,
    },
    /// The user may not publish. An operator must give him the right.
    #[error(transparent)]
    NoRight(Box<MissingRight>),
    /// The queue refused the message: it is full, or it failed.
    #[error("the queue bound to exchange {exchange:?} refused the message: it is full or it failed")]
    Refused {
        /// The exchange that it was published to.
        exchange: String,
    },
}

impl BrokerError {
    /// Whether a limit of the vhost is what refused the call (*Virtual hosts* of RabbitMQ, "Limits"): its code stands for other
    /// things as well, and only the words tell.
    pub(super) fn tells_of_limit(&self) -> bool {
        let words = self.to_string();
        ["connection limit", "queue limit"].iter().any(|limit| words.contains(limit))
    }

    /// What came of each URL. It has a code of its own if all have the same.
    pub(super) fn unreachable(tries: Vec<(Code, String)>) -> Self {
        let first = tries.first().map(|(code, _)| *code);
        let code = first.filter(|first| tries.iter().all(|(code, _)| code == first));
        let tries = tries.into_iter().map(|(_, what)| what).collect();
        Self::Unreachable { tries, code: code.unwrap_or(Code::BrokerUnreachable) }
    }

    /// The code under which `crossgrant explain` has more.
    pub fn code(&self) -> Code {
        match self {
            Self::Url { .. } => Code::BrokerBadUrl,
            Self::Unreachable { code, .. } => *code,
            Self::Topology { .. } => Code::BrokerTopology,
            Self::Timeout { .. } => Code::BrokerTimeout,
            Self::Call { .. } => Code::BrokerCallFailed,
            Self::Ended { .. } | Self::Closed { .. } => Code::BrokerSessionEnded,
            Self::Held { .. } => Code::BrokerHeld,
            Self::TooLong { .. } => Code::BrokerTooLong,
            Self::LineFeed => Code::JobBadSignature,
            Self::NoQueue { .. } => Code::BrokerNoQueue,
            Self::NoRight(missing) => missing.code(),
            Self::Refused { .. } => Code::BrokerRefused,
        }
    }

    /// Whether the broker answered with this AMQP reply code.
    pub(super) fn has_reply_code(&self, code: u16) -> bool {
        self.reply_code() == Some(code)
    }

    /// The AMQP reply code that the broker answered with.
    pub(super) fn reply_code(&self) -> Option<u16> {
        match self {
            Self::Call { source, .. } => reply_code(source),
            Self::Closed { reply_code, .. } => Some(*reply_code),
            _ => None,
        }
    }
}

/// The AMQP reply code with which the broker closed a channel or a connection.
pub(super) fn reply_code(error: &lapin::Error) -> Option<u16> {
    match error.kind() {
        lapin::ErrorKind::ProtocolError(error) => Some(error.get_id()),
        _ => None,
    }
}
