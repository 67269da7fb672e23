//! Commands that ask a running worker over its admin API.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::dead::{DeadCommand, EventsCommand};
use super::shared::{MandateArgs, WorkerArgs};
use crate::domain::parse_duration;

/// A command for a running worker.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// Show what needs a person, with the command for it, and what goes on by itself. Exits 1 if something needs a person.
    Status(StatusArgs),
    /// List the jobs of a running worker, newest first.
    Jobs(JobsArgs),
    /// Show one job: why it is in its state, what happens next, and what was written.
    Show(ShowArgs),
    /// Wait until a job has ended or needs a person; or until no job matches the filters: without --state, --for, --half-done and --held, until none of the jobs is queued,
    /// running or waiting. Jobs that no worker has accepted yet do not count.
    Wait(WaitArgs),
    /// Cancel jobs. If nothing was written, a job ends at once. If one side was written, that is undone. If both were, the
    /// command is declined.
    Cancel(CommandArgs),
    /// Let parked jobs go on from where they stopped.
    Resume(CommandArgs),
    /// Let the other jobs on the instance of a half-done job go on, and leave what it wrote as it is. See in both accounts first
    /// how the instance stands.
    Release(ReleaseArgs),
    /// Approve jobs that an hourly limit has parked, so that they begin.
    Approve(CommandArgs),
    /// List batches of jobs, or show one.
    #[command(subcommand)]
    Batch(BatchCommand),
    /// Pause an account: none of its jobs begins until it is unpaused. Jobs that have begun go on.
    Pause(PauseArgs),
    /// End the pause of an account: its jobs begin again.
    Unpause(UnpauseArgs),
    /// List the paused accounts.
    Paused(PausedArgs),
    /// List the accounts of a running worker: whether the cloud takes their keys, when these end, and their budget.
    Accounts(AccountsArgs),
    /// Let a running worker read its configuration again: secrets, allow-rules, limits, tokens and the log filter.
    Reload(ReloadArgs),
    /// Rejected jobs and undelivered messages: list them, show one, send undelivered messages again, or drop them.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Events that are kept with their jobs.
    #[command(subcommand)]
    Events(EventsCommand),
}

impl WorkerCommand {
    /// Where to find the worker.
    pub fn worker(&self) -> &WorkerArgs {
        match self {
            Self::Status(args) => &args.worker,
            Self::Wait(args) => &args.worker,
            Self::Jobs(args) => &args.worker,
            Self::Show(args) => &args.worker,
            Self::Cancel(args) | Self::Resume(args) | Self::Approve(args) => &args.worker,
            Self::Release(args) => &args.worker,
            Self::Batch(BatchCommand::List(args)) => &args.worker,
            Self::Batch(BatchCommand::Show(args)) => &args.worker,
            Self::Pause(args) => &args.worker,
            Self::Unpause(args) => &args.worker,
            Self::Paused(args) => &args.worker,
            Self::Accounts(args) => &args.worker,
            Self::Reload(args) => &args.worker,
            Self::Dead(command) => command.worker(),
            Self::Events(command) => command.worker(),
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Status(args) => args.json,
            Self::Wait(args) => args.json,
            Self::Jobs(args) => args.json,
            Self::Show(args) => args.json,
            Self::Cancel(args) | Self::Resume(args) | Self::Approve(args) => args.json,
            Self::Batch(BatchCommand::List(args)) => args.json,
            Self::Batch(BatchCommand::Show(args)) => args.json,
            Self::Pause(args) => args.json,
            Self::Unpause(args) => args.json,
            Self::Paused(args) => args.json,
            Self::Accounts(args) => args.json,
            Self::Reload(args) => args.json,
            Self::Dead(command) => command.is_for_programs(),
            Self::Events(command) => command.is_for_programs(),
            Self::Release(args) => args.json,
        }
    }
}

/// Which jobs are meant; every option narrows. The worker parses their values.
#[derive(Debug, Default, Args)]
pub struct FilterArgs {
    /// Only jobs in these states, separated by commas.
    #[arg(long)]
    pub state: Option<String>,
    /// Only jobs of this kind: grant, revoke or payer-change.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only jobs that are parked, or have ended, for these reasons, separated by commas.
    #[arg(long = "for", value_name = "REASON")]
    pub reasons: Option<String>,
    /// Only jobs that are half done and do not go on; with `=false`, only those that are not.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub half_done: Option<String>,
    /// Only jobs that wait for an hour that is long over.
    #[arg(long)]
    pub overdue: bool,
    /// Only jobs that are held, because one of their accounts is paused.
    #[arg(long)]
    pub held: bool,
    /// Only jobs that act in this account, which owns their instance or their CEN.
    #[arg(long, value_name = "UID")]
    pub account: Option<String>,
    /// Only jobs that `status` counts for this account: the one that their message names, or the owner of their instance.
    #[arg(long, value_name = "UID")]
    pub blames: Option<String>,
    /// Only jobs in this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// Only jobs on this instance.
    #[arg(long)]
    pub instance: Option<String>,
    /// Only jobs from this requester.
    #[arg(long)]
    pub requester: Option<String>,
    /// Only jobs of this batch: by its uid, as requester/id, or by its id if only one requester has that.
    #[arg(long, value_name = "BATCH")]
    pub batch: Option<String>,
    /// Only jobs with this label.
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Option<String>,
    /// Only jobs accepted at this time or later: an RFC 3339 time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only jobs accepted before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Only jobs accepted longer ago than this, such as 30m.
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<String>,
}

impl FilterArgs {
    /// The filters that are set, with the names of their parameters.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let switch = |on: bool| on.then_some("true");
        let options = [
            ("state", self.state.as_deref()),
            ("kind", self.kind.as_deref()),
            ("for", self.reasons.as_deref()),
            ("half-done", self.half_done.as_deref()),
            ("overdue", switch(self.overdue)),
            ("held", switch(self.held)),
            ("account", self.account.as_deref()),
            ("blames", self.blames.as_deref()),
            ("cen", self.cen.as_deref()),
            ("instance", self.instance.as_deref()),
            ("requester", self.requester.as_deref()),
            ("batch", self.batch.as_deref()),
            ("label", self.label.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("older-than", self.older_than.as_deref()),
        ];
        options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// The options of a command line with these filters.
    pub fn words(&self) -> Vec<String> {
        let option = |(name, value): (&str, &str)| match (name, value) {
            ("half-done" | "overdue" | "held", "true") => vec![format!("--{name}")],
            // A value that may be left out has to hang on its option.
            ("half-done", _) => vec![format!("--{name}={value}")],
            _ => vec![format!("--{name}"), value.to_owned()],
        };
        self.pairs().into_iter().flat_map(option).collect()
    }
}

/// `status`
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Show it again every two seconds, until it is interrupted.
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `wait`
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The job, by its uid, as requester/id, or by its id if only one requester has that. Without it, all jobs that match the filters.
    #[arg(value_name = "JOB", conflicts_with = "FilterArgs")]
    pub job: Option<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Give up after this time, such as 90m, with exit code 1.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
    /// Print one JSON object at the end: how many jobs are in each state.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// How many jobs `jobs` lists without another number.
pub const DEFAULT_LIMIT: usize = 50;

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only jobs older than this one, to get the next page.
    #[arg(long, value_name = "UID")]
    pub before: Option<String>,
    /// Maximum number of jobs to list.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    pub limit: usize,
    /// List all of them, however many there are.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// `wide` adds uid and requester, and cuts nothing. Without it, a row fits the width of the terminal.
    #[arg(short, long, value_name = "FORMAT", conflicts_with = "json")]
    pub output: Option<TableFormat>,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// How a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// With every column, and each in full.
    Wide,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job: by its uid, as requester/id, or by its id if only one requester has that.
    pub job: String,
    /// Show it again as it changes, until the job has ended or needs a person.
    #[arg(long)]
    pub watch: bool,
    /// Print one JSON object, with the events.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `cancel`, `resume` and `approve`
#[derive(Debug, Args)]
pub struct CommandArgs {
    /// The jobs, each by its uid, as requester/id, or by its id if only one requester has that. Without any, all jobs that match
    /// the filters.
    #[arg(value_name = "JOB", conflicts_with = "FilterArgs")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Command the jobs that match the filters if there are exactly N. Without this option, list and count them.
    #[arg(long, value_name = "N", conflicts_with = "jobs")]
    pub expect_count: Option<usize>,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `release`
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The job, by its uid, as requester/id, or by its id if only one requester has that.
    pub job: String,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print the job as JSON.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `batch`
#[derive(Debug, Subcommand)]
pub enum BatchCommand {
    /// List batches, the last accepted first.
    List(BatchListArgs),
    /// Show one batch: how its jobs stand, and what was said of it.
    Show(BatchShowArgs),
}

/// `batch list`
#[derive(Debug, Args)]
pub struct BatchListArgs {
    /// Only batches that have not ended.
    #[arg(long)]
    pub open: bool,
    /// Only batches older than this one, to get the next page.
    #[arg(long, value_name = "UID")]
    pub before: Option<String>,
    /// Maximum number of batches to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `batch show`
#[derive(Debug, Args)]
pub struct BatchShowArgs {
    /// The batch: by its uid, as requester/id, or by its id if only one requester has that.
    pub batch: String,
    /// Print one JSON object, with the events.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `pause`
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// Uid of the account. It may own instances or CENs.
    pub account: String,
    /// The reason, shown with every job that the pause holds.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Your name, shown with the reason.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator", hide_env_values = true)]
    pub by: String,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `unpause`
#[derive(Debug, Args)]
pub struct UnpauseArgs {
    /// Uid of the account.
    pub account: String,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `paused`
#[derive(Debug, Args)]
pub struct PausedArgs {
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `accounts`
#[derive(Debug, Args)]
pub struct AccountsArgs {
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `reload`
#[derive(Debug, Args)]
pub struct ReloadArgs {
    /// Print one JSON object per line, one for each change.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}
