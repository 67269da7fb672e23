//! The program: the command line in, an exit code out.

use std::process::ExitCode;

use clap::Parser;
use crossgrant::cli::{Cli, Failure, execute};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))
        .and_then(|runtime| runtime.block_on(execute(cli)));
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            eprintln!("crossgrant: {failure}");
            failure.exit.into()
        }
    }
}
