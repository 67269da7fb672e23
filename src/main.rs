//! The program: reads the command line, runs the command, returns its exit code.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use crossgrant::cli::{Cli, CliError, Exit, execute};
use crossgrant::domain::{Code, visible_lines, without_secrets};
use crossgrant::engine::ports::crash_points::NoCrashes;

fn main() -> ExitCode {
    let cli = match Cli::read(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return not_parsed(&error),
    };
    let for_programs = cli.command.is_for_programs();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(execute(cli, Arc::new(NoCrashes))));
    match ended {
        Ok(exit) => exit.into(),
        Err(CliError { exit: Exit::ReaderGone, .. }) => Exit::ReaderGone.into(),
        Err(error) if for_programs => {
            complain(&serde_json::json!({"code": error.code, "message": error.message}).to_string());
            error.exit.into()
        }
        Err(error) => {
            complain(&format!("crossgrant: {error}"));
            error.exit.into()
        }
    }
}

/// Prints help, the version, or what is wrong with the command line.
fn not_parsed(error: &clap::Error) -> ExitCode {
    match with_secrets(std::env::args(), &error.to_string()) {
        // Where standard error is closed, no error can be shown.
        None => drop(error.print()),
        Some(shown) => complain(shown.trim_end()),
    }
    if !error.use_stderr() {
        return Exit::Ok.into();
    }
    complain(&format!("[{}]", Code::CommandLine));
    Exit::Usage.into()
}

/// Writes to standard error. Where it is closed or full, nothing can be said; the exit code still tells.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", visible_lines(text));
}

/// The error as it can be shown if it repeats a URL of the command line that has a password.
fn with_secrets(words: impl Iterator<Item = String>, error: &str) -> Option<String> {
    let secret =
        words.map(|word| (without_secrets(&word), word)).filter(|(shown, word)| word.contains("://") && shown != word);
    let shown = secret.fold(error.to_owned(), |text, (shown, word)| text.replace(&word, &shown));
    (shown != error).then_some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_of_the_command_line_is_not_repeated() {
        for line in ["crossgrant jobs http://ann:s3cr3t@host", "crossgrant jobs --limit http://ann:s3cr3t@host"] {
            let words = || line.split(' ').map(str::to_owned);
            let error = Cli::read(words()).unwrap_err().to_string();
            assert!(error.contains("s3cr3t"), "otherwise there is nothing to hide: {error}");
            let shown = with_secrets(words(), &error).unwrap();
            assert!(shown.contains("http://***@host") && !shown.contains("s3cr3t"), "{shown}");
        }
        assert_eq!(with_secrets(["crossgrant".to_owned(), "jbos".to_owned()].into_iter(), "jbos"), None);
    }
}
