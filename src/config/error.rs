//! What is wrong, or only odd, with the settings.

use std::fmt;

use crate::document::Problem;
use crate::domain::Code;

/// Why there is no configuration: one line for each mistake, with its place and code. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

impl ConfigError {
    /// The mistakes in the file come first, in its order.
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|a, b| a.location.cmp(&b.location));
        Self(problems.iter().map(ToString::to_string).collect())
    }
}

/// Something odd with which a worker can start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The code under which `crossgrant explain` has more.
    pub code: Code,
    /// One sentence, without a secret.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}
