//! From the text of a definition to a checked [`Definition`]: what each key may hold. What only shows across steps is
//! checked in [`lint`](super::lint).

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::definition::{Call, Definition, Refused, Step, Target, Work};
use super::lint::{self, Names};
use super::policies::Policies;
use super::verb::{ActsAs, VerbSpec};
use crate::document::{Codes, Located, Problem, Reader, Table, hint, list};
use crate::domain::{Code, Kind, hex};

const CALL_KEYS: [&str; 10] = ["name", "about", "call", "as", "retry", "timeout", "on", "next", "undo", "refused"];
const WAIT_KEYS: [&str; 5] = ["name", "about", "wait", "emit", "next"];
const REFUSED: [(&str, Refused); 2] = [("undo", Refused::Undo), ("retry", Refused::Retry)];

/// See [`Definition::parse`].
pub(super) fn definition(
    file: &str,
    text: &str,
    verbs: &[VerbSpec],
    policies: &Policies,
) -> Result<Definition, Vec<Problem>> {
    let reader = Reader::new(file, text, Codes::WORKFLOW);
    let Some(document) = reader.document() else { return Err(reader.into_problems()) };
    let root = Table::root(&reader, &document);
    root.only(&["workflow", "summary", "step"]);
    let kind = root.required_text("workflow").and_then(|word| {
        let kind = Kind::parse(word.value);
        if kind.is_none() {
            let known = list(Kind::ALL.map(Kind::as_str));
            let message = format!("`{}` is not a kind of job (known: {known})", word.value);
            reader.report(word.at, Code::WorkflowUnknownName, message);
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
        .filter_map(|(i, table)| StepReader { table, i, names: &names, verbs, policies }.step())
        .collect();
    // Not before every target is known: a step that could not be read would seem to cut off the steps behind it.
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

/// Reads the `i`-th `[[step]]`.
struct StepReader<'p, 'r, 'a> {
    table: &'p Table<'r, 'a>,
    i: usize,
    names: &'p Names<'r>,
    verbs: &'p [VerbSpec],
    policies: &'p Policies,
}

impl<'r> StepReader<'_, 'r, '_> {
    fn step(&self) -> Option<Step> {
        let about = self.table.required_text("about");
        let work = match (self.table.has("call"), self.table.has("wait")) {
            (true, false) => self.call().map(Work::Call),
            (false, true) => self.wait(),
            (both, _) => {
                let what = if both { "both `call` and `wait`" } else { "neither `call` nor `wait`" };
                let message = format!("a step has either `call` or `wait`; this one has {what}");
                self.contradiction(self.table.at, message);
                None
            }
        };
        let name = self.names.at(self.i)?.to_owned();
        about?;
        Some(Step { name, work: work? })
    }

    fn wait(&self) -> Option<Work> {
        self.table.clone().named("a step that waits").only(&WAIT_KEYS);
        let hour = self.table.word("wait", &[("hour", ())]);
        let emit = self.table.requires("emit").then(|| self.table.word("emit", &[("waiting", ())]))?;
        let next = self.next();
        hour.and(emit)?;
        Some(Work::Wait { next: next? })
    }

    fn call(&self) -> Option<Call> {
        self.table.clone().named("a step that calls").only(&CALL_KEYS);
        let verb = self.table.text("call").and_then(|word| self.verb(word));
        let acts_as = self.acts_as(verb);
        let retry = self.retry();
        let timeout = self.table.requires("timeout").then(|| self.table.duration("timeout")).flatten();
        let undo = self.undo(verb);
        let refused = self.table.word("refused", &REFUSED);
        self.writes_if_has("refused", verb);
        let on = self.on(verb);
        Some(Call {
            verb: verb?.name.to_owned(),
            acts_as: acts_as?,
            retry: retry?,
            timeout: timeout?.value,
            undo,
            refused: refused.map(|refused| refused.value).unwrap_or_default(),
            on,
        })
    }

    fn verb(&self, word: Located<&str>) -> Option<&VerbSpec> {
        let verb = self.verbs.iter().find(|verb| verb.name == word.value);
        if verb.is_none() {
            let hint = hint(word.value, self.verbs.iter().map(|verb| verb.name));
            self.unknown_name(word.at, format!("there is no verb `{}`{hint}", word.value));
        }
        verb
    }

    fn acts_as(&self, verb: Option<&VerbSpec>) -> Option<ActsAs> {
        let acts_as =
            self.table.requires("as").then(|| self.table.word("as", &ActsAs::ALL.map(|a| (a.as_str(), a))))??;
        if let Some(verb) = verb.filter(|verb| verb.acts_as != acts_as.value) {
            let message = format!("`{}` acts as `{}`, not as `{}`", verb.name, verb.acts_as, acts_as.value);
            self.contradiction(acts_as.at, message);
        }
        Some(acts_as.value)
    }

    fn retry(&self) -> Option<String> {
        let word = self.table.required_text("retry")?;
        if self.policies.retry(word.value).is_none() {
            let hint = hint(word.value, self.policies.retry.keys().map(String::as_str));
            self.unknown_name(word.at, format!("there is no retry policy `{}`{hint}", word.value));
        }
        Some(word.value.to_owned())
    }

    fn undo(&self, verb: Option<&VerbSpec>) -> Option<String> {
        let word = self.table.text("undo")?;
        let undo = self.verb(word);
        let verb = verb.filter(|_| self.writes_if_has("undo", verb));
        if let (Some(verb), Some(undo)) = (verb, undo) {
            if !undo.writes {
                self.contradiction(word.at, format!("`{}` writes nothing, so it undoes nothing", undo.name));
            } else if undo.acts_as != verb.acts_as {
                let message = format!(
                    "`{}` acts as `{}` and can only be undone as the same; `{}` acts as `{}`",
                    verb.name, verb.acts_as, undo.name, undo.acts_as
                );
                self.contradiction(word.at, message);
            }
        }
        undo.map(|undo| undo.name.to_owned())
    }

    /// Reports a key that only makes sense for a verb that writes; whether it may stand here.
    fn writes_if_has(&self, key: &str, verb: Option<&VerbSpec>) -> bool {
        match (self.table.at(key), verb) {
            (Some(at), Some(verb)) if !verb.writes => {
                self.contradiction(at, format!("`{key}` makes no sense here: `{}` writes nothing", verb.name));
                false
            }
            _ => true,
        }
    }

    /// Where each outcome leads. A verb with one outcome goes on at the next step or at `next`, a verb with several
    /// names them all in `on`: there is one way to write each.
    fn on(&self, verb: Option<&VerbSpec>) -> BTreeMap<String, Target> {
        let (on, next) = (self.table.at("on"), self.table.at("next"));
        if let (Some(on), Some(next)) = (on, next) {
            self.contradiction(on.max(next), "a step has either `on` or `next`");
        }
        let Some(verb) = verb else {
            self.written();
            return BTreeMap::new();
        };
        if let [outcome] = verb.outcomes {
            if let Some(at) = on {
                let message = format!("`{}` has one outcome, `{outcome}`: use `next` instead of `on`", verb.name);
                self.contradiction(at, message);
            }
            return self.next().map(|next| ((*outcome).to_owned(), next)).into_iter().collect();
        }
        if let Some(at) = next {
            self.contradiction(at, format!("`{}` has several outcomes: use `on` instead of `next`", verb.name));
        }
        let written = self.written();
        for (outcome, (at, _)) in &written {
            if !verb.outcomes.contains(&outcome.as_str()) {
                let hint = hint(outcome, verb.outcomes.iter().copied());
                self.unknown_name(*at, format!("`{}` has no outcome `{outcome}`{hint}", verb.name));
            }
        }
        let missing: Vec<_> = verb.outcomes.iter().copied().filter(|outcome| !written.contains_key(*outcome)).collect();
        if !missing.is_empty() {
            let message = format!("`on` does not say where {} of `{}` leads", list(missing), verb.name);
            self.table.reader.report(on.unwrap_or(self.table.at), Code::WorkflowMissingOutcome, message);
        }
        written.into_iter().filter_map(|(outcome, (_, target))| Some((outcome, target?))).collect()
    }

    /// The entries of `on`: byte offset and target by outcome.
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

    fn contradiction(&self, at: usize, message: impl Into<String>) {
        self.table.reader.report(at, Code::WorkflowContradiction, message);
    }

    fn unknown_name(&self, at: usize, message: String) {
        self.table.reader.report(at, Code::WorkflowUnknownName, message);
    }
}

/// See [`Definition::digest`].
fn digest(text: &str) -> String {
    let table: toml::Table = text.parse().expect("the text was parsed before");
    let mut canonical = String::new();
    write_canonical(&toml::Value::Table(table), &mut canonical);
    hex(&Sha256::digest(canonical.as_bytes()))
}

/// JSON with sorted keys, so that the digest does not depend on the order that a library's map keeps.
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
