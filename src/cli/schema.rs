//! `schema`: the contract for programs, printed.

use super::exit::{CliError, Exit};
use super::output;
use crate::domain::{Code, did_you_mean};
use crate::schema::{document, documents};

/// Prints the document of a name; without one, the names.
pub(super) fn schema(name: Option<&str>) -> Result<Exit, CliError> {
    let Some(name) = name else {
        let width = documents().iter().map(|document| document.name.len()).max().unwrap_or_default();
        for document in documents() {
            output::line(&format!("{:width$}  {}", document.name, document.says))?;
        }
        return Ok(Exit::Ok);
    };
    let Some(document) = document(name) else {
        let known = documents();
        let hint = did_you_mean(name, known.iter().map(|document| document.name.as_str()), "");
        let message = format!("there is no schema {name}{hint}; `crossgrant schema` lists them");
        return Err(CliError::usage(message).code(Code::UnknownWord));
    };
    output::lines(&format!("{document:#}"))?;
    Ok(Exit::Ok)
}
