//! The program: the command line in, an exit code out.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use crossgrant::cli::{Cli, Exit, Failure, execute};
use crossgrant::domain::Code;
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
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(execute(cli, Arc::new(NoCrashes))));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) if for_programs => {
            eprintln!("{}", serde_json::json!({"code": failure.code, "message": failure.message}));
            failure.exit.into()
        }
        Err(failure) => {
            eprintln!("crossgrant: {failure}");
            failure.exit.into()
        }
    }
}

/// Help and the version are asked for; anything else is a command line that cannot be used.
fn not_parsed(error: &clap::Error) -> ExitCode {
    // Where nobody listens there is nobody to tell.
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Ok.into();
    }
    eprintln!("[{}]", Code::CommandLine);
    Exit::Usage.into()
}
