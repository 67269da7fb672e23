//! Reads one field of a body, of whatever type it is.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::code::Code;
use super::super::ids::{AccountUid, BadName};
use super::super::nearest::did_you_mean;
use super::super::strict_json::shown;
use super::fault::Faults;
use super::moment;

impl Faults {
    pub(super) fn object<'a>(&mut self, fields: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        let at = format!("/{name}");
        match fields.get(name) {
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                self.add(&at, Code::JobWrongType, format!("{name} is an object, not {}", sort(other)));
                None
            }
            None => {
                self.add(&at, Code::JobMissingField, format!("a job needs {name}"));
                None
            }
        }
    }

    pub(super) fn string<'a>(
        &mut self,
        fields: &'a Map<String, Value>,
        at: &str,
        name: &str,
        needed: bool,
    ) -> Option<&'a str> {
        let at = format!("{at}/{name}");
        match fields.get(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.add(&at, Code::JobWrongType, format!("{name} is a string, not {}", sort(other)));
                None
            }
            None => {
                if needed {
                    self.add(&at, Code::JobMissingField, format!("{name} is missing"));
                }
                None
            }
        }
    }

    pub(super) fn word<T>(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        name: &str,
        words: impl IntoIterator<Item = &'static str>,
        parse: impl Fn(&str) -> Option<T>,
        needed: bool,
    ) -> Option<T> {
        let text = self.string(fields, at, name, needed)?;
        let word = parse(text);
        if word.is_none() {
            let words: Vec<&str> = words.into_iter().collect();
            let near = did_you_mean(text, words.iter().copied(), "\"");
            let message = format!("{:?} is none of {}{near}", shown(text), words.join(", "));
            self.add(&format!("{at}/{name}"), Code::JobUnknownWord, message);
        }
        word
    }

    pub(super) fn name<T>(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        name: &str,
        parse: impl Fn(String) -> Result<T, BadName>,
    ) -> Option<T> {
        let text = self.string(fields, at, name, true)?;
        parse(text.to_owned()).map_err(|BadName(why)| self.add(&format!("{at}/{name}"), Code::JobBadValue, why)).ok()
    }

    pub(super) fn owner(&mut self, fields: &Map<String, Value>, at: &str) -> Option<AccountUid> {
        let text = match fields.get("owner") {
            // An integer that was read exactly; one written as a decimal fraction may have lost digits on its way.
            Some(Value::Number(number)) if number.is_u64() => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.add(
                    &format!("{at}/owner"),
                    Code::JobWrongType,
                    format!("an owner is an account uid, not {}", sort(other)),
                );
                return None;
            }
            None => {
                self.add(&format!("{at}/owner"), Code::JobMissingField, "owner is missing");
                return None;
            }
        };
        AccountUid::parse(text).map_err(|BadName(why)| self.add(&format!("{at}/owner"), Code::JobBadValue, why)).ok()
    }

    pub(super) fn time(&mut self, fields: &Map<String, Value>, at: &str, name: &str) -> Option<Timestamp> {
        let text = self.string(fields, at, name, false)?;
        let time = moment::parse(text);
        if time.is_none() {
            let text = shown(text);
            let message = format!("{text:?} is not an RFC 3339 time such as \"2026-11-21T09:00:00Z\"");
            self.add(&format!("{at}/{name}"), Code::JobBadValue, message);
        }
        time
    }

    pub(super) fn unknown(&mut self, at: &str, fields: &Map<String, Value>, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = did_you_mean(name, known.iter().copied(), "\"");
            let message = format!("there is no field {:?} here{near}", shown(name));
            self.add(&format!("{at}/{}", escape(name)), Code::JobUnknownField, message);
        }
    }
}

/// A name as a part of a JSON Pointer (RFC 6901 section 3).
pub(super) fn escape(name: &str) -> String {
    shown(name).replace('~', "~0").replace('/', "~1")
}

pub(super) fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
