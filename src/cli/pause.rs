//! `pause`, `unpause` and `paused`: accounts whose jobs are not begun.

use serde_json::json;

use super::args::{PauseArgs, PausedArgs, UnpauseArgs};
use super::client::{Worker, segment};
use super::exit::{Exit, Failure};
use super::output;
use crate::admin::{Paused, Unpaused};
use crate::engine::guards::Pause;

/// Pauses an account.
pub(super) async fn pause(args: &PauseArgs, worker: &Worker) -> Result<Exit, Failure> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("by", &args.by).append_pair("reason", &args.reason);
    let path = format!("/v1/accounts/{}/pause?{}", segment(&args.account), query.finish());
    let pause: Pause = worker.post(&path).await?;
    output::line(&pause.to_string())?;
    Ok(Exit::Ok)
}

/// Lets an account go on.
pub(super) async fn unpause(args: &UnpauseArgs, worker: &Worker) -> Result<Exit, Failure> {
    let Unpaused { account } = worker.post(&format!("/v1/accounts/{}/unpause", segment(&args.account))).await?;
    output::line(&format!("account {account} is not paused any more; what was held for it begins"))?;
    Ok(Exit::Ok)
}

/// Lists the paused accounts.
pub(super) async fn paused(args: &PausedArgs, worker: &Worker) -> Result<Exit, Failure> {
    let Paused { accounts } = worker.get("/v1/accounts/paused").await?;
    for pause in accounts {
        output::line(&if args.json { json!(pause).to_string() } else { pause.to_string() })?;
    }
    Ok(Exit::Ok)
}
