//! `workflow`: the definitions of this program, and a check of others.

use serde_json::json;

use super::args::WorkflowCommand;
use super::engine::catalog;
use super::exit::{Exit, Failure};
use super::output;
use crate::actions;
use crate::domain::{Code, Kind};
use crate::workflow::{Definition, Overrides, nearest};

/// Lists, shows or checks.
pub(super) fn workflow(command: &WorkflowCommand) -> Result<Exit, Failure> {
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
        WorkflowCommand::Show { kind } => {
            let kinds = Kind::ALL.map(Kind::as_str);
            let hint = || nearest(kind, kinds).map(|kind| format!("; did you mean {kind}?")).unwrap_or_default();
            let kind = Kind::parse(kind).ok_or_else(|| {
                Failure::usage(format!("there is no kind \"{kind}\"{} ({})", hint(), kinds.join(", ")))
                    .code(Code::UnknownWord)
            })?;
            output::line(catalog.definition(kind).source().trim_end())?;
        }
        WorkflowCommand::Lint { file } => {
            let name = file.display().to_string();
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")).code(Code::FileUnreadable))?;
            let verbs = actions::registry().specs();
            let definition = Definition::parse(&name, &text, &verbs, &catalog.policies).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                let message = format!("{name} cannot be used:\n{}", lines.join("\n"));
                Failure::failed(message).code(Code::WorkflowUnusable)
            })?;
            output::line(&format!("{name}: fine; {} with digest {}", definition.kind, definition.digest()))?;
        }
    }
    Ok(Exit::Ok)
}
