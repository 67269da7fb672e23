//! The commands of the program, one file each. Data goes to standard output, everything else to standard error.

mod accounts;
mod approve;
mod args;
mod broker;
mod client;
mod dead;
mod descriptors;
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
mod put_back;
mod reload;
mod run;
mod serve;
mod signals;
mod simulate;
mod store;
mod submit;
mod text;
mod token;
mod workflow;
mod world;

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use args::WorkerCommand;
pub use args::{Cli, CliCommand};
use client::AdminClient;
pub use exit::{CliError, Exit};

use crate::config::{Config, LogConfig, LogFormat, ProfileFor};
use crate::engine::decide::command::Command;
use crate::engine::ports::crash_points::CrashPoints;
use crate::telemetry::log;

/// Carries out the command. `crash_points` can stop `serve` at chosen points, for tests.
///
/// # Errors
/// The message for people, and the exit code for scripts.
pub async fn execute(cli: Cli, crash_points: Arc<dyn CrashPoints>) -> Result<Exit, CliError> {
    // `serve` logs as its configuration says.
    let _log = match cli.command {
        CliCommand::Serve(_) => None,
        _ => Some(log::start(&LogConfig { format: LogFormat::Text, filter: log_filter(&cli).to_owned() })?),
    };
    let config = || configuration(&cli);
    match &cli.command {
        CliCommand::Serve(args) => {
            let (file, first) = (cli.config.clone(), config()?);
            serve::serve(args, first, Arc::new(move || configuration_of(file.as_ref(), &[])), crash_points).await
        }
        CliCommand::Run(args) => run::run(args, config).await,
        CliCommand::Plan(args) => plan::plan(args, config).await,
        CliCommand::Submit(args) => submit::submit(args, &config()?).await,
        CliCommand::PutBack(args) => put_back::put_back(args, &config()?).await,
        CliCommand::Simulate(args) => simulate::simulate(args).await,
        CliCommand::Worker(command) => ask_worker(command, &config()?).await,
        CliCommand::Doctor(args) => doctor::doctor(args, config).await,
        CliCommand::Explain(args) => explain::explain(args, config),
        CliCommand::Workflow(command) => workflow::workflow(command),
        CliCommand::Completions { shell } => completions(*shell),
    }
}

async fn ask_worker(command: &WorkerCommand, config: &Config) -> Result<Exit, CliError> {
    let worker = AdminClient::of(command.worker(), config)?;
    match command {
        WorkerCommand::Jobs(args) => jobs::jobs(args, &worker).await,
        WorkerCommand::Show(args) => jobs::show(args, &worker).await,
        WorkerCommand::Cancel(args) => jobs::command(args, Command::Cancel, &worker).await,
        WorkerCommand::Resume(args) => jobs::command(args, Command::Resume, &worker).await,
        WorkerCommand::Approve(args) => approve::approve(args, &worker).await,
        WorkerCommand::Pause(args) => pause::pause(args, &worker).await,
        WorkerCommand::Unpause(args) => pause::unpause(args, &worker).await,
        WorkerCommand::Paused(args) => pause::paused(args, &worker).await,
        WorkerCommand::Accounts(args) => accounts::accounts(args, &worker).await,
        WorkerCommand::Reload(args) => accounts::reload(args, &worker).await,
        WorkerCommand::Dead(command) => dead::dead(command, &worker).await,
    }
}

fn log_filter(cli: &Cli) -> &'static str {
    match &cli.command {
        _ if cli.verbose => "info",
        CliCommand::Simulate(_) => "info",
        CliCommand::Doctor(_) => doctor::LOG_FILTER,
        // The answer says which account is refused.
        CliCommand::Plan(_) => "warn,crossgrant::cloud::watch=off",
        _ => "warn",
    }
}

fn configuration(cli: &Cli) -> Result<Config, CliError> {
    configuration_of(cli.config.as_ref(), cli.command.profiles())
}

fn configuration_of(file: Option<&PathBuf>, profiles: &[ProfileFor]) -> Result<Config, CliError> {
    let file = match file {
        Some(file) => Some(file.clone()),
        None => Config::default_file()?,
    };
    let denied = |path: &PathBuf| File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    Config::load_with(file.as_deref(), std::env::vars(), profiles).map_err(|error| {
        let error = CliError::from(error);
        match file.filter(denied) {
            Some(path) => error.hint(&token::as_owner(&path, std::env::args())),
            None => error,
        }
    })
}

fn completions(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "crossgrant", &mut script);
    output::lines(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
