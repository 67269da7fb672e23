//! What an error of the cloud means for a job: an ordered table, of which the first entry that matches counts (API §D.3).
//!
//! The table is data because it is never complete: for some operations the vendor publishes no list of codes, and an
//! operator who meets a new code can say what it means without a new binary. Its last entry matches everything, so every
//! answer is classified.

use std::fmt;

use super::class::{Class, Effect, Finding};
use super::glob;
use crate::document::{Codes, Location, Problem, Reader, Table, list};
use crate::domain::Code;

const EMBEDDED: &str = "workflows/errors.toml";

/// Prefixes of the operations that read.
const READS: [&str; 3] = ["List", "Describe", "Check"];

/// Prefixes of the operations that write.
const WRITES: [&str; 6] = ["Grant", "Revoke", "Modify", "Update", "Delete", "Detach"];

/// Prefixes of the operations that name an instance: the writes, and the reads of its grants.
const OF_INSTANCES: [&str; 4] = ["Grant", "Revoke", "Modify", "DescribeGrantRules"];

/// What the table says about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What the worker does about it.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What it says is wrong with the job; `None` if nothing is.
    pub finding: Option<Finding>,
    /// One or two sentences for people: what the error says.
    pub meaning: &'a str,
    /// For people: what an operator does about it.
    pub advice: &'a str,
}

/// One entry of the table. An answer matches if it meets every condition of the entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClass {
    /// Patterns for the error code. If empty, every code matches.
    pub codes: Vec<String>,
    /// Conditions on the HTTP status. If empty, every status matches.
    pub http: Vec<HttpStatus>,
    /// Patterns for the operation. If empty, every operation matches.
    pub operations: Vec<String>,
    /// Whether it matches answers with the header `x-acs-retry-after`, or those without.
    pub retry_after: bool,
    /// What the worker does about it.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What it says is wrong with the job; `None` if nothing is.
    pub finding: Option<Finding>,
    /// One or two sentences for people: what the error says.
    pub meaning: String,
    /// For people: what an operator does about it.
    pub advice: String,
}

/// A condition on the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpStatus {
    /// One status.
    Exactly(u16),
    /// A hundred statuses by their first digit, such as `5xx`.
    Hundred(u16),
}

/// The table: the entries of an operator before the embedded ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClasses {
    entries: Vec<ErrorClass>,
}

impl ErrorClasses {
    /// Reads the embedded table and before it a file of an operator, as path and text. Reports every problem of both.
    pub fn load(embedded: &str, overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for (file, text) in overriding.into_iter().chain([(EMBEDDED, embedded)]) {
            let reader = Reader::new(file, text, Codes::WORKFLOW);
            if let Some(document) = reader.document() {
                let root = Table::root(&reader, &document);
                root.only(&["class"]);
                entries.extend(root.tables("class").iter().filter_map(read));
            }
            problems.extend(reader.into_problems());
        }
        let readable = problems.is_empty();
        for retry_after in [false, true] {
            if readable && !entries.iter().any(|entry| entry.matches_all(retry_after)) {
                let message = format!("no entry matches every answer with `retry-after = {retry_after}`");
                let location = Location::File(EMBEDDED.to_owned());
                problems.push(Problem { location, code: Code::WorkflowIncomplete, message });
            }
        }
        if problems.is_empty() { Ok(Self { entries }) } else { Err(problems) }
    }

    /// Classifies an error. `asked` is the operation, or `metadata`; `code` is empty when the body was no error envelope;
    /// `retry_after` says whether the server asked for a delay (`x-acs-retry-after`, API §D.1).
    pub fn classify(&self, asked: impl AsRef<str>, status: u16, code: &str, retry_after: bool) -> Verdict<'_> {
        let found = self.entries.iter().find(|entry| entry.matches(asked.as_ref(), status, code, retry_after));
        found.expect("a table is loaded only when it matches everything").verdict()
    }

    /// Classifies a call that did not leave this machine: it can be repeated as it is.
    pub fn not_sent(&self) -> Verdict<'static> {
        Verdict {
            class: Class::Transient,
            effect: Effect::None,
            finding: None,
            meaning: "The request was not sent: there was no credential for it, or no connection.",
            advice: "Nothing, if it passes. Otherwise see with `crossgrant doctor` whether the credential and the \
                     endpoint can be reached.",
        }
    }

    /// Classifies a call to which no whole answer came: it may have been carried out.
    pub fn unanswered(&self) -> Verdict<'static> {
        Verdict {
            class: Class::Transient,
            effect: Effect::Unknown,
            finding: None,
            meaning: "The request may have been carried out, but no whole answer came back.",
            advice: "Nothing, if it passes: the state is read before the call is repeated. If it lasts, look at the \
                     network between this machine and the endpoint.",
        }
    }

    /// Every entry, in the order in which they are tried.
    pub fn entries(&self) -> &[ErrorClass] {
        &self.entries
    }

    /// The entries that name a code, for any operation and status; if none does, the one for codes that the table does not
    /// know.
    pub fn explain(&self, code: &str) -> Vec<&ErrorClass> {
        let names = |entry: &&ErrorClass| entry.codes.iter().any(|pattern| glob::matches(pattern, code));
        let found: Vec<_> = self.entries.iter().filter(names).collect();
        if !found.is_empty() {
            return found;
        }
        self.entries.iter().find(|entry| entry.matches("", 400, code, false)).into_iter().collect()
    }
}

impl ErrorClass {
    /// What it says about an answer that it matches.
    pub fn verdict(&self) -> Verdict<'_> {
        let Self { class, effect, finding, meaning, advice, .. } = self;
        Verdict { class: *class, effect: *effect, finding: *finding, meaning, advice }
    }

    /// What contradicts what in this entry. What is held is named, so that no entry means reads and writes alike; only a call that
    /// names an instance and is not made again can tell that the instance is wrong; and what is said of an account is said by a
    /// code, of a call that did nothing.
    fn contradictions(&self) -> impl Iterator<Item = String> {
        let begin_with = |verbs: &[&str]| {
            let begins = |pattern: &String| verbs.iter().any(|verb| glob::begins_with(pattern, verb));
            !self.operations.is_empty() && self.operations.iter().all(begins)
        };
        let held = (self.class == Class::Held && !begin_with(&READS) && !begin_with(&WRITES)).then(|| {
            let (reads, writes) = (list(READS), list(WRITES));
            format!(
                "`class = \"held\"` is for reads or for writes: each of `operations` must begin with one of {reads}, or each with \
                 one of {writes}"
            )
        });
        let of_an_instance = matches!(self.class, Class::Permanent | Class::Done) && begin_with(&OF_INSTANCES);
        let finding = (self.finding.is_some() && !of_an_instance).then(|| {
            let operations = list(OF_INSTANCES);
            format!(
                "`finding` is only for calls that name an instance and are refused for good: `class` must be `permanent` \
                 or `done`, and each of `operations` must begin with one of {operations}"
            )
        });
        let account = (self.class == Class::Account && (self.codes.is_empty() || self.effect != Effect::None)).then(|| {
            "`class = \"account\"` says that no job is to blame and that nothing was done: it needs a `code` and `effect = \"none\"`"
                .to_owned()
        });
        held.into_iter().chain(finding).chain(account)
    }

    fn matches(&self, operation: &str, status: u16, code: &str, retry_after: bool) -> bool {
        let fits = |patterns: &[String], text| {
            patterns.is_empty() || patterns.iter().any(|pattern| glob::matches(pattern, text))
        };
        self.retry_after == retry_after
            && (self.http.is_empty() || self.http.iter().any(|http| http.matches(status)))
            && fits(&self.codes, code)
            && fits(&self.operations, operation)
    }

    fn matches_all(&self, retry_after: bool) -> bool {
        self.retry_after == retry_after && self.codes.is_empty() && self.http.is_empty() && self.operations.is_empty()
    }
}

impl HttpStatus {
    /// Reads `429` or `5xx`.
    pub fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.parse::<u16>().ok();
        match text.strip_suffix("xx") {
            Some(hundred) => number(hundred).filter(|n| (1..=5).contains(n)).map(Self::Hundred),
            None => number(text).filter(|n| (100..=599).contains(n)).map(Self::Exactly),
        }
    }

    fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(number) => status == number,
            Self::Hundred(hundred) => status / 100 == hundred,
        }
    }
}

impl fmt::Display for HttpStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(number) => write!(f, "{number}"),
            Self::Hundred(hundred) => write!(f, "{hundred}xx"),
        }
    }
}

fn read(table: &Table<'_, '_>) -> Option<ErrorClass> {
    table.only(&["code", "http", "operations", "retry-after", "class", "effect", "finding", "meaning", "do"]);
    let patterns =
        |key: &str| Some(table.strings(key)?.into_iter().map(|text| text.value.to_owned()).collect::<Vec<_>>());
    let (codes, operations) = (patterns("code"), patterns("operations"));
    let http = statuses(table);
    let retry_after = table.flag("retry-after");
    let class = required_word(table, "class", &Class::ALL.map(|class| (class.as_str(), class)));
    let effect = required_word(table, "effect", &Effect::ALL.map(|effect| (effect.as_str(), effect)));
    let finding = table.word("finding", &Finding::ALL.map(|finding| (finding.as_str(), finding)));
    let meaning = table.required_text("meaning");
    let advice = table.required_text("do");
    let entry = ErrorClass {
        codes: codes?,
        http: http?,
        operations: operations?,
        retry_after: retry_after.is_some_and(|flag| flag.value),
        class: class?,
        effect: effect?,
        finding: finding.map(|finding| finding.value),
        meaning: meaning?.value.to_owned(),
        advice: advice?.value.to_owned(),
    };
    entry.contradictions().for_each(|message| table.reader.report(table.at, Code::WorkflowContradiction, message));
    Some(entry)
}

fn required_word<T: Copy>(table: &Table<'_, '_>, key: &str, known: &[(&str, T)]) -> Option<T> {
    table.requires(key).then(|| table.word(key, known))?.map(|word| word.value)
}

/// The statuses of `http`; none when the key is not there.
fn statuses(table: &Table<'_, '_>) -> Option<Vec<HttpStatus>> {
    let statuses = table.strings_or_numbers("http")?.into_iter().map(|text| {
        let status = HttpStatus::parse(text.value)
            .ok_or_else(|| format!("`http` must be a status such as 429 or \"5xx\", not `{}`", text.value));
        Some(table.reader.usable(text.at, status)?.value)
    });
    statuses.collect()
}
