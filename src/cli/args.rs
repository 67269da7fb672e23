//! The command line.

mod about;
mod local;
#[cfg(test)]
mod tests;
mod values;
mod worker;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(super) use about::{DoctorArgs, ExplainArgs, WorkflowCommand};
pub(super) use local::{PlanArgs, PutBackArgs, RunArgs, ServeArgs, SimulateArgs, SubmitArgs};
pub(super) use worker::{
    AccountsArgs, ApproveArgs, DeadChoiceArgs, DeadCommand, DeadListArgs, JobArgs, JobsArgs, PauseArgs, PausedArgs,
    ReloadArgs, ShowArgs, UnpauseArgs, WorkerArgs, WorkerCommand,
};

use crate::config::ProfileFor;

const EXIT_CODES: &str = "\
Exit codes:
  0  everything was done
  1  not everything was done: a job did not complete, a command was declined, the store or a part of the worker failed
  2  the command line, the configuration or an input cannot be used
  3  the worker or the broker cannot be reached

Data goes to standard output, everything else to standard error. An error ends with a code in brackets, such as
[config-unknown-key]; `crossgrant explain config-unknown-key` tells what it means. With --json an error is an object
with `code` and `message`.";

/// Durable jobs for Alibaba Cloud CEN: grant network instances to another account's CEN, revoke the grant, change who pays.
#[derive(Debug, Parser)]
#[command(name = "crossgrant", version, after_help = EXIT_CODES, subcommand_required = true)]
pub struct Cli {
    /// Configuration file [default: /etc/crossgrant/crossgrant.toml, else ./crossgrant.toml if it is your own].
    #[arg(long, global = true, display_order = 901, env = "CROSSGRANT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log at level info, not only warnings. `serve` and `simulate` ignore it.
    #[arg(long, short, global = true, display_order = 902)]
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
    /// Carry out jobs without a broker. Their events go to standard output, one JSON object per line.
    Run(RunArgs),
    /// Show what jobs would do. Reads the cloud, writes nothing and keeps nothing.
    Plan(PlanArgs),
    /// Publish jobs to the broker.
    Submit(SubmitArgs),
    /// Put messages back that the broker gave up before a worker had accepted them: they expired, or were delivered too often.
    PutBack(PutBackArgs),
    /// Run a simulated cloud.
    Simulate(SimulateArgs),
    /// The commands that ask a running worker.
    #[command(flatten)]
    Worker(WorkerCommand),
    /// Check the store, the broker, the credentials, the permissions and the clock, and tell how to fix what is wrong. The
    /// broker and the cloud are only read.
    Doctor(DoctorArgs),
    /// Explain a reason or an error code, and what to do about it.
    Explain(ExplainArgs),
    /// Show the workflows, or check a workflow file.
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell that will load the script.
        shell: clap_complete::Shell,
    },
}

impl CliCommand {
    /// The profiles to use instead of configured credentials.
    pub fn profiles(&self) -> &[ProfileFor] {
        match self {
            Self::Run(args) => &args.cloud.profiles.list,
            Self::Plan(args) => &args.cloud.profiles.list,
            Self::Doctor(args) => &args.profiles.list,
            _ => &[],
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Plan(args) => args.json,
            Self::Worker(command) => command.is_for_programs(),
            Self::Doctor(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Workflow(WorkflowCommand::List { json }) => *json,
            _ => false,
        }
    }
}
