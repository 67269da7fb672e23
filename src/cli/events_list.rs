//! `events list`: the feed of all events, to its end or as they happen.

use std::time::Duration;

use serde_json::json;

use super::args::EventsListArgs;
use super::client::{AdminClient, query};
use super::event_line::EventLines;
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::EventFeed;
use crate::clock::Clock;
use crate::domain::Code;

/// How often the worker is asked when nothing has happened.
const EVERY: Duration = Duration::from_secs(1);
/// How often when it is away.
const AWAY: Duration = Duration::from_secs(5);
/// The most events of one answer.
const LIMIT: &str = "1000";

/// Prints the events after a number, and says after which one to go on. `again` makes the client anew: a worker that is started again
/// has another token beside its store.
pub(super) async fn list(
    args: &EventsListArgs,
    mut worker: AdminClient,
    again: impl Fn() -> Result<AdminClient, CliError>,
    clock: &dyn Clock,
) -> Result<Exit, CliError> {
    let lines = EventLines::on_stdout();
    let mut after = args.after.clone().unwrap_or_else(|| if args.follow { "end" } else { "0" }.to_owned());
    // Before the first answer a fault is one of the command.
    let (mut reached, mut away) = (false, false);
    loop {
        let query = query(&[args.pairs(), vec![("after", &after), ("limit", LIMIT)]]);
        let page: EventFeed = match worker.get(&format!("/v1/events?{query}")).await {
            Err(error) if args.follow && reached && passes(&error) => {
                if !std::mem::replace(&mut away, true) {
                    output::note(&format!("{error}; it is asked again until it answers"));
                }
                clock.sleep(AWAY).await;
                worker = again().unwrap_or(worker);
                continue;
            }
            answer => answer?,
        };
        (reached, away) = (true, false);
        if args.json && !(args.follow && page.events.is_empty()) {
            output::line(&json!(page).to_string())?;
        } else {
            for event in &page.events {
                for line in lines.of(&event.to_string()) {
                    output::line(&line)?;
                }
            }
        }
        after = page.after.to_string();
        match (page.more, args.follow) {
            (true, _) => {}
            (false, true) => clock.sleep(EVERY).await,
            (false, false) => {
                output::note(&format!("go on with --after {after}"));
                return Ok(Exit::Ok);
            }
        }
    }
}

/// Whether a worker that is started again can answer otherwise.
fn passes(error: &CliError) -> bool {
    error.exit == Exit::Unreachable
        || matches!(error.code, Code::StoreUnavailable | Code::TimedOut | Code::Busy | Code::Unauthorized)
}
