//! What packages install beside the program, made from its command line: the manual, and the completions of shells.

use std::path::Path;

use super::args::Cli;
use super::exit::{CliError, Exit};
use super::output;
use crate::domain::Code;

/// Writes the pages into a folder, or the page of the program to standard output.
pub(super) fn man(folder: Option<&Path>) -> Result<Exit, CliError> {
    let failed = |error: std::io::Error, what: String| {
        CliError::failed(format!("cannot write {what}: {error}")).code(Code::OutputFailed)
    };
    match folder {
        Some(folder) => clap_mangen::generate_to(Cli::described(), folder)
            .map_err(|error| failed(error, format!("the manual into {}", folder.display())))?,
        None => {
            let mut page = Vec::new();
            let written = clap_mangen::Man::new(Cli::described()).render(&mut page);
            written.map_err(|error| failed(error, "the page".into()))?;
            output::lines(String::from_utf8_lossy(&page).trim_end())?;
        }
    }
    Ok(Exit::Ok)
}

/// Prints the script for a shell.
pub(super) fn completions(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::described(), "crossgrant", &mut script);
    output::lines(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(man(Some(folder.path())).unwrap(), Exit::Ok);
        for page in
            ["crossgrant", "crossgrant-serve", "crossgrant-dead-list", "crossgrant-workflow-lint", "crossgrant-man"]
        {
            let text = std::fs::read_to_string(folder.path().join(format!("{page}.1"))).unwrap();
            assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}: {text}");
            assert!(page == "crossgrant" || text.contains("Examples:"), "{page}: {text}");
        }
        let gone = man(Some(&folder.path().join("none"))).unwrap_err();
        assert!(gone.message.contains("/none: No such file"), "{gone}");
    }
}
