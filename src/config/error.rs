//! What is wrong with the settings: all of it at once, each with its place.

use std::fmt;

use crate::domain::Code;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// In the file.
    Line {
        /// Its path, as it was given.
        file: String,
        /// 1-based.
        line: usize,
    },
    /// In the environment.
    Variable(String),
    /// On the command line: the option, as it was given.
    Option(String),
    /// Nowhere: the default.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::Variable(name) | Self::Option(name) => f.write_str(name),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Why there is no configuration: one line for each fault, its code at the end. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// Something odd that is not wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What sort of thing.
    pub code: Code,
    /// In one sentence.
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.message, self.code)
    }
}

/// Faults as they are found.
#[derive(Default)]
pub(super) struct Faults(Vec<(Origin, Code, String)>);

impl Faults {
    /// A value that cannot be used.
    pub fn report(&mut self, origin: &Origin, message: impl Into<String>) {
        self.report_as(Code::ConfigBadValue, origin, message);
    }

    /// Something else that is wrong.
    pub fn report_as(&mut self, code: Code, origin: &Origin, message: impl Into<String>) {
        self.0.push((origin.clone(), code, message.into()));
    }

    /// `Ok` when there are none; else all of them, those of the file in its order.
    pub fn into_result(mut self) -> Result<(), ConfigError> {
        self.0.sort_by_key(|(origin, ..)| match origin {
            Origin::Line { line, .. } => *line,
            Origin::Variable(_) | Origin::Option(_) | Origin::Default => usize::MAX,
        });
        let line = |(origin, code, message): &(Origin, Code, String)| format!("{origin}: {message} [{code}]");
        let lines: Vec<_> = self.0.iter().map(line).collect();
        if lines.is_empty() { Ok(()) } else { Err(ConfigError(lines)) }
    }
}
