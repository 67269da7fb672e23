//! A right that the broker does not give to the worker's user.

use std::fmt;

use crate::domain::Code;
use crate::engine::ports::mail::Lane;

/// A right that the worker needs and its user does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user {user:?} may not {right}, so {} ({why}). Give it the right: rabbitmqctl set_permissions -p {vhost:?} {user:?} {}",
    right.without(), self.permissions()
)]
pub struct MissingRight {
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) right: Right,
    pub(super) prefix: String,
    pub(super) why: String,
}

/// What can be done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Right {
    /// Publish to an exchange.
    Write(String),
    /// Consume a queue.
    Read(String),
    /// Declare an exchange or a queue.
    Configure(String),
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(exchange) if exchange.is_empty() => f.write_str("write to exchange amq.default"),
            Self::Write(exchange) => write!(f, "write to exchange {exchange}"),
            Self::Read(queue) => write!(f, "read queue {queue}"),
            Self::Configure(name) => write!(f, "configure {name}"),
        }
    }
}

impl Right {
    /// What comes of it if it is missing.
    fn without(&self) -> &'static str {
        match self {
            Self::Write(exchange) => match Lane::of(exchange) {
                Lane::Events => "events cannot be published",
                Lane::Replies => "replies and copies of rejected messages cannot be published",
            },
            Self::Read(_) => "its messages cannot be taken",
            Self::Configure(_) => "the worker cannot declare what is not there yet",
        }
    }
}

impl MissingRight {
    /// The code under which `crossgrant explain` has more.
    pub fn code(&self) -> Code {
        Code::BrokerNoRight
    }

    /// What a worker needs: configure, write, read.
    fn permissions(&self) -> String {
        let prefix = self.prefix.replace('.', "[.]");
        format!("'^{prefix}([.]|$)' '^(amq[.]default$|{prefix}([.]|$))' '^{prefix}([.]|$)'")
    }
}
