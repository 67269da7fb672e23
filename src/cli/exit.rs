//! How a command ends.

use std::fmt::{self, Display};
use std::process::ExitCode;

use crate::broker::BrokerError;
use crate::config::ConfigError;
use crate::domain::Code;
use crate::engine::ports::store::StoreError;

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
#[derive(Debug)]
pub struct Failure {
    /// Tells scripts.
    pub exit: Exit,
    /// Tells what `explain` knows about it.
    pub code: Code,
    /// Tells people. Of several lines the first says what the others are.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message.split_once('\n') {
            None => write!(f, "{} [{}]", self.message, self.code),
            Some((first, rest)) => write!(f, "{first} [{}]\n{rest}", self.code),
        }
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// What was asked for was not done.
    pub fn failed(message: impl Display) -> Self {
        Self { exit: Exit::Failed, code: Code::NotDone, message: message.to_string() }
    }

    /// What was asked for cannot be used.
    pub fn usage(message: impl Display) -> Self {
        Self { exit: Exit::Usage, code: Code::BadInput, message: message.to_string() }
    }

    /// With a code that says more than its exit code.
    pub fn code(self, code: Code) -> Self {
        Self { code, ..self }
    }

    /// With something more to know about it.
    pub fn hint(self, hint: &str) -> Self {
        Self { message: format!("{}; {hint}", self.message), ..self }
    }

    /// The other side cannot be reached.
    pub fn unreachable(message: impl Display) -> Self {
        Self { exit: Exit::Unreachable, code: Code::Unreachable, message: message.to_string() }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(format!("the configuration cannot be used:\n{error}")).code(Code::ConfigUnusable)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        Self::failed(error).code(code)
    }
}

impl From<BrokerError> for Failure {
    fn from(error: BrokerError) -> Self {
        let code = error.code();
        let failure = match error {
            BrokerError::Url { .. } | BrokerError::TooLong { .. } => Self::usage(error),
            BrokerError::NoQueue { .. } | BrokerError::Refused { .. } => Self::failed(error),
            BrokerError::Unreachable { .. }
            | BrokerError::Topology { .. }
            | BrokerError::Timeout { .. }
            | BrokerError::Call { .. }
            | BrokerError::Ended { .. }
            | BrokerError::Held { .. } => Self::unreachable(error),
        };
        failure.code(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_stands_where_the_eye_finds_it() {
        assert_eq!(Failure::usage("no").code(Code::NoJob).to_string(), "no [no-job]");
        let many =
            Failure::from(ConfigError(vec!["a:1: x [config-bad-value]".into(), "a:2: y [config-syntax]".into()]));
        assert_eq!(
            many.to_string(),
            "the configuration cannot be used: [config-unusable]\na:1: x [config-bad-value]\na:2: y [config-syntax]"
        );
        assert_eq!(Failure::from(StoreError::Corrupt("x".into())).code, Code::StoreCorrupt);
    }
}
