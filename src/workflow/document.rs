//! Reads a TOML file key by key, knowing the line of everything: serde would stop at the first fault, and an operator
//! wants all of them at once, each with its place.

use std::cell::RefCell;
use std::time::Duration;

use jiff::SignedDuration;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::problem::{Problem, hint, list};
use crate::domain::Code;

/// A value and where it stands (byte offset).
#[derive(Debug, Clone, Copy)]
pub(super) struct Located<T> {
    pub value: T,
    pub at: usize,
}

/// A file being read; collects what is wrong with it.
pub(super) struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Reader<'a> {
    pub fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, problems: RefCell::new(Vec::new()) }
    }

    /// The whole document; `None` after syntax errors, which are reported.
    pub fn document(&self) -> Option<DeTable<'a>> {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            self.report(at, Code::WorkflowSyntax, error.message().trim_end().replace('\n', ", "));
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// 1-based.
    pub fn line(&self, at: usize) -> usize {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        before.iter().filter(|byte| **byte == b'\n').count() + 1
    }

    pub fn report(&self, at: usize, code: Code, message: impl Into<String>) {
        let problem = Problem { file: self.file.to_owned(), line: self.line(at), code, message: message.into() };
        self.problems.borrow_mut().push(problem);
    }

    pub fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// What was found, from the top of the file to its end.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// One table of a file.
#[derive(Clone)]
pub(super) struct Table<'r, 'a> {
    pub reader: &'r Reader<'a>,
    table: &'r DeTable<'a>,
    /// Where it begins.
    pub at: usize,
    what: String,
}

impl<'r, 'a> Table<'r, 'a> {
    pub fn root(reader: &'r Reader<'a>, table: &'r DeTable<'a>) -> Self {
        Self { reader, table, at: 0, what: "this file".to_owned() }
    }

    /// The same table under another name in messages.
    pub fn named(self, what: impl Into<String>) -> Self {
        Self { what: what.into(), ..self }
    }

    /// Reports every key that is not one of `known`.
    pub fn only(&self, known: &[&str]) {
        for key in self.keys() {
            if !known.contains(&key.value) {
                let hint = hint(key.value, known.iter().copied());
                let known = list(known.iter().copied());
                let what = &self.what;
                self.reader.report(
                    key.at,
                    Code::WorkflowUnknownKey,
                    format!("unknown key `{}` in {what}{hint} (known: {known})", key.value),
                );
            }
        }
    }

    pub fn keys(&self) -> impl Iterator<Item = Located<&'r str>> + use<'r, 'a> {
        self.table.keys().map(|key| Located { value: key.get_ref().as_ref(), at: key.span().start })
    }

    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub fn value(&self, key: &str) -> Option<&'r Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The same, reporting when it is not there.
    pub fn required(&self, key: &str) -> Option<&'r Spanned<DeValue<'a>>> {
        let value = self.value(key);
        if value.is_none() {
            self.reader.report(self.at, Code::WorkflowMissingKey, format!("`{key}` is missing in {}", self.what));
        }
        value
    }

    /// A text that is not empty.
    pub fn text(&self, key: &str) -> Option<Located<&'r str>> {
        let value = self.value(key)?;
        let text = self.as_text(key, value)?;
        if text.value.trim().is_empty() {
            self.reader.report(text.at, Code::WorkflowBadValue, format!("`{key}` is empty"));
            return None;
        }
        Some(text)
    }

    /// The same, reporting when it is not there.
    pub fn required_text(&self, key: &str) -> Option<Located<&'r str>> {
        self.required(key)?;
        self.text(key)
    }

    /// A text or a list of texts; empty when it is not there.
    pub fn texts(&self, key: &str) -> Option<Vec<Located<&'r str>>> {
        self.each(key, |item| self.as_text(key, item))
    }

    /// The same, where a whole number will do as well.
    pub fn words(&self, key: &str) -> Option<Vec<Located<&'r str>>> {
        self.each(key, |item| match item.get_ref() {
            DeValue::Integer(number) => Some(Located { value: number.as_str(), at: item.span().start }),
            _ => self.as_text(key, item),
        })
    }

    fn each<T>(&self, key: &str, read: impl Fn(&'r Spanned<DeValue<'a>>) -> Option<T>) -> Option<Vec<T>> {
        let Some(value) = self.value(key) else { return Some(Vec::new()) };
        match value.get_ref() {
            DeValue::Array(items) => items.iter().map(read).collect(),
            _ => Some(vec![read(value)?]),
        }
    }

    /// A span of time as people write it, longer than zero.
    pub fn duration(&self, key: &str) -> Option<Located<Duration>> {
        let text = self.text(key)?;
        self.as_duration(key, text)
    }

    /// A list of such spans.
    pub fn durations(&self, key: &str) -> Option<Located<Vec<Duration>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            self.reader.report(
                value.span().start,
                Code::WorkflowBadValue,
                format!("`{key}` must be a list of durations"),
            );
            return None;
        };
        let spans = items.iter().map(|item| self.as_duration(key, self.as_text(key, item)?).map(|span| span.value));
        Some(Located { value: spans.collect::<Option<_>>()?, at: value.span().start })
    }

    /// A number, whole or not.
    pub fn number(&self, key: &str) -> Option<Located<f64>> {
        let value = self.value(key)?;
        let number = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
            DeValue::Float(number) => number.as_str().parse().ok(),
            _ => None,
        };
        if number.is_none() {
            self.reader.report(value.span().start, Code::WorkflowBadValue, format!("`{key}` must be a number"));
        }
        Some(Located { value: number?, at: value.span().start })
    }

    pub fn boolean(&self, key: &str) -> Option<bool> {
        let value = self.value(key)?;
        if let DeValue::Boolean(value) = value.get_ref() {
            return Some(*value);
        }
        self.reader.report(value.span().start, Code::WorkflowBadValue, format!("`{key}` must be true or false"));
        None
    }

    pub fn table(&self, key: &str) -> Option<Table<'r, 'a>> {
        let value = self.value(key)?;
        self.as_table(value, format!("`{key}`"))
    }

    /// Each `[[key]]`.
    pub fn tables(&self, key: &str) -> Vec<Table<'r, 'a>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = value.get_ref() else {
            self.reader.report(
                value.span().start,
                Code::WorkflowBadValue,
                format!("`{key}` must be a list of tables, `[[{key}]]`"),
            );
            return Vec::new();
        };
        let items: &'r DeArray<'a> = items;
        items.iter().filter_map(|item| self.as_table(item, format!("`[[{key}]]`"))).collect()
    }

    fn as_text(&self, key: &str, value: &'r Spanned<DeValue<'a>>) -> Option<Located<&'r str>> {
        if let DeValue::String(text) = value.get_ref() {
            return Some(Located { value: text, at: value.span().start });
        }
        self.reader.report(value.span().start, Code::WorkflowBadValue, format!("`{key}` must be a text"));
        None
    }

    fn as_duration(&self, key: &str, text: Located<&str>) -> Option<Located<Duration>> {
        let span = text.value.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        let span = span.filter(|span| !span.is_zero());
        if span.is_none() {
            let message = format!("`{key}` must be a duration longer than zero such as \"30s\" or \"1h 30m\"");
            self.reader.report(text.at, Code::WorkflowBadValue, format!("{message}, not \"{}\"", text.value));
        }
        Some(Located { value: span?, at: text.at })
    }

    fn as_table(&self, value: &'r Spanned<DeValue<'a>>, what: String) -> Option<Table<'r, 'a>> {
        if let DeValue::Table(table) = value.get_ref() {
            return Some(Table { reader: self.reader, table, at: value.span().start, what });
        }
        self.reader.report(value.span().start, Code::WorkflowBadValue, format!("{what} must be a table"));
        None
    }
}
