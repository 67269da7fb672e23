//! `import`: what another tool owns.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::local::CloudArgs;
use super::shared::WorkerArgs;
use super::values::cen;
use crate::domain::Cen;

/// `import`
#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// List the grants and attachments of a Terraform state: what both Terraform and this program would own, what the cloud
    /// says now, and what to do. Reads only, and keeps nothing.
    Terraform(ImportTerraformArgs),
}

/// `import terraform`
#[derive(Debug, Args)]
pub struct ImportTerraformArgs {
    /// State file of format 4, or the output of `terraform show -json`. Use - for standard input.
    pub state: PathBuf,
    /// Owner of a CEN, for attachments: their state does not always tell it. Can be repeated.
    #[arg(long, value_name = "UID/CEN", value_parser = cen)]
    pub cen: Vec<Cen>,
    /// Print one JSON object per line.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub cloud: CloudArgs,
    #[command(flatten)]
    pub worker: WorkerArgs,
}
