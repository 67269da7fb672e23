//! A place where settings are written: the file, or the environment.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use super::allow;
use super::error::Warning;
use super::schema::{self, Variable};
use crate::document::{Codes, Location, Problem, Reader, Table};
use crate::domain::{Code, did_you_mean};
use crate::engine::policy::Allow;

/// A value and where it was written. It may be a secret, so it has no `Debug`.
#[derive(Clone)]
pub(super) struct Setting<T> {
    pub value: T,
    pub location: Location,
}

/// The settings of one source.
#[derive(Default)]
pub(super) struct Source<'a> {
    /// By section and key.
    pub settings: BTreeMap<(String, String), Setting<DeValue<'a>>>,
    /// The accounts whose table has no key, with where it begins.
    pub bare_accounts: BTreeMap<String, Location>,
    /// The allow-rules.
    pub allow: Vec<Allow>,
}

impl<'a> Source<'a> {
    pub fn get(&self, section: &str, key: &str) -> Option<&Setting<DeValue<'a>>> {
        self.settings.get(&(section.to_owned(), key.to_owned()))
    }

    /// Reads a file and adds what is wrong with it to `problems`.
    pub fn file(name: &'a str, text: &'a str, problems: &mut Vec<Problem>) -> Self {
        let mut source = Self::default();
        let reader = Reader::new(name, text, Codes::CONFIG);
        if let Some(document) = reader.document() {
            source.document(&reader, &document);
        }
        problems.extend(reader.into_problems());
        source
    }

    /// Reads the variables with our prefix and those of the vendor. An empty variable sets nothing. An unknown one is only
    /// warned of, because a platform may have set it: a Kubernetes service called `crossgrant` brings a dozen.
    pub fn environment(env: impl Iterator<Item = (String, String)>, warnings: &mut Vec<Warning>) -> Self {
        let mut source = Self::default();
        for (name, value) in env.filter(|(_, value)| !value.is_empty()) {
            match schema::set_by(&name) {
                Variable::Key(section, key) => {
                    let setting = Setting { value: DeValue::String(value.into()), location: Location::Variable(name) };
                    source.settings.insert((section, key.to_owned()), setting);
                }
                Variable::Unknown => {
                    let known = schema::variables();
                    let hint = did_you_mean(&name, known.iter().map(String::as_str), "");
                    let message = format!("the environment variable {name} sets nothing{hint}");
                    warnings.push(Warning { code: Code::ConfigUnknownVariable, message });
                }
                Variable::Foreign => {}
            }
        }
        source
    }

    fn document(&mut self, reader: &Reader<'a>, document: &DeTable<'a>) {
        let root = Table::root(reader, document);
        root.only(&schema::top_names());
        for key in root.keys() {
            match key.value {
                schema::ACCOUNTS => self.accounts(reader, &root),
                schema::ALLOW => self.allow(&root),
                name if schema::is_section(name) => self.section(&root, name, name),
                name => self.key(&root, "", schema::keys_of(""), name),
            }
        }
    }

    /// Reads the table `key` of `parent`, and the tables in it.
    fn section(&mut self, parent: &Table<'_, 'a>, key: &str, section: &str) {
        let Some(table) = parent.table(key) else { return };
        let keys = schema::keys_of(section);
        let known = keys.iter().copied().chain(schema::subsections(section)).chain(schema::lists_of(section));
        table.only(&known.collect::<Vec<_>>());
        for key in table.keys() {
            let nested = format!("{section}.{}", key.value);
            let is_list = matches!(table.value(key.value).map(|value| value.get_ref()), Some(DeValue::Array(_)));
            let list = schema::LISTS.iter().find(|(name, ..)| *name == nested && is_list);
            if schema::is_section(&nested) {
                self.section(&table, key.value, &nested);
            } else if let Some((name, keys, required)) = list {
                self.list(&table, key.value, name, keys, required);
            } else {
                self.key(&table, section, keys, key.value);
            }
        }
    }

    /// Reads each element of a list, such as `[[admin.token]]`.
    fn list(&mut self, parent: &Table<'_, 'a>, key: &str, name: &str, keys: &[&str], required: &[&str]) {
        let tables = parent.tables(key).into_iter().map(|table| table.named(format!("`[[{name}]]`")));
        let whole = tables
            .filter(|table| required.iter().fold(table.only(keys), |whole, required| table.requires(required) & whole));
        for (number, table) in whole.enumerate() {
            for key in table.keys() {
                self.key(&table, &format!("{name}.{number}"), keys, key.value);
            }
        }
    }

    fn accounts(&mut self, reader: &Reader<'a>, root: &Table<'_, 'a>) {
        let Some(accounts) = root.table(schema::ACCOUNTS) else { return };
        let keys: Vec<_> = schema::account_keys().collect();
        for uid in accounts.keys().map(|uid| uid.value) {
            let Some(table) = accounts.table(uid) else { continue };
            let table = table.named(format!("`[accounts.\"{uid}\"]`"));
            table.only(&keys);
            if table.keys().next().is_none() {
                self.bare_accounts.insert(uid.to_owned(), reader.location(table.at));
            }
            for key in table.keys() {
                self.key(&table, &format!("{}.{uid}", schema::ACCOUNTS), &keys, key.value);
            }
        }
    }

    fn allow(&mut self, root: &Table<'_, 'a>) {
        self.allow = root.tables(schema::ALLOW).iter().filter_map(allow::rule).collect();
    }

    /// Takes one key, if it is a known one.
    fn key(&mut self, table: &Table<'_, 'a>, section: &str, known: &[&str], key: &str) {
        if let Some(value) = table.value(key).filter(|_| known.contains(&key)) {
            let location = table.reader.location(value.span().start);
            let setting = Setting { value: value.get_ref().clone(), location };
            self.settings.insert((section.to_owned(), key.to_owned()), setting);
        }
    }
}
