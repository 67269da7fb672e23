//! What only shows across the steps of a definition: names, targets, and whether every step can be reached.

use super::definition::{Step, Target};
use crate::document::{Located, Reader, Table, hint};
use crate::domain::Code;

/// The word for the end of a workflow, which can be the name of no step.
const END: &str = "end";

/// The names of all steps, in order; `None` where a step has none.
pub(super) struct Names<'r>(Vec<Option<&'r str>>);

impl<'r> Names<'r> {
    /// Collects them, and reports names that are missing, ill-formed or used twice.
    pub fn of(tables: &[Table<'r, '_>]) -> Self {
        let mut names: Vec<Option<Located<&str>>> = Vec::new();
        for table in tables {
            let name = table.required_text("name");
            if let Some(name) = name {
                let first = names.iter().flatten().find(|earlier| earlier.value == name.value);
                if let Some(first) = first {
                    let line = table.reader.line(first.at);
                    let message = format!("the step on line {line} has the name `{}` already", name.value);
                    table.reader.report(name.at, Code::WorkflowBadName, message);
                } else if name.value == END {
                    let message = format!("a step cannot be called `{END}`: the word stands for the end of a workflow");
                    table.reader.report(name.at, Code::WorkflowBadName, message);
                } else if !is_kebab(name.value) {
                    let message =
                        format!("the name of a step must be lower-case words joined by `-`, not `{}`", name.value);
                    table.reader.report(name.at, Code::WorkflowBadName, message);
                }
            }
            names.push(name);
        }
        Self(names.into_iter().map(|name| name.map(|name| name.value)).collect())
    }

    /// The name of the `i`-th step.
    pub fn at(&self, i: usize) -> Option<&'r str> {
        self.0.get(i).copied().flatten()
    }

    /// Where the `i`-th step leads when it does not say.
    pub fn after(&self, i: usize) -> Target {
        self.at(i + 1).map_or(Target::End, |name| Target::Step(name.to_owned()))
    }

    /// Where `word` in the `i`-th step leads.
    pub fn target(&self, reader: &Reader<'_>, i: usize, word: Located<&str>) -> Option<Target> {
        if word.value == END {
            return Some(Target::End);
        }
        let Some(to) = self.0.iter().position(|name| *name == Some(word.value)) else {
            let known = self.0.iter().flatten().copied().chain([END]);
            let message = format!("there is no step `{}`{}", word.value, hint(word.value, known));
            reader.report(word.at, Code::WorkflowUnknownName, message);
            return None;
        };
        if to <= i {
            let from = self.at(i).unwrap_or("this step");
            let message = format!("`{from}` leads back to `{}`: a step may only lead to a later one", word.value);
            reader.report(word.at, Code::WorkflowLeadsBack, message);
            return None;
        }
        Some(Target::Step(word.value.to_owned()))
    }
}

/// Reports the steps to which no path leads. Steps only lead forward, so one pass finds them.
pub(super) fn reachability(reader: &Reader<'_>, tables: &[Table<'_, '_>], steps: &[Step]) {
    let mut reached: Vec<String> = Vec::new();
    for (i, (table, step)) in tables.iter().zip(steps).enumerate() {
        if i > 0 && !reached.contains(&step.name) {
            reader.report(table.at, Code::WorkflowUnreachable, format!("no step leads to `{}`", step.name));
            continue;
        }
        reached.extend(step.targets().into_iter().filter_map(|(_, target)| match target {
            Target::Step(name) => Some(name.clone()),
            Target::End => None,
        }));
    }
}

fn is_kebab(name: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(word)
}
