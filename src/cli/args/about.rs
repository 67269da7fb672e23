//! Commands that check or explain the program and its surroundings: doctor, health, explain and workflow.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::local::ProfileArgs;
use super::shared::WorkerArgs;
use super::values::cen;
use crate::domain::Cen;

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Check that the owner of this CEN can read its grants and attachments.
    #[arg(long, value_name = "UID/CEN", value_parser = cen)]
    pub cen: Option<Cen>,
    /// Check everything that the jobs in this file would read, in both accounts. Use - for standard input.
    #[arg(long, value_name = "FILE")]
    pub job: Option<PathBuf>,
    /// Only compare the live cloud with what this program assumes about it, for the accounts, the instance and the CEN of
    /// each job in this file. Use - for standard input. Sends only reads. docs/cloud.md explains the assumptions.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cen", "job"])]
    pub probe: Option<PathBuf>,
    #[command(flatten)]
    pub profiles: ProfileArgs,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `health`
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// Print the answer of the worker as one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub worker: WorkerArgs,
}

/// `explain`
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// A reason of an event (such as attached), an error code of the cloud (Throttling.User), a class of error codes, or a
    /// code of this program (config-unknown-key). Without one, list all words.
    pub code: Option<String>,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
}

/// `workflow`
#[derive(Debug, Subcommand)]
pub enum WorkflowCommand {
    /// List the kinds of jobs, with the digest of each definition.
    List {
        /// Print one JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Print the definition of a kind of job.
    Show {
        /// grant, revoke or payer-change.
        kind: String,
    },
    /// Print the steps of a kind of job, and where each outcome leads, as a Graphviz graph (for `dot -Tsvg`).
    Graph {
        /// grant, revoke or payer-change.
        kind: String,
    },
    /// Check a definition against the verbs and policies of this program.
    Lint {
        /// The definition, a TOML file.
        file: PathBuf,
    },
}
