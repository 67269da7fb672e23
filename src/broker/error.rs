//! What can go wrong between us and the broker. No error carries a URL: it holds a password.

use std::time::Duration;

use crate::domain::Code;

/// An error of the broker or of the way there.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// A URL in the settings cannot be used. Only a changed setting helps.
    #[error("broker URL number {number} is not usable: {why}")]
    Url {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No URL of the list led to a broker. Retry later.
    #[error("no broker reachable: {}", .tries.join("; "))]
    Unreachable {
        /// One line for each URL, with host and port.
        tries: Vec<String>,
    },
    /// What the broker has is not what this worker needs. Only an operator can mend it.
    #[error("the broker's topology does not fit: {}", .faults.join("; "))]
    Topology {
        /// One line for each exchange, queue or binding, with what to do.
        faults: Vec<String>,
    },
    /// A call was not answered in time. Whether it had an effect is unknown.
    #[error("{call}: no answer within {after:?}")]
    Timeout {
        /// The AMQP method.
        call: &'static str,
        /// How long we waited.
        after: Duration,
    },
    /// A call failed.
    #[error("{call}: {source}")]
    Call {
        /// The AMQP method.
        call: &'static str,
        /// What the library says.
        source: lapin::Error,
    },
    /// The connection or the consumer is gone. Reconnect.
    #[error("the session ended: {why}")]
    Ended {
        /// What was seen.
        why: String,
    },
    /// Deliveries were held as long as the settings allow and the store could still not be written.
    #[error("{held} deliveries given back after {after:?}: {why}")]
    Held {
        /// How many.
        held: usize,
        /// How long they were held.
        after: Duration,
        /// Why the store could not be written.
        why: String,
    },
    /// A property of a message is longer than AMQP can carry.
    #[error("{property} is longer than 255 bytes")]
    TooLong {
        /// Which.
        property: &'static str,
    },
    /// The exchange routed the message to no queue.
    #[error("no queue takes messages published to exchange {exchange:?} with routing key {routing_key:?}")]
    NoQueue {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
    /// The queue refused the message: it is full, or it failed.
    #[error("the queue behind exchange {exchange:?} refused the message: it is full or it failed")]
    Refused {
        /// The exchange.
        exchange: String,
    },
}

impl BrokerError {
    /// What it is explained under.
    pub fn code(&self) -> Code {
        match self {
            Self::Url { .. } => Code::BrokerBadUrl,
            Self::Unreachable { .. } => Code::BrokerUnreachable,
            Self::Topology { .. } => Code::BrokerTopology,
            Self::Timeout { .. } => Code::BrokerTimeout,
            Self::Call { .. } => Code::BrokerCallFailed,
            Self::Ended { .. } => Code::BrokerSessionEnded,
            Self::Held { .. } => Code::BrokerHeld,
            Self::TooLong { .. } => Code::BrokerTooLong,
            Self::NoQueue { .. } => Code::BrokerNoQueue,
            Self::Refused { .. } => Code::BrokerRefused,
        }
    }

    /// Whether the broker, rather than the way to it, answered with this reply code.
    pub(super) fn has_reply_code(&self, code: u16) -> bool {
        match self {
            Self::Call { source, .. } => {
                matches!(source.kind(), lapin::ErrorKind::ProtocolError(e) if e.get_id() == code)
            }
            _ => false,
        }
    }
}
