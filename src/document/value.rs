//! What a value has to be, and the message when it is something else. `key` names the value in the message.

use std::time::Duration;

use toml::de::DeValue;

use super::names::{hint, list};
use crate::domain::{parse_duration, without_secrets};

/// A string, which may be empty.
pub fn string<'v>(key: &str, value: &'v DeValue<'_>) -> Result<&'v str, String> {
    match value {
        DeValue::String(text) => Ok(text),
        other => Err(must_be(key, "a string", other)),
    }
}

/// A string that is not blank.
pub fn text<'v>(key: &str, value: &'v DeValue<'_>) -> Result<&'v str, String> {
    let text = string(key, value)?;
    if text.trim().is_empty() { Err(format!("`{key}` is empty")) } else { Ok(text) }
}

/// One of a closed list of words.
pub fn word<T: Copy>(key: &str, value: &DeValue<'_>, known: &[(&str, T)]) -> Result<T, String> {
    let text = text(key, value)?;
    let found = known.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let words = || known.iter().map(|(word, _)| *word);
        // It may be a URL in the wrong place.
        let shown = without_secrets(text);
        format!("`{key}` cannot be `{shown}`{} (known: {})", hint(text, words()), list(words()))
    })
}

/// A duration longer than zero, as people write it.
pub fn duration(key: &str, value: &DeValue<'_>) -> Result<Duration, String> {
    let DeValue::String(text) = value else {
        return Err(must_be(key, "a duration in quotes, such as \"20s\"", value));
    };
    parse_duration(text).map_err(|bad| format!("`{key}` {bad}, not \"{}\"", without_secrets(text)))
}

/// A number, whole or not.
pub fn number(key: &str, value: &DeValue<'_>) -> Result<f64, String> {
    let number = match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().parse().ok(),
        DeValue::Float(number) => number.as_str().parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| must_be(key, "a decimal number", value))
}

/// A whole number without a sign, in decimal; `None` for everything else.
pub fn whole(value: &DeValue<'_>) -> Option<u64> {
    value.as_integer().filter(|number| number.radix() == 10)?.as_str().parse().ok()
}

/// True or false.
pub fn flag(key: &str, value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| must_be(key, "true or false", value))
}

/// The message for a value of the wrong type.
pub fn must_be(key: &str, wanted: &str, found: &DeValue<'_>) -> String {
    format!("`{key}` must be {wanted}, not {}", kind(found))
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
