//! `cancel`, `resume`, `approve` and `release`: commands on named jobs, or on all that a filter means if their number is the expected one.

use serde_json::json;

use super::args::{CommandArgs, MandateArgs, ReleaseArgs};
use super::client::{AdminClient, query, segment};
use super::exit::{CliError, Exit};
use super::{output, text};
use crate::admin::{BulkDone, DeclinedJob, Matching};
use crate::engine::decide::command::Command;
use crate::engine::record::Record;

/// Carries out a command.
pub(super) async fn command(args: &CommandArgs, command: Command, worker: &AdminClient) -> Result<Exit, CliError> {
    let named = |job| named(job, &args.mandate, args.json, command, worker);
    match (args.jobs.as_slice(), args.expect_count) {
        ([], None) => list(args, command, worker).await,
        ([], Some(expected)) => bulk(args, command, expected, worker).await,
        ([job], _) => named(job).await.map(|()| Exit::Ok),
        (jobs, _) => each(jobs, args, command, worker).await,
    }
}

/// Lets the other jobs on the instance of one job go on.
pub(super) async fn release(args: &ReleaseArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    named(&args.job, &args.mandate, args.json, Command::Release, worker).await.map(|()| Exit::Ok)
}

async fn named(
    job: &str,
    mandate: &MandateArgs,
    as_json: bool,
    command: Command,
    worker: &AdminClient,
) -> Result<(), CliError> {
    let path = format!("/v1/jobs/{}/{command}?{}", segment(job), query(&[mandate.pairs()]));
    let record: Record = worker.post(&path).await?;
    let line = match as_json {
        true => json!(record).to_string(),
        false => format!("{} {}: {}", record.uid, record.state().as_str(), record.why),
    };
    output::line(&line)
}

/// Commands several named jobs, each for itself. What concerns one of them does not stop the others.
async fn each(jobs: &[String], args: &CommandArgs, command: Command, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut declined = 0;
    for job in jobs {
        match named(job, &args.mandate, args.json, command, worker).await {
            Ok(()) => {}
            Err(error) if error.exit == Exit::Failed => {
                declined += 1;
                let line = match args.json {
                    true => json!({"job": job, "code": error.code, "message": error.message}).to_string(),
                    false => format!("{job} declined: {error}"),
                };
                output::line(&line)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(if declined == 0 { Exit::Ok } else { Exit::Failed })
}

/// Lists the jobs that match, and says how to command them.
async fn list(args: &CommandArgs, command: Command, worker: &AdminClient) -> Result<Exit, CliError> {
    let found: Matching = worker.get(&format!("/v1/bulk/{command}?{}", query(&[args.filter.pairs()]))).await?;
    let (total, shown) = (found.total, found.jobs.len());
    let lines = match args.json {
        true => found.jobs.iter().map(|row| json!(row).to_string()).collect(),
        false if total == 0 => vec!["no job matches".to_owned()],
        false => text::table(&found.jobs),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    if total == 0 {
        return Ok(Exit::Ok);
    }
    if shown < total {
        tracing::warn!(shown, total, "only the newest jobs are shown");
    }
    Err(CliError::failed(format!("jobs that match: {total}; to {command} them, add --expect-count {total}")))
}

/// Commands the jobs that match. The worker takes up to a thousand a call, and says how many are left for the next one.
async fn bulk(args: &CommandArgs, command: Command, expected: usize, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut all = BulkDone { done: 0, declined: Vec::new(), left: expected, before: None };
    loop {
        let mut page = vec![("expect", all.left.to_string())];
        page.extend(all.before.map(|before| ("before", before.to_string())));
        let page = page.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = query(&[args.filter.pairs(), args.mandate.pairs(), page]);
        let answer: Result<BulkDone, CliError> = worker.post(&format!("/v1/bulk/{command}?{query}")).await;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) if all.done > 0 => {
                tell(args, command, &all)?;
                return Err(error.hint("what was done before stays; list the others again"));
            }
            Err(error) => return Err(error),
        };
        all.done += answer.done;
        all.declined.extend(answer.declined);
        (all.left, all.before) = (answer.left, answer.before);
        if all.left == 0 || all.before.is_none() {
            break;
        }
    }
    tell(args, command, &all)?;
    Ok(if all.declined.is_empty() { Exit::Ok } else { Exit::Failed })
}

fn tell(args: &CommandArgs, command: Command, all: &BulkDone) -> Result<(), CliError> {
    if args.json {
        return output::line(&json!(all).to_string());
    }
    for DeclinedJob { uid, requester, id, code, message } in &all.declined {
        output::line(&format!("{uid} {requester}/{id} declined: {message} [{code}]"))?;
    }
    let done = match command {
        Command::Cancel => "cancelled",
        Command::Resume => "resumed",
        Command::Approve => "approved",
        Command::Release => "released",
    };
    output::line(&format!("{done}: {}, declined: {}", all.done, all.declined.len()))
}
