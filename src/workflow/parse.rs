//! From the text of a definition to a checked [`Definition`]: what each key may hold. What only shows across steps is
//! checked in [`lint`](super::lint).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::definition::{Call, Definition, Emit, Refused, Step, Target, Wait, WaitFor, Work};
use super::document::{Located, Reader, Table};
use super::lint::{self, Names};
use super::policies::Policies;
use super::problem::{Problem, hint, list};
use super::verb::{Account, VerbSpec};
use crate::domain::{Code, Kind, hex};

const CALL_KEYS: [&str; 10] = ["name", "about", "call", "as", "retry", "timeout", "on", "next", "undo", "refused"];
const WAIT_KEYS: [&str; 5] = ["name", "about", "wait", "emit", "next"];

/// See [`Definition::parse`].
pub(super) fn definition(
    file: &str,
    text: &str,
    verbs: &[VerbSpec],
    policies: &Policies,
) -> Result<Definition, Vec<Problem>> {
    let reader = Reader::new(file, text);
    let Some(document) = reader.document() else { return Err(reader.into_problems()) };
    let root = Table::root(&reader, &document);
    root.only(&["workflow", "summary", "step"]);
    let kind = root.required_text("workflow").and_then(|word| {
        let kind = Kind::parse(word.value);
        if kind.is_none() {
            let known = list(Kind::ALL.map(Kind::as_str));
            reader.report(
                word.at,
                Code::WorkflowUnknownName,
                format!("no kind of job is called `{}` (known: {known})", word.value),
            );
        }
        kind
    });
    let summary = root.required_text("summary");
    let tables = root.tables("step");
    if tables.is_empty() {
        reader.report(0, Code::WorkflowMissingKey, "a workflow needs at least one `[[step]]`");
    }
    let names = Names::of(&tables);
    let steps: Vec<_> = (0..)
        .zip(&tables)
        .filter_map(|(i, table)| Parser { table, i, names: &names, verbs, policies }.step())
        .collect();
    // Only sensible once every target is known; a step that could not be read would seem to cut off what follows it.
    if reader.is_clean() {
        lint::reachability(&reader, &tables, &steps);
    }
    match (kind, summary) {
        (Some(kind), Some(summary)) if reader.is_clean() => Ok(Definition {
            kind,
            summary: summary.value.to_owned(),
            steps,
            source: text.to_owned(),
            digest: digest(text),
        }),
        _ => Err(reader.into_problems()),
    }
}

/// Reads one `[[step]]`.
struct Parser<'p, 'r, 'a> {
    table: &'p Table<'r, 'a>,
    i: usize,
    names: &'p Names<'r>,
    verbs: &'p [VerbSpec],
    policies: &'p Policies,
}

impl<'r> Parser<'_, 'r, '_> {
    fn step(&self) -> Option<Step> {
        let about = self.table.required_text("about");
        let work = match (self.table.has("call"), self.table.has("wait")) {
            (true, false) => self.call().map(Work::Call),
            (false, true) => self.wait().map(Work::Wait),
            (both, _) => {
                let what = if both { "both `call` and `wait`" } else { "neither `call` nor `wait`" };
                self.report(
                    self.table.at,
                    Code::WorkflowContradiction,
                    format!("a step has either `call` or `wait`; this one has {what}"),
                );
                None
            }
        };
        let name = self.names.at(self.i)?.to_owned();
        let line = self.table.reader.line(self.table.at);
        Some(Step { name, about: about?.value.to_owned(), work: work?, line })
    }

    fn wait(&self) -> Option<Wait> {
        self.table.clone().named("a step that waits").only(&WAIT_KEYS);
        let for_ = self.word("wait", WaitFor::parse, &["hour"]);
        let emit = self.table.required("emit").and_then(|_| self.word("emit", Emit::parse, &["waiting"]));
        let next = self.next();
        Some(Wait { for_: for_?, emit: emit?, next: next? })
    }

    fn call(&self) -> Option<Call> {
        self.table.clone().named("a step that calls").only(&CALL_KEYS);
        let verb = self.table.text("call").and_then(|word| self.verb(word));
        let account = self.account(verb);
        let retry = self.retry();
        let timeout = self.table.required("timeout").and_then(|_| self.table.duration("timeout"));
        let undo = self.undo(verb);
        let refused = self.word("refused", Refused::parse, &["undo", "retry"]);
        if let (Some(verb), Some(value)) = (verb, self.table.value("refused"))
            && !verb.writes
        {
            let message = format!("`refused` makes no sense here: `{}` writes nothing", verb.name);
            self.report(value.span().start, Code::WorkflowContradiction, message);
        }
        let on = self.on(verb);
        Some(Call {
            verb: verb?.name.to_owned(),
            account: account?,
            retry: retry?,
            timeout: timeout?.value,
            undo,
            refused: refused.unwrap_or_default(),
            on,
        })
    }

    fn verb(&self, word: Located<&str>) -> Option<&VerbSpec> {
        let verb = self.verbs.iter().find(|verb| verb.name == word.value);
        if verb.is_none() {
            let hint = hint(word.value, self.verbs.iter().map(|verb| verb.name));
            self.report(word.at, Code::WorkflowUnknownName, format!("no verb is called `{}`{hint}", word.value));
        }
        verb
    }

    fn account(&self, verb: Option<&VerbSpec>) -> Option<Account> {
        self.table.required("as")?;
        let account = self.word("as", Account::parse, &Account::ALL.map(Account::as_str))?;
        if let Some(verb) = verb
            && verb.account != account
        {
            let at = self.table.value("as")?.span().start;
            self.report(
                at,
                Code::WorkflowContradiction,
                format!("`{}` acts as `{}`, not as `{account}`", verb.name, verb.account),
            );
        }
        Some(account)
    }

    fn retry(&self) -> Option<String> {
        let word = self.table.required_text("retry")?;
        if self.policies.retry(word.value).is_none() {
            let hint = hint(word.value, self.policies.retry.keys().map(String::as_str));
            self.report(
                word.at,
                Code::WorkflowUnknownName,
                format!("no retry policy is called `{}`{hint}", word.value),
            );
        }
        Some(word.value.to_owned())
    }

    fn undo(&self, verb: Option<&VerbSpec>) -> Option<String> {
        let word = self.table.text("undo")?;
        let undo = self.verb(word);
        if let Some(verb) = verb
            && !verb.writes
        {
            self.report(
                word.at,
                Code::WorkflowContradiction,
                format!("`undo` makes no sense here: `{}` writes nothing", verb.name),
            );
        } else if let Some(undo) = undo {
            if !undo.writes {
                self.report(
                    word.at,
                    Code::WorkflowContradiction,
                    format!("`{}` writes nothing, so it undoes nothing", undo.name),
                );
            } else if let Some(verb) = verb
                && undo.account != verb.account
            {
                let message = format!("`{}` acts as `{}` and is undone as the same", verb.name, verb.account);
                self.report(
                    word.at,
                    Code::WorkflowContradiction,
                    format!("{message}, but `{}` acts as `{}`", undo.name, undo.account),
                );
            }
        }
        undo.map(|undo| undo.name.to_owned())
    }

    /// Where each outcome leads. A verb with one outcome goes on at the next step or at `next`, a verb with several
    /// names them all in `on`: there is one way to write each.
    fn on(&self, verb: Option<&VerbSpec>) -> BTreeMap<String, Target> {
        if let (Some(on), Some(next)) = (self.table.value("on"), self.table.value("next")) {
            self.report(
                on.span().start.max(next.span().start),
                Code::WorkflowContradiction,
                "a step has either `on` or `next`",
            );
        }
        let Some(verb) = verb else {
            self.written();
            return BTreeMap::new();
        };
        if let [outcome] = verb.outcomes {
            if let Some(on) = self.table.value("on") {
                let message = format!("`{}` has one outcome, `{outcome}`: use `next` instead of `on`", verb.name);
                self.report(on.span().start, Code::WorkflowContradiction, message);
            }
            return self.next().map(|next| ((*outcome).to_owned(), next)).into_iter().collect();
        }
        if let Some(next) = self.table.value("next") {
            let message = format!("`{}` has several outcomes: use `on` instead of `next`", verb.name);
            self.report(next.span().start, Code::WorkflowContradiction, message);
        }
        let written = self.written();
        for (outcome, at) in written.iter().map(|(outcome, (at, _))| (outcome.as_str(), *at)) {
            if !verb.outcomes.contains(&outcome) {
                let hint = hint(outcome, verb.outcomes.iter().copied());
                self.report(at, Code::WorkflowUnknownName, format!("`{}` has no outcome `{outcome}`{hint}", verb.name));
            }
        }
        let missing: Vec<_> = verb.outcomes.iter().copied().filter(|outcome| !written.contains_key(*outcome)).collect();
        if !missing.is_empty() {
            let at = self.table.value("on").map_or(self.table.at, |on| on.span().start);
            self.report(
                at,
                Code::WorkflowMissingOutcome,
                format!("`on` does not say where {} of `{}` leads", list(missing), verb.name),
            );
        }
        written.into_iter().filter_map(|(outcome, (_, target))| Some((outcome, target?))).collect()
    }

    /// The entries of `on`, each with its place.
    fn written(&self) -> BTreeMap<String, (usize, Option<Target>)> {
        let Some(on) = self.table.table("on") else { return BTreeMap::new() };
        on.keys().map(|key| (key.value.to_owned(), (key.at, self.target(on.text(key.value))))).collect()
    }

    fn next(&self) -> Option<Target> {
        if self.table.has("next") { self.target(self.table.text("next")) } else { Some(self.names.after(self.i)) }
    }

    fn target(&self, word: Option<Located<&'r str>>) -> Option<Target> {
        self.names.target(self.table.reader, self.i, word?)
    }

    /// One of a closed list of words.
    fn word<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>, known: &[&str]) -> Option<T> {
        let word = self.table.text(key)?;
        let value = parse(word.value);
        if value.is_none() {
            let hint = hint(word.value, known.iter().copied());
            let known = list(known.iter().copied());
            self.report(
                word.at,
                Code::WorkflowBadValue,
                format!("`{key}` cannot be `{}`{hint} (known: {known})", word.value),
            );
        }
        value
    }

    fn report(&self, at: usize, code: Code, message: impl Into<String>) {
        self.table.reader.report(at, code, message);
    }
}

/// The digest of what a definition says; see [`Definition::digest`].
fn digest(text: &str) -> String {
    let table: toml::Table = text.parse().expect("the text was parsed before");
    let mut canonical = String::new();
    write_canonical(&toml::Value::Table(table), &mut canonical);
    hex(&Sha256::digest(canonical.as_bytes()))
}

/// JSON with sorted keys, whatever order the map types of the libraries keep.
fn write_canonical(value: &toml::Value, out: &mut String) {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    match value {
        toml::Value::Table(table) => {
            let entries: BTreeMap<_, _> = table.iter().collect();
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                out.push_str(&quoted(key));
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        toml::Value::Array(items) => {
            out.push('[');
            for (i, value) in items.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { "," });
                write_canonical(value, out);
            }
            out.push(']');
        }
        toml::Value::String(text) => out.push_str(&quoted(text)),
        other => out.push_str(&other.to_string()),
    }
}
