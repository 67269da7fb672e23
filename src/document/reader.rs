//! A file while it is read: its syntax, the lines of its values, and what is wrong with it so far.

use std::cell::RefCell;

use toml::de::DeTable;

use super::problem::{Location, Problem};
use crate::domain::Code;

/// The codes of the mistakes that every file can have. They differ between the configuration and workflow files.
#[derive(Debug, Clone, Copy)]
pub struct Codes {
    /// The file is not TOML.
    pub syntax: Code,
    /// A key that is not one of the known.
    pub unknown_key: Code,
    /// A key that has to be there is not.
    pub missing_key: Code,
    /// The value of a key has the wrong type or cannot be used.
    pub bad_value: Code,
}

impl Codes {
    /// Of the configuration, where every key may be left out.
    pub const CONFIG: Self = Self {
        syntax: Code::ConfigSyntax,
        unknown_key: Code::ConfigUnknownKey,
        missing_key: Code::ConfigBadValue,
        bad_value: Code::ConfigBadValue,
    };
    /// Of the files in `workflows/` and those of an operator that override them.
    pub const WORKFLOW: Self = Self {
        syntax: Code::WorkflowSyntax,
        unknown_key: Code::WorkflowUnknownKey,
        missing_key: Code::WorkflowMissingKey,
        bad_value: Code::WorkflowBadValue,
    };
}

/// A value and where it begins, as a byte offset in its file.
#[derive(Debug, Clone, Copy)]
pub struct Located<T> {
    /// What was read.
    pub value: T,
    /// The byte offset.
    pub at: usize,
}

/// A file being read, with the problems that were found in it.
pub struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    /// The codes its problems have.
    pub codes: Codes,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    /// A reader of `text`; `file` is its path for messages.
    pub fn new(file: &'a str, text: &'a str, codes: Codes) -> Self {
        Self { file, text, codes, problems: RefCell::new(Vec::new()) }
    }

    /// The whole document; `None` after syntax errors, which are reported.
    pub fn document(&self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.report(at, self.codes.syntax, error.message().trim_end().replace('\n', ", "));
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// The line of a byte offset, counted from 1.
    pub fn line(&self, at: usize) -> usize {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    /// The line of a byte offset in this file, for messages.
    pub fn location(&self, at: usize) -> Location {
        Location::Line { file: self.file.to_owned(), line: self.line(at) }
    }

    /// Adds a problem at a byte offset.
    pub fn report(&self, at: usize, code: Code, message: impl Into<String>) {
        let problem = Problem { location: self.location(at), code, message: message.into() };
        self.problems.borrow_mut().push(problem);
    }

    /// Passes a value on; where there is none, adds a problem that says why the value at `at` cannot be used.
    pub fn usable<T>(&self, at: usize, read: Result<T, String>) -> Option<Located<T>> {
        match read {
            Ok(value) => Some(Located { value, at }),
            Err(message) => {
                self.report(at, self.codes.bad_value, message);
                None
            }
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The problems from the top of the file to its end.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by(|a, b| a.location.cmp(&b.location));
        problems
    }
}
