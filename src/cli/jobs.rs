//! `jobs` and `show`: jobs of a running worker.

use serde_json::json;

use super::args::{DEFAULT_LIMIT, JobsArgs, ShowArgs};
use super::client::{AdminClient, segment};
use super::exit::{CliError, Exit};
use super::job_table::{JobTable, TableStyle};
use super::moments::Moments;
use super::screen::Screen;
use super::terminal::{columns, folded};
use super::{output, shell, text};
use crate::admin::{JobPage, JobView};
use crate::domain::JobUid;
use crate::engine::record::State;

/// The most jobs that the worker answers with at once.
const PAGE: usize = 1000;

/// Lists jobs, page after page.
pub(super) async fn jobs(args: &JobsArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut table = JobTable::new(TableStyle::on_stdout(args.output.is_some()));
    let (mut left, mut before) = (if args.all { usize::MAX } else { args.limit }, args.before.clone());
    let mut shown = 0;
    loop {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(args.filter.pairs());
        query.extend_pairs(before.as_ref().map(|before| ("before", before)));
        query.append_pair("limit", &left.min(PAGE).to_string());
        let page: JobPage = worker.get(&format!("/v1/jobs?{}", query.finish())).await?;
        let lines = match args.json {
            true => page.jobs.iter().map(|job| json!(job).to_string()).collect(),
            false => table.rows(&page.jobs),
        };
        lines.iter().try_for_each(|line| output::line(line))?;
        left = left.saturating_sub(page.jobs.len());
        shown += page.jobs.len();
        let Some(next) = page.next else {
            if shown == 0 && !args.json {
                output::note("no job matches");
            }
            note_unreadable(page.unreadable);
            return Ok(Exit::Ok);
        };
        // A short page means that the worker has read as many jobs as it does for one answer.
        if left == 0 || (!args.all && page.jobs.len() < PAGE) {
            note_unreadable(page.unreadable);
            output::note(&format!("more: {}", more(args, next)));
            return Ok(Exit::Ok);
        }
        before = Some(next.to_string());
    }
}

fn note_unreadable(rows: usize) {
    if rows > 0 {
        output::note(&format!(
            "jobs and batches that cannot be read and are left out: {rows}; see `crossgrant status`"
        ));
    }
}

/// The command for the next page.
fn more(args: &JobsArgs, next: JobUid) -> String {
    let mut words = vec!["crossgrant".to_owned(), "jobs".to_owned()];
    words.extend(args.filter.words());
    if args.limit != DEFAULT_LIMIT {
        words.extend(["--limit".to_owned(), args.limit.to_string()]);
    }
    words.extend(["--before".to_owned(), next.to_string()]);
    shell::line(&words)
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
            folded(text::page(&view, &Moments::on_stdout()), columns(std::io::stdout()), text::INDENT)
        })?;
        if state.is_terminal() || state == State::Parked || !screen.again().await {
            return Ok(Exit::Ok);
        }
    }
}
