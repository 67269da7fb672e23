//! `jobs` and `show`: jobs of a running worker.

use serde_json::json;

use super::args::{JobsArgs, ShowArgs};
use super::client::{AdminClient, segment};
use super::exit::{CliError, Exit};
use super::moments::Moments;
use super::screen::Screen;
use super::{output, text};
use crate::admin::{JobPage, JobView};
use crate::engine::record::State;

/// Lists jobs.
pub(super) async fn jobs(args: &JobsArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.filter.pairs());
    query.extend_pairs(args.before.as_ref().map(|before| ("before", before)));
    query.append_pair("limit", &args.limit.to_string());
    let page: JobPage = worker.get(&format!("/v1/jobs?{}", query.finish())).await?;
    let lines = match args.json {
        true => page.jobs.iter().map(|job| json!(job).to_string()).collect(),
        false => text::table(&page.jobs),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    if let Some(next) = page.next {
        tracing::warn!("there are more jobs; for the next page: --before {next}");
    }
    Ok(Exit::Ok)
}

/// Prints one job: what it does or waits for, its images, writes and events. With `--watch` again, as it changes.
pub(super) async fn show(args: &ShowArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut screen = Screen::new(args.watch);
    loop {
        let view: JobView = worker.get(&format!("/v1/jobs/{}", segment(&args.job))).await?;
        let state = view.job.state();
        screen.show(&if args.json {
            vec![json!(view).to_string()]
        } else {
            text::page(&view, &Moments::on_stdout())
        })?;
        if state.is_terminal() || state == State::Parked || !screen.again().await {
            return Ok(Exit::Ok);
        }
    }
}
