//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;

use crate::config::ProfileFor;
use crate::domain::{Cen, Hour, Requester};

const EXIT_CODES: &str = "\
Exit codes:
  0  everything that was asked for was done
  1  not all of it: a job did not complete, a command was declined, the store or a loop failed
  2  the command line, the configuration or an input cannot be used
  3  the worker or the broker cannot be reached

Data goes to standard output, everything else to standard error. What goes wrong ends in a code in brackets, such as
[config-unknown-key], which `crossgrant explain` explains; with --json it is an object with `code` and `message`.";

/// Durable worker for cross-account authorizations of network instances to Cloud Enterprise Networks.
#[derive(Debug, Parser)]
#[command(name = "crossgrant", version, after_help = EXIT_CODES, subcommand_required = true)]
pub struct Cli {
    /// The configuration; without it ./crossgrant.toml, else /etc/crossgrant/crossgrant.toml.
    #[arg(long, global = true, env = "CROSSGRANT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Log more than warnings (commands other than serve and simulate).
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Work: take jobs from the broker and carry them out, until told to stop.
    Serve,
    /// Carry out jobs without a broker; their events go to standard output, one JSON object to a line.
    Run(RunArgs),
    /// Say what jobs would do, by looking at the cloud as it is; nothing is written and nothing kept.
    Plan(PlanArgs),
    /// Publish jobs to the broker.
    Submit(SubmitArgs),
    /// Serve a simulated cloud.
    Simulate(SimulateArgs),
    /// List jobs of a running worker, newest first.
    Jobs(JobsArgs),
    /// Show one job: why it is where it is, what comes next, and what was written.
    Show(ShowArgs),
    /// Cancel a job: at once if nothing was written, by an undo if only part was.
    Cancel(JobArgs),
    /// Go on with a parked job from where it stands.
    Resume(JobArgs),
    /// Let jobs begin that an hourly limit has parked: the ones named, or all that match.
    Approve(ApproveArgs),
    /// Begin no more jobs that act in an account. What has begun goes on.
    Pause(PauseArgs),
    /// Begin them again.
    Unpause(UnpauseArgs),
    /// List the accounts that are paused.
    Paused(PausedArgs),
    /// Messages that were rejected, and messages of the worker that nobody took.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// See whether a worker with this configuration could work: store, broker, credentials, permissions, clock. The cloud
    /// is only read.
    Doctor(DoctorArgs),
    /// Say what a reason, an error code of the cloud or an answer of the worker means, and what to do.
    Explain(ExplainArgs),
    /// Look at the workflows, or check a definition.
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// A script that completes this command line, for a shell to load.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// The profiles to use in the place of configured credentials.
    pub fn profiles(&self) -> &[ProfileFor] {
        match self {
            Self::Run(args) => &args.profiles,
            Self::Plan(args) => &args.profiles,
            Self::Doctor(args) => &args.profiles,
            _ => &[],
        }
    }

    /// Whether its answer is for a program; then so is what goes wrong.
    pub fn is_for_programs(&self) -> bool {
        match self {
            Self::Plan(args) => args.json,
            Self::Jobs(args) => args.json,
            Self::Show(args) => args.json,
            Self::Dead(DeadCommand::List(args)) => args.json,
            Self::Doctor(args) => args.json,
            Self::Explain(args) => args.json,
            Self::Workflow(WorkflowCommand::List { json }) => *json,
            _ => false,
        }
    }
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Jobs: one JSON object, several after each other or to a line, or an array of them; - for standard input.
    pub file: PathBuf,
    /// Keep everything in this file, so that an interrupted run is gone on with by the next one. In memory without it.
    /// A simulated cloud is not kept: it begins anew with every run.
    #[arg(long, value_name = "PATH")]
    pub store: Option<PathBuf>,
    /// Use this profile of ~/.aliyun/config.json for an account, instead of what is configured for it. May be repeated;
    /// `hub=NAME` is the profile that roles are assumed with. Modes AK, StsToken, RamRoleArn and EcsRamRole.
    #[arg(long = "profile", value_name = "ACCOUNT=NAME", conflicts_with = "simulate")]
    pub profiles: Vec<ProfileFor>,
    /// Against a simulated cloud in this process, which begins as this world (or as a small example) and needs no
    /// configuration.
    #[arg(long, value_name = "WORLD", num_args = 0..=1)]
    pub simulate: Option<Option<PathBuf>>,
    /// The simulated billing hour.
    #[arg(long, default_value = "10s", value_parser = hour, requires = "simulate")]
    pub hour: Hour,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Jobs: one JSON object, several after each other or to a line, or an array of them; - for standard input.
    pub file: PathBuf,
    /// As if this one asked; without it, whoever the rules of the policy let ask is named.
    #[arg(long, value_name = "NAME", value_parser = requester)]
    pub requester: Option<Requester>,
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
    /// Use this profile of ~/.aliyun/config.json for an account, instead of what is configured for it. May be repeated;
    /// `hub=NAME` is the profile that roles are assumed with. Modes AK, StsToken, RamRoleArn and EcsRamRole.
    #[arg(long = "profile", value_name = "ACCOUNT=NAME", conflicts_with = "simulate")]
    pub profiles: Vec<ProfileFor>,
    /// Against a simulated cloud in this process, which begins as this world (or as a small example) and needs no
    /// configuration.
    #[arg(long, value_name = "WORLD", num_args = 0..=1)]
    pub simulate: Option<Option<PathBuf>>,
    /// The simulated billing hour.
    #[arg(long, default_value = "1h", value_parser = hour, requires = "simulate")]
    pub hour: Hour,
}

/// `submit`
#[derive(Debug, Args)]
pub struct SubmitArgs {
    /// Jobs: one JSON object, several after each other or to a line, or an array of them; - for standard input.
    pub file: PathBuf,
    /// Follow the jobs to their ends; their events go to standard output. Exits 0 only if all completed.
    #[arg(long)]
    pub wait: bool,
    /// Follow no longer than this.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "wait")]
    pub timeout: Option<Duration>,
}

/// `simulate`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Where to listen; port 0 picks one, and standard output tells.
    #[arg(long, default_value = "127.0.0.1:18080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// What there is to begin with; without it a small example.
    #[arg(long, value_name = "FILE")]
    pub world: Option<PathBuf>,
    /// The billing hour.
    #[arg(long, default_value = "1h", value_parser = hour)]
    pub hour: Hour,
}

/// Where the running worker is.
#[derive(Debug, Default, Args)]
pub struct WorkerArgs {
    /// The admin HTTP of the worker; without it that of the configuration. The token is the configuration's, too.
    #[arg(long, value_name = "URL")]
    pub admin: Option<String>,
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// In one of these states, separated by commas.
    #[arg(long)]
    pub state: Option<String>,
    /// grant, revoke or payer-change.
    #[arg(long)]
    pub kind: Option<String>,
    /// On this instance.
    #[arg(long)]
    pub instance: Option<String>,
    /// On this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// From this requester.
    #[arg(long)]
    pub requester: Option<String>,
    /// With this label, name=value.
    #[arg(long)]
    pub label: Option<String>,
    /// Older than the job of this uid.
    #[arg(long, value_name = "UID")]
    pub before: Option<String>,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The uid of the job, or requester/id.
    pub job: String,
    /// As one JSON object, with the events.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `cancel` and `resume`
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The uid of the job, or requester/id.
    pub job: String,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `approve`
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// The uids of the jobs, or requester/id; without any, all that match.
    #[arg(value_name = "JOB", conflicts_with_all = ["kind", "instance", "cen", "requester", "label"])]
    pub jobs: Vec<String>,
    /// revoke or payer-change.
    #[arg(long)]
    pub kind: Option<String>,
    /// On this instance.
    #[arg(long)]
    pub instance: Option<String>,
    /// On this CEN.
    #[arg(long)]
    pub cen: Option<String>,
    /// From this requester.
    #[arg(long)]
    pub requester: Option<String>,
    /// With this label, name=value.
    #[arg(long)]
    pub label: Option<String>,
    /// Approve them only if there are exactly so many; without it they are only listed and counted.
    #[arg(long, value_name = "N")]
    pub expect_count: Option<usize>,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `pause`
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The uid of the account: owner of instances, or of CENs.
    pub account: String,
    /// Why, for everybody who wonders.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who says so.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "an operator")]
    pub by: String,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `unpause`
#[derive(Debug, Args)]
pub struct UnpauseArgs {
    /// The uid of the account.
    pub account: String,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `paused`
#[derive(Debug, Args)]
pub struct PausedArgs {
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead`
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List both, each with its reasons.
    List(DeadListArgs),
    /// Publish again what nobody took. A rejected message is not among it: correct it and submit it.
    Replay(DeadReplayArgs),
}

/// `dead list`
#[derive(Debug, Args)]
pub struct DeadListArgs {
    /// At most so many of each.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `dead replay`
#[derive(Debug, Args)]
pub struct DeadReplayArgs {
    /// The numbers of the messages, as `dead list` has them; all without any.
    pub numbers: Vec<i64>,
    /// Send them all, however many there are.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Try to read the grants of this CEN, as its owner.
    #[arg(long, value_name = "UID/CEN", value_parser = super::doctor::cen)]
    pub cen: Option<Cen>,
    /// Try everything that these jobs would read, in both accounts; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
    /// Only compare the live cloud with what this program assumes about it, for the accounts, the instance and the CEN of
    /// each of these jobs; - for standard input. Only reads are sent. docs/cloud.md explains the points.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cen", "job"])]
    pub probe: Option<PathBuf>,
    /// Use this profile of ~/.aliyun/config.json for an account, instead of what is configured for it. May be repeated;
    /// `hub=NAME` is the profile that roles are assumed with. Modes AK, StsToken, RamRoleArn and EcsRamRole.
    #[arg(long = "profile", value_name = "ACCOUNT=NAME")]
    pub profiles: Vec<ProfileFor>,
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// The reason of an event, such as attached; an error code of the cloud, such as Throttling.User; a class of them; or
    /// the code of an answer of the admin HTTP. Without one, all words there are.
    pub code: Option<String>,
    /// One JSON object to a line.
    #[arg(long)]
    pub json: bool,
}

/// `workflow`
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// Each kind of job, with the digest of its definition.
    List {
        /// One JSON object to a line.
        #[arg(long)]
        json: bool,
    },
    /// The definition of a kind of job, as jobs are pinned to it.
    Show {
        /// grant, revoke or payer-change.
        kind: String,
    },
    /// The steps of a kind of job and where each outcome leads, as a graph in the language of Graphviz (`dot -Tsvg`).
    Graph {
        /// grant, revoke or payer-change.
        kind: String,
    },
    /// Check a definition against the verbs and policies of this program.
    Lint {
        /// The definition.
        file: PathBuf,
    },
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or_else(|| "a duration looks like \"90s\" or \"1h 30m\"".to_owned())
}

fn requester(text: &str) -> Result<Requester, String> {
    Requester::parse(text).map_err(|bad| bad.to_string())
}

fn hour(text: &str) -> Result<Hour, String> {
    Hour::new(duration(text)?).ok_or_else(|| "an hour is at least 10 ms long, in whole milliseconds".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_cannot_be_meant_exits_with_2_and_help_with_0() {
        for line in [
            "crossgrant",
            "crossgrant srve",
            "crossgrant run",
            "crossgrant run f --hour 5s",
            "crossgrant run f --simulate w --hour soon",
            "crossgrant submit f --timeout 5s",
            "crossgrant simulate --listen here",
            "crossgrant jobs --limit x",
            "crossgrant run f --profile NAME",
            "crossgrant run f --profile 12x=NAME",
            "crossgrant run f --profile 125=",
            "crossgrant run f --profile 125=NAME --simulate",
            "crossgrant serve --profile 125=NAME",
            "crossgrant doctor --probe f --job f",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
        assert_eq!(parse("crossgrant --help").unwrap_err().exit_code(), 0);
        assert!(parse("crossgrant --help").unwrap_err().to_string().contains("Exit codes:"));
    }

    #[test]
    fn a_simulated_run_has_a_world_or_the_example_and_a_short_hour() {
        let run = |line: &str| match parse(line).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        };
        assert_eq!(run("crossgrant run f").simulate, None);
        let example = run("crossgrant run f --simulate");
        assert_eq!((example.simulate, example.hour.length()), (Some(None), Duration::from_secs(10)));
        let world = run("crossgrant run f --simulate w.toml --hour 2s");
        assert_eq!((world.simulate, world.hour.length()), (Some(Some("w.toml".into())), Duration::from_secs(2)));
    }

    #[test]
    fn a_profile_goes_with_its_account_or_the_hub() {
        for command in ["run f", "plan f", "doctor"] {
            let line = format!("crossgrant {command} --profile 1250123456123456=engine --profile hub=base=2");
            let cli = parse(&line).unwrap();
            let [account, hub] = cli.command.profiles() else { panic!("{command}") };
            assert_eq!(account.account.as_ref().unwrap().as_str(), "1250123456123456");
            assert_eq!((account.profile.as_str(), hub.profile.as_str(), &hub.account), ("engine", "base=2", &None));
        }
    }

    #[test]
    fn a_script_for_every_shell_knows_the_commands() {
        for shell in <clap_complete::Shell as clap::ValueEnum>::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "crossgrant", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("doctor") && script.contains("graph"), "{shell}");
        }
    }
}
