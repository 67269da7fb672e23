//! What packages install beside the program, made from its command line: the manual, and the completions of shells.

use std::path::Path;

use super::args::Cli;
use super::exit::{CliError, Exit};
use super::output;
use crate::domain::Code;

/// Writes the pages into a folder, which is made if it is not there, or the page of the program to standard output.
pub(super) fn man(folder: Option<&Path>) -> Result<Exit, CliError> {
    let failed = |error: std::io::Error, what: String| {
        CliError::failed(format!("cannot write {what}: {error}")).code(Code::OutputFailed)
    };
    match folder {
        Some(folder) => std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Cli::described(), folder))
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
        let pages = folder.path().join("share/man1");
        assert_eq!(man(Some(&pages)).unwrap(), Exit::Ok);
        for page in
            ["crossgrant", "crossgrant-serve", "crossgrant-dead-list", "crossgrant-workflow-lint", "crossgrant-man"]
        {
            let text = std::fs::read_to_string(pages.join(format!("{page}.1"))).unwrap();
            assert!(text.starts_with(".ie") || text.contains(".TH"), "{page}: {text}");
            assert!(page == "crossgrant" || text.contains("Examples:"), "{page}: {text}");
        }
        let taken = man(Some(&pages.join("crossgrant.1"))).unwrap_err();
        assert!(taken.message.contains("/crossgrant.1: "), "{taken}");
    }
}
