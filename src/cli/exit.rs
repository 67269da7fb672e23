//! How a command ends.

use std::fmt::Display;
use std::process::ExitCode;

use crate::broker::BrokerError;
use crate::config::ConfigError;
use crate::engine::store::StoreError;

/// The exit codes, as `--help` has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything that was asked for was done.
    Ok = 0,
    /// It was asked for properly, and not all of it was done.
    Failed = 1,
    /// The command line, the configuration or an input cannot be used.
    Usage = 2,
    /// The worker or the broker cannot be reached.
    Unreachable = 3,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended without doing what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// Tells scripts.
    pub exit: Exit,
    /// Tells people.
    pub message: String,
}

impl Failure {
    /// What was asked for was not done.
    pub fn failed(message: impl Display) -> Self {
        Self { exit: Exit::Failed, message: message.to_string() }
    }

    /// What was asked for cannot be used.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, message: message.to_string() }
    }

    /// With something more to know about it.
    pub fn hint(self, hint: &str) -> Self {
        Self { message: format!("{}; {hint}", self.message), ..self }
    }

    /// The other side cannot be reached.
    pub fn unreachable(message: impl Display) -> Self {
        Self { exit: Exit::Unreachable, message: message.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("the configuration cannot be used:\n{error}"))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(error)
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        match error {
            BrokerError::Url { .. } | BrokerError::TooLong { .. } => Self::usage(error),
            BrokerError::NoQueue { .. } | BrokerError::Refused { .. } => Self::failed(error),
            BrokerError::Unreachable { .. }
            | BrokerError::Topology { .. }
            | BrokerError::Timeout { .. }
            | BrokerError::Call { .. }
            | BrokerError::Ended { .. }
            | BrokerError::Held { .. } => Self::unreachable(error),
        }
    }
}
