//! Programs that a person starts, on the parts that tests share: `make demo`, `make bench`, `make bench-peers` and
//! `make chaos` build and run them. One binary, so that these parts are compiled and linked once.

mod bench;
mod chaos;
mod demo;
mod peer_work;
#[expect(dead_code, reason = "the programs need only a part of what the tests share")]
mod support {
    pub mod clock_set;
    pub mod cloud;
    pub mod dice;
    pub mod postgres;
    pub mod process;
    pub mod rabbit;
    pub mod web;
}

use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().unwrap_or_default();
    match run(&program, arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{program}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(program: &str, arguments: impl Iterator<Item = String>) -> Result<()> {
    match program {
        "demo" => unless_interrupted(demo::run()).await,
        "bench" => unless_interrupted(bench::measure(arguments)).await,
        "chaos" => unless_interrupted(chaos::run(arguments)).await,
        "peer-work" => peer_work::run(arguments).await,
        _ => bail!("the programs are demo, bench, chaos and peer-work"),
    }
}

/// The program is dropped on Ctrl-C, with every process that it has started.
async fn unless_interrupted(program: impl Future<Output = Result<()>>) -> Result<()> {
    tokio::select! {
        // The signal first, so that it is listened to before anything is started.
        biased;
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
        ended = program => ended,
    }
}
