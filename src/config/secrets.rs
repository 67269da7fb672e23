//! Secrets: in a key, or in the file that `<key>_file` names.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::SecretString;
use toml::de::DeValue;

use super::error::Warning;
use super::raw_settings::RawSettings;
use super::schema;
use super::source::Source;
use crate::document::value;
use crate::domain::Code;

/// Keys that hold a secret themselves.
const KEYS: [&str; 6] = ["url", "password", "token", "key", "access_key_secret", "security_token"];

/// Whether a source itself holds a secret.
pub(super) fn are_in(source: &Source<'_>) -> bool {
    source.settings.iter().any(|((_, key), setting)| {
        KEYS.contains(&key.as_str()) && matches!(setting.value, DeValue::String(_) | DeValue::Array(_))
    })
}

impl RawSettings<'_> {
    /// Secrets from `key`, a string or a list of strings, or from the lines of the file that `<key>_file` names. Either of them
    /// in the environment overrides both in the file. Both in one source contradict each other.
    pub fn secrets(&mut self, section: &str, key: &str) -> Option<Vec<SecretString>> {
        let file_key = format!("{key}_file");
        let in_env = self.env.get(section, key).or_else(|| self.env.get(section, &file_key)).is_some();
        let source = if in_env { &self.env } else { &self.file };
        match (source.get(section, key).cloned(), source.get(section, &file_key).cloned()) {
            (Some(_), Some(twice)) => {
                let message = format!("`{key}` and `{file_key}` are both set; remove one");
                self.report_as(Code::ConfigContradiction, &twice.location, message);
                None
            }
            (Some(setting), None) => {
                let read = in_place(key, &setting.value, in_env);
                read.map_err(|message| self.report(&setting.location, message)).ok()
            }
            (None, Some(_)) => self.secrets_in_file(section, &file_key),
            (None, None) => None,
        }
    }

    /// One secret.
    pub fn secret(&mut self, section: &str, key: &str) -> Option<SecretString> {
        let mut secrets = self.secrets(section, key)?;
        if secrets.len() != 1 {
            let location = self.location(section, &[key, &format!("{key}_file")])?;
            self.report(&location, format!("`{key}` must be one string without white space"));
            return None;
        }
        secrets.pop()
    }

    fn secrets_in_file(&mut self, section: &str, key: &str) -> Option<Vec<SecretString>> {
        let path = self.text(section, key)?;
        let of = section.strip_prefix(schema::ACCOUNTS).and_then(|rest| rest.strip_prefix('.'));
        let named = of.map_or_else(|| format!("`{key}`"), |uid| format!("`{key}` of account {uid}"));
        let text = self.file_of(&named, &path)?;
        let lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
        let secrets: Vec<SecretString> = lines.map(SecretString::from).collect();
        if secrets.is_empty() {
            self.report(&path.location, format!("{named} \"{}\" is empty", path.value));
            return None;
        }
        self.warn_if_open(Path::new(&path.value));
        Some(secrets)
    }

    /// Warns if every user of this machine can read a file that holds secrets.
    pub fn warn_if_open(&mut self, path: &Path) {
        let mode = std::fs::metadata(path).map(|meta| meta.permissions().mode());
        if mode.is_ok_and(|mode| mode & 0o004 != 0) {
            let path = path.display();
            let message = format!("{path} holds a secret and every user can read it; run `chmod o-r {path}`");
            let warning = Warning { code: Code::ConfigOpenSecret, message };
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
    }
}

/// The secrets of a value. In the environment, white space separates those of a list.
fn in_place(key: &str, value: &DeValue<'_>, in_env: bool) -> Result<Vec<SecretString>, String> {
    match value {
        DeValue::Array(items) if !items.is_empty() => {
            items.iter().map(|item| value::string(key, item.get_ref()).map(SecretString::from)).collect()
        }
        DeValue::Array(_) => Err(format!("`{key}` is an empty list")),
        value if in_env => Ok(value::text(key, value)?.split_whitespace().map(SecretString::from).collect()),
        value => Ok(vec![value::text(key, value)?.into()]),
    }
}
