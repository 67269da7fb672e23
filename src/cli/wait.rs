//! `wait`: returns when a job goes on no more by itself, or when no job matches a filter any more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::args::WaitArgs;
use super::client::{AdminClient, segment};
use super::exit::{CliError, Exit};
use super::output;
use super::progress::ProgressLine;
use crate::admin::{JobPage, JobView};
use crate::clock::{Clock, SystemClock};
use crate::domain::{Code, Job, spoken};
use crate::engine::record::State;

/// How often the worker is asked.
const EVERY: Duration = Duration::from_secs(2);
/// The states of jobs that go on by themselves.
const GOES_ON: &str = "queued,running,waiting";
/// How many pages of jobs are counted at the end.
const PAGES: usize = 100;

/// Waits for a job, or until no job matches. If the filter names no state of jobs, until none of them goes on by itself; then it tells what
/// became of all of them.
pub(super) async fn wait(args: &WaitArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    match &args.job {
        Some(job) => wait_for(job, args, worker).await,
        None => wait_for_all(args, worker).await,
    }
}

/// Waits until one job has ended or is parked.
async fn wait_for(job: &str, args: &WaitArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let (clock, progress) = (SystemClock, ProgressLine::new());
    let began = clock.uptime();
    loop {
        let record = worker.get::<JobView>(&format!("/v1/jobs/{}", segment(job))).await?.job;
        let state = record.state();
        if state.is_terminal() || state == State::Parked {
            progress.clear();
            let states = BTreeMap::from([(state, 1)]);
            output::line(&match args.json {
                true => json!({"jobs": states}).to_string(),
                false => format!("{}/{} {}: {}", record.requester, record.job.id, state.as_str(), record.why),
            })?;
            return Ok(exit(&states));
        }
        progress.show(&format!("{} · {} {}", state.as_str(), record.job.kind, record.job.id));
        if let Some(timeout) = args.timeout.filter(|timeout| clock.uptime().saturating_sub(began) >= *timeout) {
            progress.clear();
            let message = format!("{job} is {} after {}", state.as_str(), spoken(timeout));
            return Err(CliError::failed(message).code(Code::WaitedEnough));
        }
        clock.sleep(EVERY).await;
    }
}

async fn wait_for_all(args: &WaitArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let filter = &args.filter;
    let is_of_states = filter.state.is_some()
        || filter.reasons.is_some()
        || filter.half_done.as_deref() == Some("true")
        || filter.overdue
        || filter.held;
    let mut pairs = filter.pairs();
    if !is_of_states {
        pairs.push(("state", GOES_ON));
    }
    let clock = SystemClock;
    let (began, progress) = (clock.uptime(), ProgressLine::new());
    loop {
        let page = page(worker, &pairs, None, 1).await?;
        let Some(first) = page.jobs.first().map(|row| &row.job) else {
            // The worker has looked at as many jobs as it does for one answer, and found none.
            if page.next.is_some() {
                return Err(CliError::usage("too many jobs to look through; narrow the filter"));
            }
            break;
        };
        progress.show(&format!("{} · {} {}", first.state().as_str(), first.job.kind, first.job.id));
        if args.timeout.is_some_and(|timeout| clock.uptime().saturating_sub(began) >= timeout) {
            progress.clear();
            let (waited, Job { kind, id, .. }) = (spoken(args.timeout.unwrap_or_default()), &first.job);
            let message =
                format!("jobs still match after {waited}, such as {kind} {}/{id} (uid {})", first.requester, first.uid);
            return Err(CliError::failed(message).code(Code::WaitedEnough));
        }
        clock.sleep(EVERY).await;
    }
    progress.clear();
    if is_of_states {
        return Ok(Exit::Ok);
    }
    let states = states(args, worker).await?;
    let words: Vec<String> = states.iter().map(|(state, jobs)| format!("{state}: {jobs}")).collect();
    output::line(&match args.json {
        true => json!({"jobs": states}).to_string(),
        false if states.is_empty() => "no job matches".to_owned(),
        false => words.join(", "),
    })?;
    Ok(exit(&states))
}

/// Only jobs that came to what was asked for are good, and no job at all is none.
fn exit(states: &BTreeMap<State, u64>) -> Exit {
    let good = |state: &State| matches!(state, State::Completed | State::Planned);
    if !states.is_empty() && states.keys().all(good) { Exit::Ok } else { Exit::Failed }
}

async fn states(args: &WaitArgs, worker: &AdminClient) -> Result<BTreeMap<State, u64>, CliError> {
    let (mut states, mut before) = (BTreeMap::new(), None);
    for _ in 0..PAGES {
        let page = page(worker, &args.filter.pairs(), before, 1000).await?;
        for row in &page.jobs {
            *states.entry(row.job.state()).or_default() += 1;
        }
        before = page.next.map(|next| next.to_string());
        if before.is_none() {
            return Ok(states);
        }
    }
    Err(CliError::failed("none of the jobs goes on, but there are too many to count; narrow the filter"))
}

async fn page(
    worker: &AdminClient,
    pairs: &[(&str, &str)],
    before: Option<String>,
    limit: usize,
) -> Result<JobPage, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).append_pair("limit", &limit.to_string());
    query.extend_pairs(before.map(|before| ("before", before)));
    worker.get(&format!("/v1/jobs?{}", query.finish())).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_asked_for_is_a_success() {
        let of = |states: &[State]| exit(&states.iter().map(|state| (*state, 1)).collect());
        assert_eq!(of(&[State::Completed, State::Planned]), Exit::Ok);
        for state in [State::Parked, State::Failed, State::Cancelled, State::Superseded] {
            assert_eq!(of(&[State::Completed, state]), Exit::Failed, "{state}");
        }
        assert_eq!(of(&[]), Exit::Failed, "a filter that no job matches is mistyped");
    }
}
