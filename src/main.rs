//! The program: reads the command line, runs the command, returns its exit code.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use crossgrant::cli::{Cli, CliError, Exit, execute};
use crossgrant::domain::{Code, visible_lines};
use crossgrant::engine::ports::crash_points::NoCrashes;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
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
    // Where standard error is closed, no error can be shown.
    let _ = error.print();
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
