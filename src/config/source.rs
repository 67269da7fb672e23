//! Where settings come from: the file, with a line for everything, and over it the environment.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Faults, Origin, Warning};
use super::schema::{self, Variable};
use crate::domain::Code;
use crate::workflow::nearest;

/// A value as written.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Raw {
    Text(String),
    Number(String),
    Flag(bool),
    List(Vec<String>),
    /// None of these: what it is.
    Other(&'static str),
}

impl fmt::Debug for Raw {
    // A value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what())
    }
}

impl Raw {
    pub fn what(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::Flag(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(what) => what,
        }
    }
}

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub raw: Raw,
    pub origin: Origin,
}

/// A rule of the allow-list, unread.
pub(super) struct RawRule {
    pub value: toml::Value,
    pub origin: Origin,
}

/// One source: entries by section and key.
#[derive(Default)]
pub(super) struct Source {
    pub entries: BTreeMap<(String, String), Entry>,
    pub rules: Vec<RawRule>,
}

impl Source {
    pub fn get(&self, section: &str, key: &str) -> Option<&Entry> {
        self.entries.get(&(section.to_owned(), key.to_owned()))
    }

    /// Reads a file; what is wrong with it goes to `faults`.
    pub fn file(name: &str, text: &str, faults: &mut Faults) -> Self {
        let mut reader = FileReader { name, text, faults, source: Self::default() };
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.fault(at, Code::ConfigSyntax, error.message().trim_end().replace('\n', ", "));
        }
        if errors.is_empty() {
            reader.document(document.get_ref());
        }
        reader.source
    }

    /// Reads the variables that are ours. An empty one is as good as none, and an unknown one is only warned of: a
    /// platform may have set it (a Kubernetes service called `crossgrant` brings a dozen).
    pub fn environment(env: impl Iterator<Item = (String, String)>, warnings: &mut Vec<Warning>) -> Self {
        let mut source = Self::default();
        let mut known = None;
        for (name, value) in env.filter(|(_, value)| !value.is_empty()) {
            match schema::set_by(&name) {
                Variable::Key(section, key) => {
                    let entry = Entry { raw: Raw::Text(value), origin: Origin::Variable(name) };
                    source.entries.insert((section, key.to_owned()), entry);
                }
                Variable::Unknown => {
                    let known = known.get_or_insert_with(schema::variables);
                    let hint = nearest(&name, known.iter().map(String::as_str));
                    let hint = hint.map(|hint| format!("; did you mean {hint}?")).unwrap_or_default();
                    let message = format!("the environment variable {name} sets nothing{hint}");
                    warnings.push(Warning { code: Code::ConfigUnknownVariable, message });
                }
                Variable::Foreign => {}
            }
        }
        source
    }
}

struct FileReader<'a> {
    name: &'a str,
    text: &'a str,
    faults: &'a mut Faults,
    source: Source,
}

impl FileReader<'_> {
    fn origin(&self, at: usize) -> Origin {
        let before = &self.text.as_bytes()[..at.min(self.text.len())];
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        Origin::Line { file: self.name.to_owned(), line }
    }

    fn fault(&mut self, at: usize, code: Code, message: impl Into<String>) {
        let origin = self.origin(at);
        self.faults.report_as(code, &origin, message);
    }

    fn unknown(&mut self, at: usize, key: &str, place: &str, known: &[&str]) {
        let hint = nearest(key, known.iter().copied());
        let hint = hint.map(|hint| format!("; did you mean `{hint}`?")).unwrap_or_default();
        let known = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        self.fault(at, Code::ConfigUnknownKey, format!("unknown key `{key}` in {place}{hint} (known: {known})"));
    }

    fn document(&mut self, table: &DeTable<'_>) {
        let top = top_names();
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match name {
                schema::ACCOUNTS => self.accounts(value),
                schema::ALLOW => self.rules(value),
                _ if is_key("", name) => self.entry("", name, value),
                _ if is_section(name) => self.section(name, value),
                _ => self.unknown(at, name, "this file", &top),
            }
        }
    }

    fn section(&mut self, section: &str, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(table) = value.get_ref() else {
            return self.fault(
                value.span().start,
                Code::ConfigBadValue,
                format!("`{section}` must be a table, `[{section}]`"),
            );
        };
        let known: Vec<&str> = keys_of(section).iter().copied().chain(subsections(section)).collect();
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            let nested = format!("{section}.{name}");
            if is_key(section, name) {
                self.entry(section, name, value);
            } else if is_section(&nested) {
                self.section(&nested, value);
            } else {
                self.unknown(at, name, &format!("`[{section}]`"), &known);
            }
        }
    }

    fn accounts(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(accounts) = value.get_ref() else {
            return self.fault(
                value.span().start,
                Code::ConfigBadValue,
                "`accounts` must hold a table for each, `[accounts.\"<uid>\"]`",
            );
        };
        for (uid, value) in accounts {
            let uid = uid.get_ref().as_ref();
            let place = format!("`[accounts.\"{uid}\"]`");
            let DeValue::Table(table) = value.get_ref() else {
                self.fault(value.span().start, Code::ConfigBadValue, format!("{place} must be a table"));
                continue;
            };
            for (key, value) in table {
                let (name, at) = (key.get_ref().as_ref(), key.span().start);
                if schema::account_keys().any(|key| key == name) {
                    self.entry(&format!("{}.{uid}", schema::ACCOUNTS), name, value);
                } else {
                    self.unknown(at, name, &place, &schema::account_keys().collect::<Vec<_>>());
                }
            }
        }
    }

    fn rules(&mut self, value: &Spanned<DeValue<'_>>) {
        let values = toml::from_str::<toml::Table>(self.text).ok();
        let values = values.as_ref().and_then(|table| table.get(schema::ALLOW)).and_then(toml::Value::as_array);
        let (DeValue::Array(rules), Some(values)) = (value.get_ref(), values) else {
            return self.fault(
                value.span().start,
                Code::ConfigBadValue,
                "`allow` must be a list of tables, `[[allow]]`",
            );
        };
        for (rule, value) in rules.iter().zip(values) {
            let DeValue::Table(table) = rule.get_ref() else {
                self.fault(rule.span().start, Code::ConfigBadValue, "`allow` must be a list of tables, `[[allow]]`");
                continue;
            };
            let mut clean = true;
            for key in table.keys() {
                let name = key.get_ref().as_ref();
                if !schema::RULE.contains(&name) {
                    self.unknown(key.span().start, name, "`[[allow]]`", schema::RULE);
                    clean = false;
                }
            }
            if clean {
                let origin = self.origin(rule.span().start);
                self.source.rules.push(RawRule { value: value.clone(), origin });
            }
        }
    }

    fn entry(&mut self, section: &str, key: &str, value: &Spanned<DeValue<'_>>) {
        let raw = match value.get_ref() {
            DeValue::String(text) => Raw::Text(text.to_string()),
            DeValue::Integer(number) if number.radix() == 10 => Raw::Number(number.as_str().to_owned()),
            DeValue::Boolean(flag) => Raw::Flag(*flag),
            DeValue::Array(items) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    _ => None,
                });
                texts.collect::<Option<_>>().map_or(Raw::Other("a list of other things than texts"), Raw::List)
            }
            DeValue::Table(_) => Raw::Other("a table"),
            DeValue::Integer(_) | DeValue::Float(_) => Raw::Other("another sort of number"),
            DeValue::Datetime(_) => Raw::Other("a date"),
        };
        let entry = Entry { raw, origin: self.origin(value.span().start) };
        self.source.entries.insert((section.to_owned(), key.to_owned()), entry);
    }
}

fn keys_of(section: &str) -> &'static [&'static str] {
    schema::SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

fn is_key(section: &str, key: &str) -> bool {
    keys_of(section).contains(&key)
}

fn is_section(name: &str) -> bool {
    !name.is_empty() && schema::SECTIONS.iter().any(|(section, _)| *section == name)
}

fn subsections(section: &str) -> impl Iterator<Item = &'static str> {
    schema::SECTIONS.iter().filter_map(move |(name, _)| name.strip_prefix(section)?.strip_prefix('.'))
}

/// What may stand at the top of the file: its keys and its sections.
fn top_names() -> Vec<&'static str> {
    let sections =
        schema::SECTIONS.iter().map(|(name, _)| *name).filter(|name| !name.is_empty() && !name.contains('.'));
    keys_of("").iter().copied().chain(sections).chain([schema::ACCOUNTS, schema::ALLOW]).collect()
}
