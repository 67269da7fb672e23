//! `health`: whether the worker is ready, for a health check that knows only exit codes: 0, or 1 for everything else.

use serde_json::json;

use super::args::HealthArgs;
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::output;
use crate::config::Config;
use crate::domain::Code;

/// Asks `/readyz`. Needs no token; with one, the answer has the details.
pub(super) async fn health(
    args: &HealthArgs,
    config: impl FnOnce() -> Result<Config, CliError>,
) -> Result<Exit, CliError> {
    asked(args, config).await.map_err(|error| CliError { exit: Exit::Failed, ..error })
}

async fn asked(args: &HealthArgs, config: impl FnOnce() -> Result<Config, CliError>) -> Result<Exit, CliError> {
    let worker = AdminClient::of(&args.worker, &config()?)?;
    let readiness = worker.readiness().await?;
    if args.json {
        output::line(&json!(readiness).to_string())?;
        return Ok(if readiness.ready { Exit::Ok } else { Exit::Failed });
    }
    if !readiness.ready {
        let message = format!("the worker at {} is not ready: {}", worker.url(), readiness.failed());
        return Err(CliError::failed(message).code(Code::WorkerNotReady));
    }
    output::line("ready")?;
    Ok(Exit::Ok)
}
