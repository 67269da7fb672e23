//! `dead` and `events`: messages that went nowhere, and events that are kept.

use clap::{Args, Subcommand};

use super::shared::{MandateArgs, WorkerArgs};

/// `dead`
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List rejected jobs and undelivered messages, grouped by what is wrong with them, each group with the command for it.
    List(DeadListArgs),
    /// Show one: a rejected job with its faults marked in its body, or an undelivered message.
    Show(DeadShowArgs),
    /// Send undelivered messages again. Rejected jobs are not included: mend and submit them.
    Replay(DeadReplayArgs),
    /// Delete undelivered messages, or rejected jobs by their uids. The events of jobs stay in their history.
    Drop(DeadDropArgs),
}

impl DeadCommand {
    /// Where to find the worker.
    pub fn worker(&self) -> &WorkerArgs {
        match self {
            Self::List(args) => &args.worker,
            Self::Show(args) => &args.worker,
            Self::Replay(args) => &args.worker,
            Self::Drop(args) => &args.worker,
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Show(args) => args.json,
            Self::Replay(args) => args.json,
            Self::Drop(args) => args.json,
        }
    }
}

/// Which dead messages are meant; every option narrows. The worker parses their values.
#[derive(Debug, Default, Args)]
pub struct DeadFilterArgs {
    /// Only messages to this queue, or to this exchange.
    #[arg(long, value_name = "NAME")]
    pub to: Option<String>,
    /// Only messages with this cause: no-queue, refused, unconfirmed, unpublishable, webhook-failed or webhook-gone; of rejected jobs, the code of a fault.
    #[arg(long = "for", value_name = "CAUSE")]
    pub cause: Option<String>,
    /// Only messages from this time or later: an RFC 3339 time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Only messages from before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
}

impl DeadFilterArgs {
    /// The filters that are set, with the names of their parameters.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let options = [("to", &self.to), ("for", &self.cause), ("since", &self.since), ("until", &self.until)];
        options.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// `dead list`
#[derive(Debug, Default, Args)]
pub struct DeadListArgs {
    #[command(flatten)]
    pub filter: DeadFilterArgs,
    /// Only rejected jobs from this requester.
    #[arg(long)]
    pub requester: Option<String>,
    /// List each message, the rejected ones with all their faults.
    #[arg(long)]
    pub each: bool,
    /// With --each, the maximum number of rejected jobs, and of undelivered messages, to list.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Print one JSON object: the groups. With --each, one per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead show`
#[derive(Debug, Default, Args)]
pub struct DeadShowArgs {
    /// Uid of a rejected job, or number of an undelivered message, as `dead list --each` shows them.
    pub id: String,
    /// Print the body of a rejected job alone, byte for byte, to mend it.
    #[arg(long, conflicts_with = "json")]
    pub body: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead replay`
#[derive(Debug, Default, Args)]
pub struct DeadReplayArgs {
    /// Numbers of the messages, as `dead list --each` shows them. Without any, all messages that match the filters.
    #[arg(value_name = "NUMBER", conflicts_with = "DeadFilterArgs")]
    pub numbers: Vec<i64>,
    #[command(flatten)]
    pub filter: DeadFilterArgs,
    /// Send the messages that match the filters if there are exactly N. Without this option, list and count them.
    #[arg(long, value_name = "N", conflicts_with = "numbers")]
    pub expect_count: Option<usize>,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead drop`
#[derive(Debug, Default, Args)]
pub struct DeadDropArgs {
    /// Numbers of undelivered messages and uids of rejected jobs, as `dead list --each` shows them. Without any, all undelivered
    /// messages that match the filters.
    #[arg(value_name = "NUMBER|UID", conflicts_with = "DeadFilterArgs")]
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: DeadFilterArgs,
    /// Delete the messages that match the filters if there are exactly N. Without this option, list and count them.
    #[arg(long, value_name = "N", conflicts_with = "ids")]
    pub expect_count: Option<usize>,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `events`
#[derive(Debug, Subcommand)]
pub enum EventsCommand {
    /// List the events of all jobs and batches in the order in which they were stored, after a number; or follow them. On a terminal
    /// a line for each, elsewhere one JSON object per line, as it was published.
    List(EventsListArgs),
    /// Publish kept events again, with the same ids: for a queue that was bound to the events exchange later. Receivers that
    /// had them already know them by their ids. Replies are not sent again.
    Replay(EventsReplayArgs),
}

impl EventsCommand {
    /// Where to find the worker.
    pub fn worker(&self) -> &WorkerArgs {
        match self {
            Self::List(args) => &args.worker,
            Self::Replay(args) => &args.worker,
        }
    }

    /// Whether output and errors are JSON.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::List(args) => args.json,
            Self::Replay(args) => args.json,
        }
    }
}

/// `events list`
#[derive(Debug, Default, Args)]
pub struct EventsListArgs {
    /// Events after this number, which the list before has said; 0 is the beginning of all that is kept, and `end` only what happens from
    /// now on. By default 0, and with --follow `end`.
    #[arg(long, value_name = "NUMBER")]
    pub after: Option<String>,
    /// Go on, as events happen, until it is interrupted. While the worker is away, it is asked again.
    #[arg(long)]
    pub follow: bool,
    /// Only events of this type, such as job.completed.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Only events of what this requester has asked for.
    #[arg(long)]
    pub requester: Option<String>,
    /// Only events of jobs for this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// Only events of jobs on an instance, or for a CEN, of this account.
    #[arg(long, value_name = "UID")]
    pub account: Option<String>,
    /// Print one JSON object for each page: the events, and the number to go on after.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

impl EventsListArgs {
    /// What is chosen, with the names of the parameters.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let options =
            [("type", &self.kind), ("requester", &self.requester), ("cen", &self.cen), ("account", &self.account)];
        options.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}

/// `events replay`
#[derive(Debug, Default, Args)]
pub struct EventsReplayArgs {
    /// Events that happened at this time or later: an RFC 3339 time, or how long ago, such as 2h. Needed without --job.
    #[arg(long, value_name = "TIME", required_unless_present = "job")]
    pub since: Option<String>,
    /// Events that happened before this time.
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,
    /// Events of this job: by its uid, as requester/id, or by its id if only one requester has that.
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// Events of this type, such as job.completed.
    #[arg(long = "type", value_name = "TYPE")]
    pub kind: Option<String>,
    /// Publish the events if there are exactly N. Without this option, count them.
    #[arg(long, value_name = "N")]
    pub expect_count: Option<usize>,
    #[command(flatten)]
    pub mandate: MandateArgs,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

impl EventsReplayArgs {
    /// What is chosen, with the names of the parameters.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let options = [("since", &self.since), ("until", &self.until), ("job", &self.job), ("type", &self.kind)];
        options.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?))).collect()
    }
}
