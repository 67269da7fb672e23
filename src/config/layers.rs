//! The sources on top of each other, asked for one typed setting at a time.

use std::fmt::Display;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use secrecy::SecretString;

use super::error::{Faults, Origin, Warning};
use super::profile::ProfileFor;
use super::schema::{self, VENDOR};
use super::source::{Entry, Raw, Source};
use crate::domain::Code;

/// A setting and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Set<T> {
    pub value: T,
    pub origin: Origin,
}

impl<T> Set<T> {
    fn new(value: T, origin: &Origin) -> Self {
        Self { value, origin: origin.clone() }
    }
}

/// The environment over the file; collects what is wrong with either.
pub(super) struct Layers {
    pub file: Source,
    pub env: Source,
    pub faults: Faults,
    pub warnings: Vec<Warning>,
}

impl Layers {
    /// From now on the credential of an account, or of the hub, is this profile and nothing else.
    pub fn use_profile(&mut self, given: &ProfileFor) {
        let ProfileFor { account, profile } = given;
        let (who, section) = match account {
            Some(uid) => (uid.as_str(), format!("{}.{uid}", schema::ACCOUNTS)),
            None => ("hub", schema::HUB.to_owned()),
        };
        for source in [&mut self.file, &mut self.env] {
            source.entries.retain(|(of, key), _| *of != section || !schema::is_of_credential(key));
        }
        let entry =
            Entry { raw: Raw::Text(profile.clone()), origin: Origin::Option(format!("--profile {who}={profile}")) };
        self.env.entries.insert((section, "profile".to_owned()), entry);
    }

    fn find(&self, section: &str, key: &str) -> Option<Entry> {
        self.env.get(section, key).or_else(|| self.file.get(section, key)).cloned()
    }

    fn wrong<T>(&mut self, entry: &Entry, key: &str, wanted: &str) -> Option<T> {
        self.faults.report(&entry.origin, format!("`{key}` must be {wanted}, not {}", entry.raw.what()));
        None
    }

    /// A text that is not empty.
    pub fn text(&mut self, section: &str, key: &str) -> Option<Set<String>> {
        let entry = self.find(section, key)?;
        match &entry.raw {
            Raw::Text(text) if !text.trim().is_empty() => Some(Set::new(text.clone(), &entry.origin)),
            Raw::Text(_) => {
                self.faults.report(&entry.origin, format!("`{key}` is empty"));
                None
            }
            _ => self.wrong(&entry, key, "a text"),
        }
    }

    /// A text that reads as a `T`.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, section: &str, key: &str) -> Option<Set<T>> {
        let text = self.text(section, key)?;
        match text.value.parse() {
            Ok(value) => Some(Set::new(value, &text.origin)),
            Err(error) => {
                self.faults.report(&text.origin, format!("`{key}` cannot be \"{}\": {error}", text.value));
                None
            }
        }
    }

    /// One of a few words.
    pub fn word<T: Copy>(&mut self, section: &str, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(section, key)?;
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let known = words.iter().map(|(word, _)| format!("\"{word}\"")).collect::<Vec<_>>().join(" or ");
            self.faults.report(&text.origin, format!("`{key}` must be {known}, not \"{}\"", text.value));
        }
        found
    }

    /// A whole number within bounds.
    pub fn number(&mut self, section: &str, key: &str, least: u64, most: u64) -> Option<u64> {
        let entry = self.find(section, key)?;
        let number = match &entry.raw {
            Raw::Number(text) => text.parse().ok(),
            Raw::Text(text) if matches!(entry.origin, Origin::Variable(_)) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.faults.report(&entry.origin, format!("`{key}` must be a whole number from {least} to {most}"));
        }
        number
    }

    /// A whole number up to `most`, or `"none"`.
    pub fn limit(&mut self, section: &str, key: &str, most: u64) -> Option<Option<u64>> {
        let entry = self.find(section, key)?;
        match &entry.raw {
            Raw::Text(text) if text == "none" => return Some(None),
            // In the environment everything is a text.
            Raw::Text(_) if !matches!(entry.origin, Origin::Variable(_)) => {}
            _ => return self.number(section, key, 0, most).map(Some),
        }
        self.faults.report(&entry.origin, format!("`{key}` must be a whole number from 0 to {most}, or \"none\""));
        None
    }

    /// True or false.
    pub fn flag(&mut self, section: &str, key: &str) -> Option<bool> {
        let entry = self.find(section, key)?;
        match &entry.raw {
            Raw::Flag(flag) => Some(*flag),
            Raw::Text(text) if text == "true" => Some(true),
            Raw::Text(text) if text == "false" => Some(false),
            _ => self.wrong(&entry, key, "true or false"),
        }
    }

    /// Whether a variable of the vendor's switches something on, as the vendor's own clients read it.
    pub fn is_switched_on(&self, key: &str) -> bool {
        matches!(self.env.get(VENDOR, key), Some(Entry { raw: Raw::Text(text), .. }) if text.eq_ignore_ascii_case("true"))
    }

    /// A name, or `None` where `true` asks for the one there is.
    pub fn name_or_true(&mut self, section: &str, key: &str) -> Option<Option<String>> {
        let entry = self.find(section, key)?;
        match &entry.raw {
            Raw::Flag(true) => Some(None),
            Raw::Text(text) if text == "true" && matches!(entry.origin, Origin::Variable(_)) => Some(None),
            Raw::Flag(false) => self.wrong(&entry, key, "a name or true"),
            _ => self.text(section, key).map(|name| Some(name.value)),
        }
    }

    /// A span of time as people write it, longer than zero.
    pub fn duration(&mut self, section: &str, key: &str) -> Option<Set<Duration>> {
        let text = self.text(section, key)?;
        let span = text.value.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
        let span = span.filter(|span| !span.is_zero());
        if span.is_none() {
            let message = format!("`{key}` must be a duration such as \"20s\" or \"1h 30m\", not \"{}\"", text.value);
            self.faults.report(&text.origin, message);
        }
        Some(Set::new(span?, &text.origin))
    }

    /// The text of the file that a setting names, and its path.
    pub fn contents(&mut self, section: &str, key: &str) -> Option<(String, String)> {
        let path = self.text(section, key)?;
        match std::fs::read_to_string(&path.value) {
            Ok(text) => Some((path.value, text)),
            Err(error) => {
                self.faults.report_as(
                    Code::ConfigUnreadable,
                    &path.origin,
                    format!("cannot read `{key}` \"{}\": {error}", path.value),
                );
                None
            }
        }
    }

    /// Secrets: `key`, a text or a list of texts, or `key_file`, one to a line. Of the two the environment's goes
    /// before the file's; both in one place contradict each other.
    pub fn secrets(&mut self, section: &str, key: &str) -> Option<Vec<SecretString>> {
        let file_key = format!("{key}_file");
        let in_env = self.env.get(section, key).is_some() || self.env.get(section, &file_key).is_some();
        let source = if in_env { &self.env } else { &self.file };
        match (source.get(section, key).cloned(), source.get(section, &file_key).cloned()) {
            (Some(_), Some(twice)) => {
                let message = format!("`{key}` and `{file_key}` are both set; one must go");
                self.faults.report_as(Code::ConfigContradiction, &twice.origin, message);
                None
            }
            (Some(entry), None) => match entry.raw {
                Raw::Text(ref text) if text.trim().is_empty() => {
                    self.faults.report(&entry.origin, format!("`{key}` is empty"));
                    None
                }
                // A list in the environment is separated by white space.
                Raw::Text(text) if in_env => Some(text.split_whitespace().map(SecretString::from).collect()),
                Raw::Text(text) => Some(vec![text.into()]),
                Raw::List(texts) if !texts.is_empty() => Some(texts.into_iter().map(Into::into).collect()),
                _ => self.wrong(&entry, key, "a text"),
            },
            (None, Some(entry)) => self.secret_file(&entry, &file_key),
            (None, None) => None,
        }
    }

    /// One secret.
    pub fn secret(&mut self, section: &str, key: &str) -> Option<SecretString> {
        let mut secrets = self.secrets(section, key)?;
        if secrets.len() != 1 {
            let entry = self.find(section, key).or_else(|| self.find(section, &format!("{key}_file")))?;
            self.faults.report(&entry.origin, format!("`{key}` must be one text without white space"));
            return None;
        }
        secrets.pop()
    }

    fn secret_file(&mut self, entry: &Entry, key: &str) -> Option<Vec<SecretString>> {
        let Raw::Text(path) = &entry.raw else { return self.wrong(entry, key, "a text") };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                self.faults.report_as(
                    Code::ConfigUnreadable,
                    &entry.origin,
                    format!("cannot read `{key}` \"{path}\": {error}"),
                );
                return None;
            }
        };
        let secrets: Vec<SecretString> =
            text.lines().map(str::trim_end).filter(|line| !line.is_empty()).map(SecretString::from).collect();
        if secrets.is_empty() {
            self.faults.report(&entry.origin, format!("`{key}` \"{path}\" is empty"));
            return None;
        }
        self.warn_if_open(Path::new(path));
        Some(secrets)
    }

    /// Warns when everybody on this machine may read a file that holds secrets.
    pub fn warn_if_open(&mut self, path: &Path) {
        let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            let path = path.display();
            let message = format!("{path} holds a secret and is readable by everybody; chmod o-r {path}");
            let warning = Warning { code: Code::ConfigOpenSecret, message };
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}
