//! What is wrong with something that was written, and where.

use std::fmt;

use crate::domain::Code;

/// Where something was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In a file.
    Line {
        /// Its path, as it was given.
        file: String,
        /// Counted from 1.
        line: usize,
    },
    /// A file as a whole, by its path.
    File(String),
    /// A variable of the environment, by name.
    Variable(String),
    /// An option of the command line, as it was given.
    Option(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::File(name) | Self::Variable(name) | Self::Option(name) => f.write_str(name),
        }
    }
}

/// One mistake. Everything is read to its end, so that all mistakes are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where the mistake was made.
    pub location: Location,
    /// The code under which `crossgrant explain` has more.
    pub code: Code,
    /// What is wrong, what would be right and, where it can be guessed, what was meant. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.location, self.message, self.code)
    }
}

impl std::error::Error for Problem {}
