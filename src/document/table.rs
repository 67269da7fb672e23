//! One table of a file, asked for one key at a time. What is wrong is reported to the reader; the answer is then `None`.

use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::names::{hint, list};
use super::reader::{Located, Reader};
use super::value;

/// A table and the name that messages have for it.
#[derive(Clone)]
pub struct Table<'r, 'a> {
    /// The file it is part of.
    pub reader: &'r Reader<'a>,
    table: &'r DeTable<'a>,
    /// The byte offset at which it begins.
    pub at: usize,
    path: String,
    name: String,
}

impl<'r, 'a> Table<'r, 'a> {
    /// The document itself.
    pub fn root(reader: &'r Reader<'a>, table: &'r DeTable<'a>) -> Self {
        Self { reader, table, at: 0, path: String::new(), name: "this file".to_owned() }
    }

    /// The same table under another name in messages.
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// Reports every key that is not one of `known`; whether there was none.
    pub fn only(&self, known: &[&str]) -> bool {
        let unknown: Vec<_> = self.keys().filter(|key| !known.contains(&key.value)).collect();
        for key in &unknown {
            let (hint, known) = (hint(key.value, known.iter().copied()), list(known.iter().copied()));
            let message = format!("unknown key `{}` in {}{hint} (known: {known})", key.value, self.name);
            self.reader.report(key.at, self.reader.codes.unknown_key, message);
        }
        unknown.is_empty()
    }

    /// Its keys, in the order of the alphabet.
    pub fn keys(&self) -> impl Iterator<Item = Located<&'r str>> + use<'r, 'a> {
        self.table.keys().map(|key| Located { value: key.get_ref().as_ref(), at: key.span().start })
    }

    /// Whether the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The value of a key, whatever it is.
    pub fn value(&self, key: &str) -> Option<&'r Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// The byte offset of the value of a key.
    pub fn at(&self, key: &str) -> Option<usize> {
        Some(self.value(key)?.span().start)
    }

    /// Reports a key that is not there; whether it is.
    pub fn requires(&self, key: &str) -> bool {
        let found = self.has(key);
        if !found {
            let message = format!("`{key}` is missing in {}", self.name);
            self.reader.report(self.at, self.reader.codes.missing_key, message);
        }
        found
    }

    /// A string that is not blank.
    pub fn text(&self, key: &str) -> Option<Located<&'r str>> {
        self.read(key, value::text)
    }

    /// The same of a key that has to be there.
    pub fn required_text(&self, key: &str) -> Option<Located<&'r str>> {
        self.requires(key).then(|| self.text(key))?
    }

    /// One of a closed list of words.
    pub fn word<T: Copy>(&self, key: &str, known: &[(&str, T)]) -> Option<Located<T>> {
        self.read(key, |key, value| value::word(key, value, known))
    }

    /// A string or a list of strings; empty when the key is not there.
    pub fn strings(&self, key: &str) -> Option<Vec<Located<&'r str>>> {
        self.each(key, value::string)
    }

    /// The same, where a whole number will do as well.
    pub fn strings_or_numbers(&self, key: &str) -> Option<Vec<Located<&'r str>>> {
        self.each(key, |key, value| match value {
            DeValue::Integer(number) => Ok(number.as_str()),
            other => value::string(key, other),
        })
    }

    /// A duration longer than zero.
    pub fn duration(&self, key: &str) -> Option<Located<Duration>> {
        self.read(key, value::duration)
    }

    /// A list of such durations.
    pub fn durations(&self, key: &str) -> Option<Located<Vec<Duration>>> {
        let items = self.items(key, "a list of durations")?;
        let each = items.value.iter().map(|item| {
            let read = self.reader.usable(item.span().start, value::duration(key, item.get_ref()))?;
            Some(read.value)
        });
        Some(Located { value: each.collect::<Option<_>>()?, at: items.at })
    }

    /// A number, whole or not.
    pub fn number(&self, key: &str) -> Option<Located<f64>> {
        self.read(key, value::number)
    }

    /// True or false.
    pub fn flag(&self, key: &str) -> Option<Located<bool>> {
        self.read(key, value::flag)
    }

    /// The table `[key]` inside of this one.
    pub fn table(&self, key: &str) -> Option<Table<'r, 'a>> {
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let name = format!("`[{path}]`");
        let Located { value: table, at } = self.read(key, |key, value| match value {
            DeValue::Table(table) => Ok(table),
            other => Err(value::must_be(key, &format!("a table, {name}"), other)),
        })?;
        Some(Self { reader: self.reader, table, at, path, name })
    }

    /// Each `[[key]]`.
    pub fn tables(&self, key: &str) -> Vec<Table<'r, 'a>> {
        let name = format!("`[[{key}]]`");
        let wanted = format!("a list of tables, {name}");
        let items = self.items(key, &wanted).map_or(&[][..], |items| items.value);
        let table = |item: &'r Spanned<DeValue<'a>>| {
            let table = item.get_ref().as_table().ok_or_else(|| value::must_be(key, &wanted, item.get_ref()));
            let Located { value: table, at } = self.reader.usable(item.span().start, table)?;
            Some(Self { reader: self.reader, table, at, path: key.to_owned(), name: name.clone() })
        };
        items.iter().filter_map(table).collect()
    }

    /// The items of a list, each as `read` reads it; `Some(None)` where the key is not there. Each item that cannot be used is
    /// reported.
    pub fn list_of<T>(
        &self,
        key: &str,
        read: impl Fn(&str, &'r DeValue<'a>) -> Result<T, String>,
    ) -> Option<Option<Vec<T>>> {
        if !self.has(key) {
            return Some(None);
        }
        let items = self.items(key, "a list")?.value.iter();
        let read: Vec<_> = items.map(|item| self.reader.usable(item.span().start, read(key, item.get_ref()))).collect();
        let values: Option<Vec<T>> = read.into_iter().map(|item| item.map(|item| item.value)).collect();
        values.map(Some)
    }

    fn read<T>(&self, key: &str, read: impl Fn(&str, &'r DeValue<'a>) -> Result<T, String>) -> Option<Located<T>> {
        let value = self.value(key)?;
        self.reader.usable(value.span().start, read(key, value.get_ref()))
    }

    fn items(&self, key: &str, wanted: &str) -> Option<Located<&'r [Spanned<DeValue<'a>>]>> {
        self.read(key, |key, value| match value {
            DeValue::Array(items) => Ok(&**items),
            other => Err(value::must_be(key, wanted, other)),
        })
    }

    /// Reads a value, or every item of a list, with `read`.
    fn each<T>(&self, key: &str, read: impl Fn(&str, &'r DeValue<'a>) -> Result<T, String>) -> Option<Vec<Located<T>>> {
        let Some(value) = self.value(key) else { return Some(Vec::new()) };
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        items.into_iter().map(|item| self.reader.usable(item.span().start, read(key, item.get_ref()))).collect()
    }
}
