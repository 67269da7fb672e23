//! The command line.

mod about;
mod dead;
mod examples;
mod import;
mod local;
mod shared;
#[cfg(test)]
mod tests;
mod values;
mod worker;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

pub(super) use about::{DoctorArgs, ExplainArgs, HealthArgs, WorkflowCommand};
pub(super) use dead::{
    DeadCommand, DeadDropArgs, DeadFilterArgs, DeadListArgs, DeadReplayArgs, DeadShowArgs, EventsCommand,
    EventsListArgs, EventsReplayArgs,
};
pub(super) use import::{ImportCommand, ImportTerraformArgs};
pub(super) use local::{BackupArgs, PlanArgs, PutBackArgs, RestoreArgs, RunArgs, ServeArgs, SimulateArgs, SubmitArgs};
pub(super) use shared::{MandateArgs, WorkerArgs};
pub(super) use worker::{
    AccountsArgs, BatchCommand, BatchListArgs, BatchShowArgs, CommandArgs, DEFAULT_LIMIT, JobsArgs, PauseArgs,
    PausedArgs, ReleaseArgs, ReloadArgs, ShowArgs, StatusArgs, UnpauseArgs, WaitArgs, WorkerCommand,
};

use crate::config::ProfileFor;

const EXIT_CODES: &str = "\
Exit codes:
  0    everything was done
  1    not everything was done: a job did not complete, a command was declined,
       the store or a part of the worker failed
  2    the command line, the configuration or an input cannot be used
  3    the worker or the broker cannot be reached
  141  what reads standard output has gone, as `head` does

Data goes to standard output, everything else to standard error. An error ends with a code in brackets, such as \
[config-unknown-key]; `crossgrant explain config-unknown-key` tells what it means. With --json an error is an object with \
`code` and `message`.";

/// The heading above the options that every command has.
const GLOBAL: &str = "Global options";

/// Durable jobs for Alibaba Cloud CEN: grant network instances to another account's CEN, revoke the grant, change who pays.
#[derive(Debug, Parser)]
#[command(name = "crossgrant", version, after_help = EXIT_CODES, subcommand_required = true)]
pub struct Cli {
    /// Configuration file [default: CROSSGRANT_CONFIG, else /etc/crossgrant/crossgrant.toml, else ./crossgrant.toml if it is
    /// your own].
    #[arg(long, global = true, help_heading = GLOBAL, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log at level info, not only warnings. `serve` and `simulate` ignore it.
    #[arg(long, short, global = true, help_heading = GLOBAL)]
    pub verbose: bool,
    /// The command to carry out.
    #[command(subcommand)]
    pub command: CliCommand,
}

/// The commands, in the order of `--help`.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Run the worker: take jobs from the broker and carry them out, until told to stop.
    Serve(ServeArgs),
    /// Carry out jobs without a broker. Their events go to standard output: one JSON object per line, on a terminal text.
    Run(RunArgs),
    /// Show what jobs would do. Reads the cloud, writes nothing and keeps nothing.
    Plan(PlanArgs),
    /// Publish jobs to the broker.
    Submit(SubmitArgs),
    /// Put messages back that the broker gave up before a worker had accepted them: they expired, or were delivered too often.
    PutBack(PutBackArgs),
    /// Copy the store's file into a new file. A worker may use the store meanwhile.
    Backup(BackupArgs),
    /// Put the store back from a backup. Its jobs look first, and park before they write; `resume` lets a job go on.
    Restore(RestoreArgs),
    /// Run a simulated cloud.
    #[command(long_about = local::simulate())]
    Simulate(SimulateArgs),
    /// The commands that ask a running worker.
    #[command(flatten)]
    Worker(Box<WorkerCommand>),
    /// List what another tool owns of that which a worker would own. Changes nothing.
    #[command(subcommand)]
    Import(ImportCommand),
    /// Check the store, the broker, the credentials, the permissions and the clock, and tell how to fix what is wrong. The
    /// broker and the cloud are only read.
    Doctor(DoctorArgs),
    /// Ask the worker whether it is ready. Exits with 0 if it is, and with 1 if it is not or cannot be asked.
    Health(HealthArgs),
    /// Explain a reason or an error code, and what to do about it.
    Explain(ExplainArgs),
    /// Print the contract for programs: a JSON Schema of jobs, events and answers, or AsyncAPI, or OpenAPI.
    Schema {
        /// The name of a schema, such as job, event.completed, asyncapi or openapi. Without one, list them.
        name: Option<String>,
    },
    /// Show the workflows, or check a workflow file.
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell that will load the script.
        shell: clap_complete::Shell,
    },
    /// Write the manual: a page for the program, and one for each command.
    Man {
        /// The folder to write the pages into. Without one, the page of the program goes to standard output.
        folder: Option<PathBuf>,
    },
    /// Print the version of this program and of what it stores.
    Version {
        /// Print one JSON object.
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// Parses a command line.
    ///
    /// # Errors
    /// What is wrong with it, or the help or the version that it asks for.
    pub fn read(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let mut command = Self::described();
        let found = command.try_get_matches_from_mut(words)?;
        Self::from_arg_matches(&found).map_err(|error| error.format(&mut command))
    }

    /// The command line with its examples.
    pub(super) fn described() -> Command {
        examples::added(Self::command())
    }

    /// The configuration file that is named, on the command line or in the environment.
    pub(super) fn named_config(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os("CROSSGRANT_CONFIG").filter(|file| !file.is_empty());
        self.config.clone().or_else(|| variable().map(PathBuf::from))
    }
}

impl CliCommand {
    /// The profiles to use instead of configured credentials.
    pub fn profiles(&self) -> &[ProfileFor] {
        match self {
            Self::Run(args) => &args.cloud.profiles.list,
            Self::Plan(args) => &args.cloud.profiles.list,
            Self::Import(ImportCommand::Terraform(args)) => &args.cloud.profiles.list,
            Self::Doctor(args) => &args.profiles.list,
            _ => &[],
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Plan(args) => args.json,
            Self::Submit(args) => args.json,
            Self::Worker(command) => command.is_for_programs(),
            Self::Import(ImportCommand::Terraform(args)) => args.json,
            Self::Doctor(args) => args.json,
            Self::Health(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Workflow(WorkflowCommand::List { json }) | Self::Version { json } => *json,
            _ => false,
        }
    }
}
