//! Commands that handle jobs without a running worker's admin API: run, plan, submit and simulate.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::values::{hour, requester};
use crate::config::ProfileFor;
use crate::domain::{BatchId, Hour, Requester, parse_duration};
use crate::simulator::CONTROL;

/// `serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Accept a store file that is empty where there was one, or an older copy: jobs that it does not know are forgotten.
    #[arg(long)]
    pub accept_store: bool,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// File with jobs, or - for standard input: JSON objects one after another, or an array of them.
    pub file: PathBuf,
    /// Keep the jobs in this SQLite file, so that the next run continues an interrupted one. Without it they are kept in
    /// memory. A simulated cloud is not kept: it starts anew with every run.
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Length of the simulated billing hour.
    #[arg(long, default_value = "10s", value_parser = hour, requires = "simulate")]
    pub hour: Hour,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// File with jobs, or - for standard input: JSON objects one after another, or an array of them.
    pub file: PathBuf,
    /// Check the policy for this requester. Without it, list who may ask.
    #[arg(long, value_name = "NAME", value_parser = requester)]
    pub requester: Option<Requester>,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cloud: CloudArgs,
    /// Length of the simulated billing hour.
    #[arg(long, default_value = "1h", value_parser = hour, requires = "simulate")]
    pub hour: Hour,
}

/// The cloud of a command that carries out or reads: the configured accounts, or a simulated one.
#[derive(Debug, Args)]
pub struct CloudArgs {
    #[command(flatten)]
    pub profiles: ProfileArgs,
    /// Use a simulated cloud in this process, which needs no configuration. It starts from this world file, or else from a
    /// small example.
    #[arg(long, value_name = "WORLD", num_args = 0..=1, conflicts_with = "profile")]
    pub simulate: Option<Option<PathBuf>>,
}

/// Credentials from the vendor's command line.
#[derive(Debug, Args)]
pub struct ProfileArgs {
    /// Use a profile of ~/.aliyun/config.json for this account, instead of its configured credential. Can be repeated.
    /// `hub=NAME` is the profile that assumes roles. Modes: AK, StsToken, RamRoleArn and EcsRamRole.
    #[arg(id = "profile", long, value_name = "ACCOUNT=NAME")]
    pub list: Vec<ProfileFor>,
}

/// `submit`
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("follows").args(["wait", "batch"]))]
pub struct SubmitArgs {
    /// File with jobs, or - for standard input: JSON objects one after another, or an array of them.
    pub file: PathBuf,
    /// Follow the jobs until they end. Their events go to standard output: one JSON object per line, on a terminal text. What
    /// became of the jobs is said at the end. Exits with 0 only if all jobs completed.
    #[arg(long)]
    pub wait: bool,
    /// Submit the jobs as a batch with this id, follow it until it ends, and print a table of what became of the jobs instead of
    /// their events.
    #[arg(long, value_name = "ID", conflicts_with = "wait")]
    pub batch: Option<BatchId>,
    /// What becomes of the other jobs of the batch once one has failed: go-on or stop [default: go-on].
    #[arg(long, value_name = "WHAT", requires = "batch")]
    pub on_failure: Option<String>,
    /// Print one JSON object instead of the table: the `data` of the event that ends the batch.
    #[arg(long, requires = "batch")]
    pub json: bool,
    /// Requester whose key signs the jobs [default: the only [[broker.requester]]].
    #[arg(long, value_name = "NAME")]
    pub requester: Option<String>,
    /// Stop following after this time, such as 90s or "1h 30m". The jobs go on.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "follows")]
    pub timeout: Option<Duration>,
}

/// `put-back`
#[derive(Debug, Args)]
pub struct PutBackArgs {
    /// Put back at most this many, the oldest first. Without it, all.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Put all of them back if there are exactly N. Without this option and --limit, only count them.
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    pub expect_count: Option<u32>,
}

/// `backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The new file. It must not exist.
    pub file: PathBuf,
}

/// `restore`
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct RestoreArgs {
    /// The backup. The place of the store must be empty: move its files away first.
    pub file: Option<PathBuf>,
    /// The store was put back by other means, such as pg_restore or a snapshot: take it as it is.
    #[arg(long)]
    pub as_found: bool,
}

/// What `simulate --help` says, with what the simulated cloud can be asked besides the API.
pub(super) fn simulate() -> String {
    let listed = CONTROL.map(|(request, says)| format!("  {request}\n      {says}"));
    format!(
        "Run a simulated cloud.\n\nBesides the API it answers, without any key and for this machine only:\n{}\n\n\
         A world file can have the same faults and switches from the start, as `[[faults]]` and `[switches]`.",
        listed.join("\n")
    )
}

/// `simulate`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Address to listen on. Port 0 picks a free port. The URL is printed to standard output.
    #[arg(long, default_value = "127.0.0.1:18080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// World file: the accounts, networks and grants to start with. Without it, a small example.
    #[arg(value_name = "WORLD")]
    pub world: Option<PathBuf>,
    /// The same world file, as an option.
    #[arg(id = "world_option", long = "world", value_name = "FILE", hide = true, conflicts_with = "world")]
    pub world_option: Option<PathBuf>,
    /// Length of the billing hour.
    #[arg(long, default_value = "1h", value_parser = hour)]
    pub hour: Hour,
}
