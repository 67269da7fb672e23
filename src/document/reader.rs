//! A file while it is read: its syntax, the lines of its values, and what is wrong with it so far.

use std::cell::RefCell;
use std::ops::Range;

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
        // Where a table is there twice, so are its keys.
        let mut twice = 0..0;
        for error in &errors {
            let span = error.span().unwrap_or_default();
            let text = error.message().trim_end().replace('\n', ", ");
            if text != "duplicate key" {
                self.report(span.start, self.codes.syntax, text);
            } else if !twice.contains(&span.start) {
                self.report(span.start, self.codes.syntax, self.duplicate(&span));
                twice = self.table_from(span.start);
            }
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// What is there twice, and since which line, for the second of them.
    fn duplicate(&self, key: &Range<usize>) -> String {
        let line = self.line(key.start);
        let text = |line: &str| line.trim().to_owned();
        let Some(header) = self.text.lines().nth(line - 1).map(text).filter(|line| line.starts_with('[')) else {
            return format!("the key `{}` is in this table twice", self.text.get(key.clone()).unwrap_or_default());
        };
        match self.text.lines().take(line - 1).position(|earlier| earlier.trim() == header) {
            Some(first) => format!("the table {header} is there already, from line {}", first + 1),
            None => format!("the table {header} is there already"),
        }
    }

    /// From a byte offset in the header of a table to the next header; empty where the offset is in no header.
    fn table_from(&self, at: usize) -> Range<usize> {
        let begins = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        if !self.text[begins..].trim_start().starts_with('[') {
            return at..at;
        }
        at..self.text[at..].find("\n[").map_or(self.text.len(), |next| at + next)
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
