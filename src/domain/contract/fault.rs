//! What is wrong with a message, one by one and all together.

use std::fmt;
use std::ops::Deref;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::super::code::Code;

/// The most faults that are listed of one message.
const MAX_FAULTS: usize = 50;
/// All of them together, in bytes of JSON. A rejection is stored with its faults and an event that has them too, and a client that
/// may publish can have messages rejected without end. They are also a header of the copy of the message, and all headers of a
/// message have to fit into one frame of AMQP.
const MAX_FAULTS_BYTES: usize = 6 << 10;
/// The longest text of all faults together, in bytes.
const MAX_SUMMARY: usize = 1 << 10;
/// The longest text of one, in characters.
const MAX_TEXT: usize = 300;

/// One thing that is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// A JSON Pointer, or `amqp:` and the name of a property.
    pub at: String,
    /// What sort of thing is wrong.
    pub code: Code,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    /// Where and what; the pointer to the whole body is empty, and is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, message, .. } = self;
        if at.is_empty() { f.write_str(message) } else { write!(f, "{at}: {message}") }
    }
}

/// What is wrong with a message: as much as is listed, and how much is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FaultList {
    listed: Vec<Fault>,
    /// How many more there are.
    #[serde(skip)]
    pub not_listed: u32,
}

impl FaultList {
    /// The same, and more.
    #[must_use]
    pub fn and(mut self, more: Vec<Fault>) -> Self {
        self.listed.extend(more);
        self
    }

    /// Each fault with what `edit` makes of it.
    #[must_use]
    pub fn map(mut self, edit: impl Fn(Fault) -> Fault) -> Self {
        self.listed = self.listed.into_iter().map(edit).collect();
        self
    }
}

impl From<Vec<Fault>> for FaultList {
    fn from(listed: Vec<Fault>) -> Self {
        Self { listed, not_listed: 0 }
    }
}

impl IntoIterator for FaultList {
    type Item = Fault;
    type IntoIter = std::vec::IntoIter<Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.listed.into_iter()
    }
}

impl Deref for FaultList {
    type Target = [Fault];

    fn deref(&self) -> &[Fault] {
        &self.listed
    }
}

/// What is found wrong while a message is read.
#[derive(Default)]
pub(super) struct Faults {
    pub(super) list: FaultList,
    bytes: usize,
    /// The place in the message of the job that is read.
    pub(super) within: String,
}

impl Faults {
    pub(super) fn add(&mut self, at: &str, code: Code, message: impl Into<String>) {
        let within = if at.starts_with("amqp:") { "" } else { &self.within };
        let fault = Fault { at: format!("{within}{at}"), code, message: cut(message.into()) };
        let bytes = self.bytes + json!(fault).to_string().len();
        if self.list.is_empty() || (self.list.len() < MAX_FAULTS && bytes <= MAX_FAULTS_BYTES) {
            self.list.listed.push(fault);
            self.bytes = bytes;
        } else {
            self.list.not_listed = self.list.not_listed.saturating_add(1);
        }
    }
}

/// As many of the faults as a rejection lists.
pub fn listed(faults: impl IntoIterator<Item = Fault>) -> FaultList {
    let mut listed = Faults::default();
    for Fault { at, code, message } in faults {
        listed.add(&at, code, message);
    }
    listed.list
}

/// The faults as one text, for people: as many as fit into 1 KiB, and how many more there are.
pub fn summary(faults: &FaultList) -> String {
    let mut text = String::new();
    for (place, fault) in faults.iter().enumerate() {
        let next = format!("{}{fault}", if place == 0 { "" } else { "; " });
        if place > 0 && text.len() + next.len() > MAX_SUMMARY {
            return format!("{text}; and {} more", faults.len() - place + faults.not_listed as usize);
        }
        text.push_str(&next);
    }
    match faults.not_listed {
        0 => text,
        more => format!("{text}; and {more} more"),
    }
}

/// A text cut to the length of a fault.
fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::{Envelope, parse};
    use super::*;

    #[test]
    fn what_a_rejection_stores_is_bounded() {
        let name = |n: usize| format!("{n:02}{}", "x".repeat(62));
        let fields: Map<String, Value> = (0..50).map(|n| (name(n), json!(1))).collect();
        let faults = parse(Value::Object(fields).to_string().as_bytes(), &Envelope::default()).unwrap_err();
        let bytes = json!(faults).to_string().len();
        assert!(bytes < MAX_FAULTS_BYTES + 200, "{bytes}");
        let text = summary(&faults);
        assert!(text.len() < MAX_SUMMARY + 20 && text.ends_with(" more"), "{} {text}", text.len());
        let listed = text.matches("there is no field").count();
        assert!(text.ends_with(&format!("; and {} more", 54 - listed)) && listed > 5, "{text}");
        // Fifty fields that are unknown, and those that a job needs and are missing.
        assert_eq!(faults.len() + faults.not_listed as usize, 54);
    }

    #[test]
    fn a_few_faults_are_all_in_the_text() {
        let fault = |at: &str| Fault { at: at.into(), code: Code::JobMissingField, message: "is missing".into() };
        let summary = |faults: &[Fault]| summary(&faults.to_vec().into());
        assert_eq!(summary(&[fault("/id")]), "/id: is missing");
        assert_eq!(summary(&[fault("/id"), fault("/cen")]), "/id: is missing; /cen: is missing");
        assert_eq!(summary(&[fault("")]), "is missing", "of the whole body");
        assert_eq!(summary(&[]), "");
    }
}
