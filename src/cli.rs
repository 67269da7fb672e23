//! The commands of the program, one file each. Data goes to standard output, everything else to standard error.

mod accounts;
mod address;
mod args;
mod backup;
mod batch;
mod broker;
mod client;
mod colour;
mod command;
mod dead;
mod dead_show;
mod dead_text;
mod descriptors;
mod doctor;
mod engine;
mod event_line;
mod events;
mod events_list;
mod exit;
mod explain;
mod follow;
#[cfg(test)]
mod golden;
mod health;
mod import;
mod input;
mod inquiry;
mod job_table;
mod jobs;
mod loops;
mod manual;
mod marked;
mod moments;
mod output;
mod pause;
mod plan;
pub mod planned;
mod progress;
mod put_back;
mod reload;
mod run;
mod schema;
mod screen;
mod serve;
mod service_manager;
mod shell;
mod signals;
mod simulate;
mod status;
mod store;
mod submit;
mod submit_batch;
mod telling;
mod terminal;
mod text;
mod token;
mod version;
mod wait;
mod workflow;
mod world;

use std::ffi::OsString;
use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

pub use args::{Cli, CliCommand};
use args::{EventsCommand, WorkerCommand};
pub(crate) use batch::{counts, state as batch_state};
use client::AdminClient;
pub(crate) use dead_text::{faults, undelivered_line};
pub use exit::{CliError, Exit};
pub(crate) use explain::{WordPage, is_word, word_pages};
pub(crate) use job_table::why;
pub(crate) use marked::marked;
pub(crate) use moments::Moments;
pub(crate) use status::bytes;
pub(crate) use text::{image, in_force, written};

use crate::clock::SystemClock;
use crate::config::{Config, ConfigFor, LogConfig, LogFormat, ProfileFor};
use crate::domain::Code;
use crate::engine::decide::command::Command;
use crate::engine::ports::crash_points::CrashPoints;
use crate::telemetry::log;

/// What is said where there is no configuration at all.
const NO_CONFIGURATION: &str = "there is no configuration: neither /etc/crossgrant/crossgrant.toml nor ./crossgrant.toml \
                                exists, and neither --config nor CROSSGRANT_CONFIG names a file; deploy/crossgrant.toml is \
                                a sample";

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
            let (file, first) = (cli.named_config(), config()?);
            serve::serve(
                args,
                first,
                Arc::new(move || configuration_of(ConfigFor::Everything, file.clone(), &[])),
                crash_points,
            )
            .await
        }
        CliCommand::Run(args) => run::run(args, config).await,
        CliCommand::Plan(args) => plan::plan(args, config).await,
        CliCommand::Submit(args) => match &args.batch {
            Some(id) => submit_batch::submit(args, id, &config()?).await,
            None => submit::submit(args, &config()?).await,
        },
        CliCommand::PutBack(args) => put_back::put_back(args, &config()?).await,
        CliCommand::Backup(args) => backup::backup(args, &config()?),
        CliCommand::Restore(args) => backup::restore(args, &config()?).await,
        CliCommand::Simulate(args) => simulate::simulate(args).await,
        CliCommand::Worker(command) => ask_worker(command, &config()?).await,
        CliCommand::Import(command) => import::import(command, config).await,
        CliCommand::Doctor(args) => doctor::doctor(args, config).await,
        CliCommand::Health(args) => health::health(args, config).await,
        CliCommand::Explain(args) => explain::explain(args, config),
        CliCommand::Schema { name } => schema::schema(name.as_deref()),
        CliCommand::Workflow(command) => workflow::workflow(command),
        CliCommand::Completions { shell } => manual::completions(*shell),
        CliCommand::Man { folder } => manual::man(folder.as_deref()),
        CliCommand::Version { json } => version::version(*json),
    }
}

async fn ask_worker(command: &WorkerCommand, config: &Config) -> Result<Exit, CliError> {
    let worker = AdminClient::of(command.worker(), config)?;
    match command {
        WorkerCommand::Status(args) => status::status(args, &worker).await,
        WorkerCommand::Wait(args) => wait::wait(args, &worker).await,
        WorkerCommand::Jobs(args) => jobs::jobs(args, &worker).await,
        WorkerCommand::Show(args) => jobs::show(args, &worker).await,
        WorkerCommand::Cancel(args) => command::command(args, Command::Cancel, &worker).await,
        WorkerCommand::Resume(args) => command::command(args, Command::Resume, &worker).await,
        WorkerCommand::Release(args) => command::release(args, &worker).await,
        WorkerCommand::Approve(args) => command::command(args, Command::Approve, &worker).await,
        WorkerCommand::Batch(command) => batch::batch(command, &worker).await,
        WorkerCommand::Pause(args) => pause::pause(args, &worker).await,
        WorkerCommand::Unpause(args) => pause::unpause(args, &worker).await,
        WorkerCommand::Paused(args) => pause::paused(args, &worker).await,
        WorkerCommand::Accounts(args) => accounts::accounts(args, &worker).await,
        WorkerCommand::Reload(args) => accounts::reload(args, &worker).await,
        WorkerCommand::Dead(command) => dead::dead(command, &worker).await,
        WorkerCommand::Events(EventsCommand::List(args)) => {
            let again = || AdminClient::of(&args.worker, config);
            events_list::list(args, worker, again, &SystemClock).await
        }
        WorkerCommand::Events(EventsCommand::Replay(args)) => events::replay(args, &worker).await,
    }
}

fn log_filter(cli: &Cli) -> &'static str {
    match &cli.command {
        _ if cli.verbose => "info",
        CliCommand::Simulate(_) => "info",
        CliCommand::Doctor(_) => doctor::LOG_FILTER,
        // The answer says which account is refused.
        CliCommand::Plan(_) | CliCommand::Import(_) => "warn,crossgrant::cloud::watch=off",
        _ => "warn",
    }
}

fn configuration(cli: &Cli) -> Result<Config, CliError> {
    let file = cli.named_config();
    let set = |name: OsString| {
        name.to_str().is_some_and(|name| name.starts_with("CROSSGRANT_") && name != "CROSSGRANT_CONFIG")
    };
    let none = file.is_none() && Config::default_file()?.is_none() && !std::env::vars_os().any(|(name, _)| set(name));
    let config = configuration_of(purpose(&cli.command), file, cli.command.profiles())?;
    let needs_accounts =
        matches!(cli.command, CliCommand::Serve(_) | CliCommand::Run(_) | CliCommand::Plan(_) | CliCommand::Doctor(_));
    if none && needs_accounts && config.accounts.is_empty() {
        return Err(CliError::usage(NO_CONFIGURATION).code(Code::ConfigNoAccount));
    }
    Ok(config)
}

/// What a command reads the configuration for.
fn purpose(command: &CliCommand) -> ConfigFor {
    match command {
        CliCommand::Worker(_) | CliCommand::Health(_) | CliCommand::Explain(_) => ConfigFor::Worker,
        CliCommand::Submit(_) | CliCommand::PutBack(_) | CliCommand::Backup(_) | CliCommand::Restore(_) => {
            ConfigFor::Broker
        }
        _ => ConfigFor::Everything,
    }
}

fn configuration_of(purpose: ConfigFor, file: Option<PathBuf>, profiles: &[ProfileFor]) -> Result<Config, CliError> {
    let file = match file {
        Some(file) => Some(file),
        None => Config::default_file()?,
    };
    let denied = |path: &PathBuf| File::open(path).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied);
    Config::load_for(purpose, file.as_deref(), std::env::vars(), profiles).map_err(|error| {
        let error = CliError::from(error);
        match file.filter(denied) {
            Some(path) => error.hint(&token::as_owner(&path, std::env::args())),
            None => error,
        }
    })
}
