//! Commands that ask a running worker over its admin API.

use clap::{Args, Subcommand};

/// A command for a running worker.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// List the jobs of a running worker, newest first.
    Jobs(JobsArgs),
    /// Show one job: why it is in its state, what happens next, and what was written.
    Show(ShowArgs),
    /// Cancel a job. If nothing was written, it ends at once. If one side was written, that is undone. If both were, the
    /// command is declined.
    Cancel(JobArgs),
    /// Let a parked job go on from where it stopped.
    Resume(JobArgs),
    /// Approve jobs that an hourly limit has parked, so that they begin: the named jobs, or all that match the filters.
    Approve(ApproveArgs),
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
    /// List rejected jobs and undelivered messages; send undelivered messages again, or drop them.
    #[command(subcommand)]
    Dead(DeadCommand),
}

impl WorkerCommand {
    /// Where to find the worker.
    pub fn worker(&self) -> &WorkerArgs {
        match self {
            Self::Jobs(args) => &args.worker,
            Self::Show(args) => &args.worker,
            Self::Cancel(args) | Self::Resume(args) => &args.worker,
            Self::Approve(args) => &args.worker,
            Self::Pause(args) => &args.worker,
            Self::Unpause(args) => &args.worker,
            Self::Paused(args) => &args.worker,
            Self::Accounts(args) => &args.worker,
            Self::Reload(args) => &args.worker,
            Self::Dead(DeadCommand::List(args)) => &args.worker,
            Self::Dead(DeadCommand::Replay(args) | DeadCommand::Drop(args)) => &args.worker,
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Jobs(args) => args.json,
            Self::Show(args) => args.json,
            Self::Paused(args) => args.json,
            Self::Accounts(args) => args.json,
            Self::Reload(args) => args.json,
            Self::Dead(DeadCommand::List(args)) => args.json,
            _ => false,
        }
    }
}

/// Where the running worker is.
#[derive(Debug, Default, Args)]
pub struct WorkerArgs {
    /// URL of the worker's admin API [default: `[admin] listen`].
    #[arg(long, display_order = 900, value_name = "URL")]
    pub admin: Option<String>,
    /// Name of the [[admin.token]] to use [default: `[admin] token`, else the token that a worker makes beside its SQLite
    /// store, else the only [[admin.token]]].
    #[arg(long = "as", display_order = 900, value_name = "NAME")]
    pub token_name: Option<String>,
}

/// The filters of `jobs` and `approve`. The worker parses their values.
#[derive(Debug, Default, Args)]
pub struct FilterArgs {
    /// Only jobs of this kind: grant, revoke or payer-change.
    #[arg(long)]
    pub kind: Option<String>,
    /// Only jobs on this instance.
    #[arg(long)]
    pub instance: Option<String>,
    /// Only jobs in this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// Only jobs from this requester.
    #[arg(long)]
    pub requester: Option<String>,
    /// Only jobs with this label.
    #[arg(long, value_name = "NAME=VALUE")]
    pub label: Option<String>,
}

impl FilterArgs {
    /// Appends the filters that are set to a query.
    pub fn append_to(&self, query: &mut form_urlencoded::Serializer<'_, String>) {
        let Self { kind, instance, cen, requester, label } = self;
        for (name, value) in
            [("kind", kind), ("instance", instance), ("cen", cen), ("requester", requester), ("label", label)]
        {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
    }
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Only jobs in these states, separated by commas.
    #[arg(long)]
    pub state: Option<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Only jobs older than this one, to get the next page.
    #[arg(long, value_name = "UID")]
    pub before: Option<String>,
    /// Maximum number of jobs to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The job, by its uid or as requester/id.
    pub job: String,
    /// Print one JSON object, with the events.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `cancel` and `resume`
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job, by its uid or as requester/id.
    pub job: String,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The jobs, each by its uid or as requester/id. Without any, all jobs that match the filters.
    #[arg(value_name = "JOB", conflicts_with = "FilterArgs")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Approve only if exactly N jobs match. Without this option, list and count them.
    #[arg(long, value_name = "N")]
    pub expect_count: Option<usize>,
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
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator")]
    pub by: String,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `unpause`
#[derive(Debug, Args)]
pub struct UnpauseArgs {
    /// Uid of the account.
    pub account: String,
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

/// `dead`
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List rejected jobs with their faults, and undelivered messages with the reason.
    List(DeadListArgs),
    /// Send undelivered messages again. Rejected jobs are not included: fix and submit them.
    Replay(DeadChoiceArgs),
    /// Delete undelivered messages. The events of jobs stay in their history.
    Drop(DeadChoiceArgs),
}

/// `dead list`
#[derive(Debug, Args)]
pub struct DeadListArgs {
    /// Maximum number of jobs, and of messages, to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead replay` and `dead drop`
#[derive(Debug, Args)]
pub struct DeadChoiceArgs {
    /// Numbers of the messages, as `dead list` shows them. Without any, all messages.
    #[arg(value_name = "NUMBER")]
    pub numbers: Vec<i64>,
    /// Choose all messages, even if there are several.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}
