//! The command line: each command is one file. Data goes to standard output, everything else to standard error.

mod approve;
mod args;
mod client;
mod dead;
mod doctor;
mod engine;
mod exit;
mod explain;
mod follow;
mod input;
mod jobs;
mod loops;
mod output;
mod pause;
mod plan;
mod progress;
mod run;
mod serve;
mod signals;
mod simulate;
mod store;
mod submit;
mod workflow;
mod world;

use std::sync::Arc;

pub use args::{Cli, Command};
use args::{DeadCommand, DeadListArgs, DeadReplayArgs};
pub use exit::{Exit, Failure};

use crate::config::{Config, LogConfig, LogFormat};
use crate::domain::Code;
use crate::engine::decide::command;
use crate::engine::ports::crash_points::CrashPoints;
use crate::telemetry::log;

/// Does what the command line asks for. A worker is cut where `faults` says.
///
/// # Errors
/// What to tell the person who asked, and the exit code that tells scripts.
pub async fn execute(cli: Cli, crash_points: Arc<dyn CrashPoints>) -> Result<Exit, Failure> {
    let quiet = if cli.verbose { "info" } else { "warn" };
    let log = |filter: &str| start_log(&LogConfig { format: LogFormat::Text, filter: filter.to_owned() });
    let config = || configuration(&cli);
    match &cli.command {
        Command::Serve => {
            let config = config()?;
            start_log(&config.log)?;
            serve::serve(config, crash_points).await
        }
        Command::Simulate(args) => {
            log("info")?;
            simulate::simulate(args).await
        }
        Command::Run(args) => {
            log(quiet)?;
            run::run(args, config).await
        }
        Command::Plan(args) => {
            log(quiet)?;
            plan::plan(args, config).await
        }
        Command::Submit(args) => {
            log(quiet)?;
            submit::submit(args, &config()?).await
        }
        Command::Jobs(args) => {
            log(quiet)?;
            jobs::jobs(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Show(args) => {
            log(quiet)?;
            jobs::show(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Cancel(args) => {
            log(quiet)?;
            jobs::tell(args, command::Command::Cancel, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Resume(args) => {
            log(quiet)?;
            jobs::tell(args, command::Command::Resume, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Approve(args) => {
            log(quiet)?;
            approve::approve(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Pause(args) => {
            log(quiet)?;
            pause::pause(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Unpause(args) => {
            log(quiet)?;
            pause::unpause(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Paused(args) => {
            log(quiet)?;
            pause::paused(args, &jobs::worker(&args.worker, &config()?)?).await
        }
        Command::Dead(command) => {
            log(quiet)?;
            let (DeadCommand::List(DeadListArgs { worker, .. }) | DeadCommand::Replay(DeadReplayArgs { worker, .. })) =
                command;
            dead::dead(command, &jobs::worker(worker, &config()?)?).await
        }
        Command::Doctor(args) => {
            log(if cli.verbose { quiet } else { doctor::LOG })?;
            doctor::doctor(args, config).await
        }
        Command::Explain(args) => {
            log(quiet)?;
            explain::explain(args, config)
        }
        Command::Workflow(command) => {
            log(quiet)?;
            workflow::workflow(command)
        }
        Command::Completions { shell } => completions(*shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "crossgrant", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}

fn configuration(cli: &Cli) -> Result<Config, Failure> {
    let file = cli.config.clone().or_else(Config::default_file);
    Ok(Config::load_with(file.as_deref(), std::env::vars(), cli.command.profiles())?)
}

fn start_log(config: &LogConfig) -> Result<(), Failure> {
    log::start(config).map_err(|error| Failure::usage(error).code(Code::ConfigBadValue))
}
