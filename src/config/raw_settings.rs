//! The environment over the file, asked for one typed setting at a time.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use toml::de::DeValue;

use super::error::Warning;
use super::schema::{self, VENDOR};
use super::settings::ConfigFor;
use super::source::{Setting, Source};
use crate::document::{Location, Problem, value};
use crate::domain::{Code, without_secrets};

/// The settings as they are written in both sources, and what was found wrong with them.
pub(super) struct RawSettings<'a> {
    pub file: Source<'a>,
    pub env: Source<'a>,
    pub purpose: ConfigFor,
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
}

impl<'a> RawSettings<'a> {
    /// Adds a value that cannot be used.
    pub fn report(&mut self, location: &Location, message: impl Into<String>) {
        self.report_as(Code::ConfigBadValue, location, message);
    }

    /// Adds another problem.
    pub fn report_as(&mut self, code: Code, location: &Location, message: impl Into<String>) {
        self.problems.push(Problem { location: location.clone(), code, message: message.into() });
    }

    pub fn find(&self, section: &str, key: &str) -> Option<&Setting<DeValue<'a>>> {
        self.env.get(section, key).or_else(|| self.file.get(section, key))
    }

    pub fn has(&self, section: &str, key: &str) -> bool {
        self.find(section, key).is_some()
    }

    /// Where the first of `keys` that is set was written.
    pub fn location(&self, section: &str, keys: &[&str]) -> Option<Location> {
        keys.iter().find_map(|key| self.find(section, key)).map(|setting| setting.location.clone())
    }

    /// Where a section begins: in the file if it is there. `None` if nothing of it is set.
    pub fn beginning(&self, section: &str) -> Option<Location> {
        let settings = self.settings().filter(|((of, _), _)| of == section);
        settings.map(|(_, setting)| setting.location.clone()).min()
    }

    /// The accounts that have a table or settings, as they are written.
    pub fn accounts(&self) -> BTreeSet<String> {
        let uid = |section: &str| section.strip_prefix(schema::ACCOUNTS)?.strip_prefix('.').map(str::to_owned);
        let set = self.settings().filter_map(|((section, _), _)| uid(section));
        set.chain(self.file.bare_accounts.keys().cloned()).collect()
    }

    fn settings(&self) -> impl Iterator<Item = (&(String, String), &Setting<DeValue<'a>>)> {
        self.file.settings.iter().chain(&self.env.settings)
    }

    /// Reads a setting that is there; reports why it cannot be used.
    fn read<T>(
        &mut self,
        section: &str,
        key: &str,
        read: impl FnOnce(&Setting<DeValue<'a>>) -> Result<T, String>,
    ) -> Option<Setting<T>> {
        let setting = self.find(section, key)?;
        let (location, read) = (setting.location.clone(), read(setting));
        read.map_err(|message| self.report(&location, message)).ok().map(|value| Setting { value, location })
    }

    /// A string that is not blank.
    pub fn text(&mut self, section: &str, key: &str) -> Option<Setting<String>> {
        self.read(section, key, |setting| value::text(key, &setting.value).map(str::to_owned))
    }

    /// A string that reads as a `T`.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, section: &str, key: &str) -> Option<Setting<T>> {
        self.read(section, key, |setting| {
            let text = value::text(key, &setting.value)?;
            // It may be a URL.
            text.parse().map_err(|error| format!("`{key}` cannot be \"{}\": {error}", without_secrets(text)))
        })
    }

    /// A list of strings, or one string. In the environment, white space separates the items.
    pub fn strings(&mut self, section: &str, key: &str) -> Option<Setting<Vec<String>>> {
        self.read(section, key, |setting| match &setting.value {
            DeValue::Array(items) => {
                items.iter().map(|item| value::text(key, item.get_ref()).map(str::to_owned)).collect()
            }
            one if in_environment(setting) => {
                Ok(value::text(key, one)?.split_whitespace().map(str::to_owned).collect())
            }
            one => Ok(vec![value::text(key, one)?.to_owned()]),
        })
    }

    /// One of a closed list of words.
    pub fn word<T: Copy>(&mut self, section: &str, key: &str, known: &[(&str, T)]) -> Option<T> {
        self.read(section, key, |setting| value::word(key, &setting.value, known)).map(|word| word.value)
    }

    /// A whole number within bounds.
    pub fn number(&mut self, section: &str, key: &str, least: u64, most: u64) -> Option<u64> {
        let read = self.read(section, key, |setting| {
            whole(setting, least, most).ok_or_else(|| format!("`{key}` must be a whole number from {least} to {most}"))
        });
        read.map(|number| number.value)
    }

    /// A whole number up to `most`; `Some(None)` for `"none"`.
    pub fn limit(&mut self, section: &str, key: &str, most: u64) -> Option<Option<u64>> {
        let read = self.read(section, key, |setting| match &setting.value {
            DeValue::String(text) if text == "none" => Ok(None),
            _ => whole(setting, 0, most)
                .map(Some)
                .ok_or_else(|| format!("`{key}` must be a whole number from 0 to {most}, or \"none\"")),
        });
        read.map(|limit| limit.value)
    }

    /// True or false, also as a string.
    pub fn flag(&mut self, section: &str, key: &str) -> Option<bool> {
        let read = self.read(section, key, |setting| match setting.value.as_str() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => value::flag(key, &setting.value),
        });
        read.map(|flag| flag.value)
    }

    /// A part of a whole.
    pub fn part(&mut self, section: &str, key: &str) -> Option<f64> {
        let read = self.read(section, key, |setting| {
            let number = match &setting.value {
                DeValue::String(text) if in_environment(setting) => text.trim().parse().ok(),
                other => value::number(key, other).ok(),
            };
            number
                .filter(|part| (0.0..=1.0).contains(part))
                .ok_or_else(|| format!("`{key}` must be a number from 0 to 1"))
        });
        read.map(|part| part.value)
    }

    /// Whether a variable of the vendor switches something on, as the vendor's own clients read it.
    pub fn is_switched_on(&self, key: &str) -> bool {
        self.is_switched(VENDOR, key)
    }

    /// The same of the variables of another program.
    pub fn is_switched(&self, section: &str, key: &str) -> bool {
        let text = self.env.get(section, key).and_then(|setting| setting.value.as_str());
        text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// A name; `Some(None)` for `true`, which asks for the only one there is.
    pub fn name_or_true(&mut self, section: &str, key: &str) -> Option<Option<String>> {
        let read = self.read(section, key, |setting| match &setting.value {
            DeValue::Boolean(true) => Ok(None),
            DeValue::String(text) if text == "true" && in_environment(setting) => Ok(None),
            DeValue::String(_) => value::text(key, &setting.value).map(|name| Some(name.to_owned())),
            other => Err(value::must_be(key, "a name or true", other)),
        });
        read.map(|name| name.value)
    }

    /// A duration longer than zero.
    pub fn duration(&mut self, section: &str, key: &str) -> Option<Setting<Duration>> {
        self.read(section, key, |setting| value::duration(key, &setting.value))
    }

    /// The path and the text of the file that a setting names.
    pub fn contents(&mut self, section: &str, key: &str) -> Option<(String, String)> {
        let path = self.text(section, key)?;
        let text = self.file_of(&format!("`{key}`"), &path)?;
        Some((path.value, text))
    }

    /// The text of a file whose path was read from what is `named` so.
    pub fn file_of(&mut self, named: &str, path: &Setting<String>) -> Option<String> {
        let read = std::fs::read_to_string(&path.value);
        read.map_err(|error| {
            let message = format!("cannot read {named} \"{}\": {error}", without_secrets(&path.value));
            self.report_as(Code::ConfigUnreadable, &path.location, message);
        })
        .ok()
    }

    /// From now on the credential of a section is this profile of the vendor's command line and nothing else.
    pub fn replace_credential(&mut self, section: &str, profile: Setting<String>) {
        for source in [&mut self.file, &mut self.env] {
            source.settings.retain(|(of, key), _| of != section || !schema::is_of_credential(key));
        }
        let setting = Setting { value: DeValue::String(profile.value.into()), location: profile.location };
        self.env.settings.insert((section.to_owned(), "profile".to_owned()), setting);
    }
}

fn in_environment<T>(setting: &Setting<T>) -> bool {
    matches!(setting.location, Location::Variable(_))
}

/// A whole number within bounds. In the environment every value is a string.
fn whole(setting: &Setting<DeValue<'_>>, least: u64, most: u64) -> Option<u64> {
    let number = match &setting.value {
        DeValue::String(text) if in_environment(setting) => text.trim().parse().ok(),
        other => value::whole(other),
    };
    number.filter(|number| (least..=most).contains(number))
}
