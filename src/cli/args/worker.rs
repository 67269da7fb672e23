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
    /// Only jobs that are parked half done.
    #[arg(long)]
    pub half_done: bool,
    /// Only jobs that are held, because one of their accounts is paused.
    #[arg(long)]
    pub held: bool,
    /// Only jobs that act in this account, which owns their instance or their CEN.
    #[arg(long, value_name = "UID")]
    pub account: Option<String>,
    /// Only jobs in this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// Only jobs on this instance.
    #[arg(long)]
    pub instance: Option<String>,
    /// Only jobs from this requester.
    #[arg(long)]
    pub requester: Option<String>,
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
            ("half-done", switch(self.half_done)),
            ("held", switch(self.held)),
            ("account", self.account.as_deref()),
            ("cen", self.cen.as_deref()),
            ("instance", self.instance.as_deref()),
            ("requester", self.requester.as_deref()),
            ("label", self.label.as_deref()),
            ("since", self.since.as_deref()),
            ("until", self.until.as_deref()),
            ("older-than", self.older_than.as_deref()),
        ];
        options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
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
