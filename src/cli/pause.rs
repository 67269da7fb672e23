//! `pause`, `unpause` and `paused`: accounts in which no further job begins.

use serde_json::json;

use super::args::{PauseArgs, PausedArgs, UnpauseArgs};
use super::client::{AdminClient, segment};
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::{Paused, Unpaused};
use crate::engine::guards::Pause;

/// Pauses an account.
pub(super) async fn pause(args: &PauseArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("by", &args.by).append_pair("reason", &args.reason);
    let path = format!("/v1/accounts/{}/pause?{}", segment(&args.account), query.finish());
    let pause: Pause = worker.post(&path).await?;
    output::line(&if args.json { json!(pause).to_string() } else { pause.to_string() })?;
    Ok(Exit::Ok)
}

/// Ends the pause of an account.
pub(super) async fn unpause(args: &UnpauseArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let said = form_urlencoded::Serializer::new(String::new()).extend_pairs(args.mandate.pairs()).finish();
    let answer: Unpaused = worker.post(&format!("/v1/accounts/{}/unpause?{said}", segment(&args.account))).await?;
    output::line(&match args.json {
        true => json!(answer).to_string(),
        false => format!("account {} is no longer paused; its jobs begin", answer.account),
    })?;
    Ok(Exit::Ok)
}

/// Lists the paused accounts.
pub(super) async fn paused(args: &PausedArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let Paused { accounts } = worker.get("/v1/accounts/paused").await?;
    for pause in accounts {
        output::line(&if args.json { json!(pause).to_string() } else { pause.to_string() })?;
    }
    Ok(Exit::Ok)
}
