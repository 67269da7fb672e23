//! `workflow`: shows the definitions of this program, and checks other files.

use serde_json::json;

use super::args::WorkflowCommand;
use super::engine::catalog;
use super::exit::{CliError, Exit};
use super::output;
use crate::actions;
use crate::domain::{Code, Kind, did_you_mean};
use crate::workflow::{Definition, Overrides, Target, Work};

/// Carries out `workflow list`, `show`, `graph` or `lint`.
pub(super) fn workflow(command: &WorkflowCommand) -> Result<Exit, CliError> {
    let catalog = catalog(&Overrides::default())?;
    match command {
        WorkflowCommand::List { json } => {
            for (kind, definition) in &catalog.definitions {
                let (digest, summary) = (definition.digest(), &definition.summary);
                let line = match json {
                    true => json!({"kind": kind, "digest": digest, "summary": summary}).to_string(),
                    false => format!("{:<13} {}  {summary}", kind.as_str(), digest.get(..12).unwrap_or(digest)),
                };
                output::line(&line)?;
            }
        }
        WorkflowCommand::Show { kind } => output::lines(catalog.definition(known(kind)?).source().trim_end())?,
        WorkflowCommand::Graph { kind } => output::lines(&graph(catalog.definition(known(kind)?)))?,
        WorkflowCommand::Lint { file } => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|error| CliError::usage(format!("cannot read {name}: {error}")).code(Code::FileUnreadable))?;
            let verbs = actions::registry().specs();
            let definition = Definition::parse(&name, &text, &verbs, &catalog.policies).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let message = format!("{name} cannot be used:\n{}", lines.join("\n"));
                CliError::failed(message).code(Code::WorkflowUnusable)
            })?;
            output::line(&format!("{name} is valid: {}, digest {}", definition.kind, definition.digest()))?;
        }
    }
    Ok(Exit::Ok)
}

/// Parses the name of a kind.
fn known(kind: &str) -> Result<Kind, CliError> {
    let kinds = Kind::ALL.map(Kind::as_str);
    Kind::parse(kind).ok_or_else(|| {
        let message = format!("there is no kind \"{kind}\"{} ({})", did_you_mean(kind, kinds, ""), kinds.join(", "));
        CliError::usage(message).code(Code::UnknownWord)
    })
}

/// A Graphviz graph. A box is a step, with the account it acts in and the step that undoes it; an arrow is an outcome.
/// Names of steps and outcomes are lower-case words joined by `-`, so they need no escaping.
fn graph(definition: &Definition) -> String {
    let mut lines = vec![format!("digraph \"{}\" {{", definition.kind), "  node [shape=box];".to_owned()];
    for step in &definition.steps {
        let does = match &step.work {
            Work::Call(call) => {
                let undo = call.undo.as_ref().map(|undo| format!("\\nundone by {undo}")).unwrap_or_default();
                format!("{} as {}{undo}", call.verb, call.acts_as)
            }
            Work::Wait { .. } => "waits for the hour".to_owned(),
        };
        lines.push(format!("  \"{0}\" [label=\"{0}\\n{does}\"];", step.name));
        for (outcome, target) in step.targets() {
            let to = match target {
                Target::Step(name) => name.as_str(),
                Target::End => "end",
            };
            lines.push(format!("  \"{}\" -> \"{to}\" [label=\"{outcome}\"];", step.name));
        }
    }
    lines.extend(["  \"end\" [shape=oval];".to_owned(), "}".to_owned()]);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_has_every_step_and_every_way_between_them() {
        let catalog = catalog(&Overrides::default()).unwrap();
        for (kind, definition) in &catalog.definitions {
            let graph = graph(definition);
            let arrows = definition.steps.iter().map(|step| step.targets().len()).sum::<usize>();
            assert_eq!(graph.matches(" -> ").count(), arrows, "{kind}");
            assert_eq!(graph.matches("  \"").count(), arrows + definition.steps.len() + 1, "{kind}");
        }
        let change = graph(catalog.definition(Kind::PayerChange));
        for line in [
            r#"  "survey" -> "revoke" [label="unattached"];"#,
            r#"  "modify-grant" [label="modify-grant\nmodify-grant as resource\nundone by modify-grant"];"#,
            r#"  "survey" -> "end" [label="satisfied"];"#,
        ] {
            assert!(change.contains(line), "{line} is not in\n{change}");
        }
        assert!(known("payer_change").unwrap_err().message.contains("did you mean payer-change?"));
    }
}
