//! What packages install beside the program, made from its command line: the manual, and the completions of shells.

use std::io;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

use super::args::Cli;
use super::exit::{CliError, Exit};
use super::output;
use crate::domain::Code;

/// Writes the pages into a folder, which is made if it is not there, or the page of the program to standard output.
pub(super) fn man(folder: Option<&Path>) -> Result<Exit, CliError> {
    let failed = |error: io::Error, what: String| {
        CliError::failed(format!("cannot write {what}: {error}")).code(Code::OutputFailed)
    };
    match folder {
        Some(folder) => {
            let mut all = Cli::described().disable_help_subcommand(true);
            // Only then a subcommand knows its whole name.
            all.build();
            std::fs::create_dir_all(folder)
                .and_then(|()| write_pages(&all, folder))
                .map_err(|error| failed(error, format!("the manual into {}", folder.display())))?;
        }
        None => {
            let (_, page) = page(Cli::described()).map_err(|error| failed(error, "the page".into()))?;
            output::lines(page.trim_end())?;
        }
    }
    Ok(Exit::Ok)
}

/// Writes the page of a command, and those of its subcommands.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    let shown = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    for subcommand in shown {
        write_pages(subcommand, folder)?;
    }
    let (name, page) = page(command.clone())?;
    std::fs::write(folder.join(name), page)
}

/// The page of a command, with the name of its file. Its head names program, version and manual; the library leaves an empty date
/// out, so that what follows takes its place.
fn page(command: Command) -> io::Result<(String, String)> {
    let man = Man::new(command);
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = String::from_utf8_lossy(&page);
    let name = man.get_filename();
    let title = name.trim_end_matches(".1");
    let head = format!(".TH {title} 1 \"\" \"crossgrant {}\" \"Crossgrant\"", env!("CARGO_PKG_VERSION"));
    let lines = page.lines().map(|line| if line.starts_with(".TH ") { head.as_str() } else { line });
    let text = lines.flat_map(|line| [line, "\n"]).collect();
    Ok((name, text))
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
            let head = format!(".TH {page} 1 \"\" \"crossgrant {}\" \"Crossgrant\"\n", env!("CARGO_PKG_VERSION"));
            assert!(text.contains(&head), "{page}: {text}");
            assert!(page == "crossgrant" || text.contains("Examples:"), "{page}: {text}");
        }
        let taken = man(Some(&pages.join("crossgrant.1"))).unwrap_err();
        assert!(taken.message.contains("/crossgrant.1: "), "{taken}");
    }
}
