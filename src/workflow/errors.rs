//! What an error of the cloud means for a job: an ordered table, the first entry that matches wins (API §D.3).
//!
//! The table is data because it is never finished: the vendor publishes no list of codes for some operations, and an
//! operator who meets a new one must be able to say what it means without a new binary. It always ends in an entry that
//! matches everything, so that every answer has a verdict.

use std::fmt;

use super::class::{Class, Effect, Finding};
use super::document::{Reader, Table};
use super::glob;
use super::problem::{Problem, hint, list};
use crate::domain::Code;

/// How operations that read begin.
const READS: [&str; 3] = ["List", "Describe", "Check"];

/// How operations begin that name an instance: the writes, and the reads of its grants.
const OF_INSTANCES: [&str; 4] = ["Grant", "Revoke", "Modify", "DescribeGrantRules"];

/// What the table says about one error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What to do.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What it finds wrong with the job.
    pub finding: Option<Finding>,
    /// What the error means.
    pub meaning: &'a str,
    /// What an operator does about it.
    pub advice: &'a str,
}

/// One entry of the table. An answer matches when it fits every condition that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClass {
    /// Patterns for `Code`; empty: any.
    pub codes: Vec<String>,
    /// HTTP statuses; empty: any.
    pub http: Vec<HttpStatus>,
    /// Patterns for the operation; empty: any.
    pub operations: Vec<String>,
    /// Whether it speaks of answers with `x-acs-retry-after`; the others never match such an answer.
    pub retry_after: bool,
    /// What to do.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What it finds wrong with the job.
    pub finding: Option<Finding>,
    /// What the error means.
    pub meaning: String,
    /// What an operator does about it.
    pub advice: String,
    /// The file it is from.
    pub file: String,
    /// Its line there, 1-based.
    pub line: usize,
}

/// A condition on the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpStatus {
    /// This one.
    Exactly(u16),
    /// All of a hundred, by its first digit: `5xx`.
    Hundred(u16),
}

/// The whole table, an operator's entries before the embedded ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClasses {
    entries: Vec<ErrorClass>,
}

impl ErrorClasses {
    /// Reads the embedded table and an operator's own `(file, text)` before it. All findings are reported together.
    pub fn load(embedded: &str, overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        for (file, text) in overriding.into_iter().chain([("workflows/errors.toml", embedded)]) {
            let reader = Reader::new(file, text);
            if let Some(document) = reader.document() {
                let root = Table::root(&reader, &document);
                root.only(&["class"]);
                entries.extend(root.tables("class").iter().filter_map(|table| read(file, table)));
            }
            problems.extend(reader.into_problems());
        }
        let readable = problems.is_empty();
        for retry_after in [false, true] {
            if readable && !entries.iter().any(|entry| entry.matches_all(retry_after)) {
                let message = format!("no entry matches everything with retry-after = {retry_after}");
                problems.push(Problem {
                    file: "workflows/errors.toml".to_owned(),
                    line: 1,
                    code: Code::WorkflowIncomplete,
                    message,
                });
            }
        }
        if problems.is_empty() { Ok(Self { entries }) } else { Err(problems) }
    }

    /// What an error answer means. `asked` is the operation, or `metadata`; `code` is empty when the body was no error envelope; `retry_after` says whether the
    /// server asked for a delay (`x-acs-retry-after`, API §D.1).
    pub fn classify(&self, asked: impl AsRef<str>, status: u16, code: &str, retry_after: bool) -> Verdict<'_> {
        let found = self.entries.iter().find(|entry| entry.matches(asked.as_ref(), status, code, retry_after));
        found.expect("a table is loaded only when it matches everything").verdict()
    }

    /// A call that never left this machine: it can be repeated as it is.
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

    /// A call to which no whole answer came back: it may have been carried out.
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

    /// Every entry, in the order of looking.
    pub fn entries(&self) -> &[ErrorClass] {
        &self.entries
    }

    /// The entries that name a code, whatever the operation and status: what there is to explain about it. When none
    /// does, the one for codes the table does not know.
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
    /// What it says of an answer that it matches.
    pub fn verdict(&self) -> Verdict<'_> {
        let Self { class, effect, finding, meaning, advice, .. } = self;
        Verdict { class: *class, effect: *effect, finding: *finding, meaning, advice }
    }

    /// What its keys say against each other. Only a read may be held, since a job must end over the refusal of a write; and
    /// only a call that names an instance, and will not be made again, tells something of it.
    fn contradictions(&self) -> impl Iterator<Item = String> {
        let begin_with = |verbs: &[&str]| {
            let begins = |pattern: &String| verbs.iter().any(|verb| glob::begins_with(pattern, verb));
            !self.operations.is_empty() && self.operations.iter().all(begins)
        };
        let held = (self.class == Class::Held && !begin_with(&READS)).then(|| {
            let reads = list(READS);
            format!(
                "`class = \"held\"` is for operations that read: each of `operations` must begin with one of {reads}"
            )
        });
        let of_an_instance = matches!(self.class, Class::Permanent | Class::Done) && begin_with(&OF_INSTANCES);
        let finding = (self.finding.is_some() && !of_an_instance).then(|| {
            let operations = list(OF_INSTANCES);
            format!(
                "`finding` is for calls about an instance that are refused for good: `class` must be `permanent` or \
                 `done`, and each of `operations` must begin with one of {operations}"
            )
        });
        held.into_iter().chain(finding)
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

fn read(file: &str, table: &Table<'_, '_>) -> Option<ErrorClass> {
    table.only(&["code", "http", "operations", "retry-after", "class", "effect", "finding", "meaning", "do"]);
    let patterns =
        |key: &str| Some(table.texts(key)?.into_iter().map(|text| text.value.to_owned()).collect::<Vec<_>>());
    let (codes, operations) = (patterns("code"), patterns("operations"));
    let http = statuses(table);
    let retry_after = if table.has("retry-after") { table.boolean("retry-after") } else { Some(false) };
    let class = word(table, "class", &Class::ALL.map(|class| (class.as_str(), class)));
    let effect = word(table, "effect", &Effect::ALL.map(|effect| (effect.as_str(), effect)));
    let finding = match table.has("finding") {
        true => word(table, "finding", &Finding::ALL.map(|finding| (finding.as_str(), finding))).map(Some),
        false => Some(None),
    };
    let meaning = table.required_text("meaning");
    let advice = table.required_text("do");
    let entry = ErrorClass {
        codes: codes?,
        http: http?,
        operations: operations?,
        retry_after: retry_after?,
        class: class?,
        effect: effect?,
        finding: finding?,
        meaning: meaning?.value.to_owned(),
        advice: advice?.value.to_owned(),
        file: file.to_owned(),
        line: table.reader.line(table.at),
    };
    entry.contradictions().for_each(|message| table.reader.report(table.at, Code::WorkflowContradiction, message));
    Some(entry)
}

/// The statuses of `http`; none when it is not there.
fn statuses(table: &Table<'_, '_>) -> Option<Vec<HttpStatus>> {
    let statuses = table.words("http")?.into_iter().map(|text| {
        let status = HttpStatus::parse(text.value);
        if status.is_none() {
            let message = format!("`http` must be a status such as 429 or \"5xx\", not `{}`", text.value);
            table.reader.report(text.at, Code::WorkflowBadValue, message);
        }
        status
    });
    statuses.collect()
}

/// One of a closed list of words, which must be there.
fn word<T: Copy>(table: &Table<'_, '_>, key: &str, known: &[(&str, T)]) -> Option<T> {
    let word = table.required_text(key)?;
    let found = known.iter().find(|(name, _)| *name == word.value).map(|(_, value)| *value);
    if found.is_none() {
        let names = || known.iter().map(|(name, _)| *name);
        let (hint, known) = (hint(word.value, names()), list(names()));
        table.reader.report(
            word.at,
            Code::WorkflowBadValue,
            format!("`{key}` cannot be `{}`{hint} (known: {known})", word.value),
        );
    }
    found
}
