//! How a command ends: its exit code, and its error.

use std::fmt::{self, Display};
use std::process::ExitCode;

use crate::broker::BrokerError;
use crate::config::ConfigError;
use crate::domain::Code;
use crate::engine::ports::store::StoreError;
use crate::telemetry::log::LogError;

/// The exit codes that `--help` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Everything was done.
    Ok = 0,
    /// The input was usable, but not everything was done.
    Failed = 1,
    /// The command line, the configuration or an input cannot be used.
    Usage = 2,
    /// The worker or the broker cannot be reached.
    Unreachable = 3,
    /// What reads the output has gone, as `head` does. Nothing is said, and the code is that of a program that SIGPIPE ends.
    ReaderGone = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug)]
pub struct CliError {
    /// The exit code, for scripts.
    pub exit: Exit,
    /// The code under which `crossgrant explain` has more.
    pub code: Code,
    /// The text for people. The first line introduces the others.
    pub message: String,
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.split_once('\n') {
            None => write!(f, "{} [{}]", self.message, self.code),
            Some((first, rest)) => write!(f, "{first} [{}]\n{rest}", self.code),
        }
    }
}

impl std::error::Error for CliError {}

impl CliError {
    /// The command was usable, but not everything was done.
    pub fn failed(message: impl Display) -> Self {
        Self { exit: Exit::Failed, code: Code::NotDone, message: message.to_string() }
    }

    /// The command line, the configuration or an input cannot be used.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, code: Code::BadInput, message: message.to_string() }
    }

    /// Replaces the general code by one that says more.
    pub fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// Appends a hint to the message.
    pub fn hint(self, hint: &str) -> Self {
        Self { message: format!("{}; {hint}", self.message), ..self }
    }

    /// The worker or the broker cannot be reached.
    pub fn unreachable(message: impl Display) -> Self {
        Self { exit: Exit::Unreachable, code: Code::Unreachable, message: message.to_string() }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("faults in the configuration: {}\n{error}", error.0.len())).code(Code::ConfigUnusable)
    }
}

impl From<LogError> for CliError {
    fn from(error: LogError) -> Self {
        Self::usage(error).code(Code::ConfigBadValue)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        let failure = match error {
            StoreError::Unusable(..) => Self::usage(error),
            _ => Self::failed(error),
        };
        failure.code(code)
    }
}

impl From<BrokerError> for CliError {
    fn from(error: BrokerError) -> Self {
        let code = error.code();
        let failure = match error {
            BrokerError::Url { .. } | BrokerError::TooLong { .. } | BrokerError::LineFeed => Self::usage(error),
            BrokerError::NoQueue { .. } | BrokerError::Refused { .. } => Self::failed(error),
            BrokerError::Unreachable { .. }
            | BrokerError::Topology { .. }
            | BrokerError::Timeout { .. }
            | BrokerError::Call { .. }
            | BrokerError::Closed { .. }
            | BrokerError::Ended { .. }
            | BrokerError::NoRight(_)
            | BrokerError::Held { .. } => Self::unreachable(error),
        };
        failure.code(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_at_the_end_of_the_first_line() {
        assert_eq!(CliError::usage("no").code(Code::NoJob).to_string(), "no [no-job]");
        let many =
            CliError::from(ConfigError(vec!["a:1: x [config-bad-value]".into(), "a:2: y [config-syntax]".into()]));
        assert_eq!(
            many.to_string(),
            "faults in the configuration: 2 [config-unusable]\na:1: x [config-bad-value]\na:2: y [config-syntax]"
        );
        assert_eq!(CliError::from(StoreError::Corrupt("x".into())).code, Code::StoreCorrupt);
        let unusable = CliError::from(StoreError::Unusable(Code::StoreLogin, "x".into()));
        assert_eq!((unusable.exit, unusable.code, unusable.message.as_str()), (Exit::Usage, Code::StoreLogin, "x"));
    }
}
