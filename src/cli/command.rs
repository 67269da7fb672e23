//! `cancel`, `resume`, `approve` and `release`: commands on named jobs, or on all that a filter means if their number is the expected one.

use serde_json::json;

use super::args::{CommandArgs, MandateArgs, ReleaseArgs};
use super::client::{AdminClient, query, segment};
use super::exit::{CliError, Exit};
use super::job_table::{JobTable, TableStyle};
use super::{output, shell};
use crate::admin::{BulkDone, DeclinedJob, Matching};
use crate::engine::decide::command::Command;
use crate::engine::record::{Record, State};

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
        false => told(&record, command),
    };
    output::line(&line)
}

/// What became of a job, and on whose word.
fn told(record: &Record, command: Command) -> String {
    let mandate = record.commands.last().map(|commanded| format!(" {}", commanded.mandate)).unwrap_or_default();
    let goes_on = match (command, record.state()) {
        (Command::Cancel, State::Cancelled) => String::new(),
        (Command::Cancel, _) => "; what it wrote is being put back".to_owned(),
        (_, state) => format!("; it is {} now", state.as_str()),
    };
    format!("{}/{} {}{mandate}{goes_on} (uid {})", record.requester, record.job.id, past(command), record.uid)
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
        false => JobTable::new(TableStyle::on_stdout(false)).rows(&found.jobs),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    if total == 0 {
        return Ok(Exit::Ok);
    }
    if shown < total {
        output::note(&format!("the newest {shown} of {total} jobs are shown"));
    }
    let confirmed = confirmed(args, command, total);
    Err(CliError::failed(format!("jobs that match: {total}; nothing was done. To {command} them: {confirmed}")))
}

/// The command line that commands the jobs that match.
fn confirmed(args: &CommandArgs, command: Command, total: usize) -> String {
    let mut words = vec!["crossgrant".to_owned(), command.to_string()];
    words.extend(args.filter.words());
    words.extend(["--expect-count".to_owned(), total.to_string()]);
    shell::line(&words)
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
    output::line(&format!("{}: {}, declined: {}", past(command), all.done, all.declined.len()))
}

fn past(command: Command) -> &'static str {
    match command {
        Command::Cancel => "cancelled",
        Command::Resume => "resumed",
        Command::Approve => "approved",
        Command::Release => "released",
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::admin::testing::{at, record};
    use crate::cli::args::{Cli, CliCommand, WorkerCommand};
    use crate::domain::Reason;
    use crate::engine::record::{Commanded, Ending, Mandate, Phase};

    #[test]
    fn the_command_that_confirms_can_be_pasted() {
        let typed = ["crossgrant", "resume", "--for", "gave-up", "--half-done", "--label", "by=the bot", "--json"];
        let CliCommand::Worker(command) = Cli::parse_from(typed).command else { unreachable!("it asks the worker") };
        let WorkerCommand::Resume(args) = *command else { unreachable!("it resumes") };
        assert_eq!(
            confirmed(&args, Command::Resume, 3),
            "crossgrant resume --for gave-up --half-done --label 'by=the bot' --expect-count 3"
        );
    }

    #[test]
    fn the_options_of_a_group_of_the_status_are_taken_and_said_again() {
        let options = "--for gave-up --half-done=false --overdue --blames 1688000000000001";
        let typed = format!("crossgrant resume {options}");
        let CliCommand::Worker(command) = Cli::parse_from(typed.split(' ')).command else { unreachable!("it asks") };
        let WorkerCommand::Resume(args) = *command else { unreachable!("it resumes") };
        let pairs = [("for", "gave-up"), ("half-done", "false"), ("overdue", "true"), ("blames", "1688000000000001")];
        assert_eq!(args.filter.pairs(), pairs);
        assert_eq!(confirmed(&args, Command::Resume, 3), format!("{typed} --expect-count 3"));
        assert!(Cli::try_parse_from(["crossgrant", "jobs", "--half-done", "false"]).is_err(), "it hangs on its option");
    }

    #[test]
    fn what_became_of_a_job_is_said_once() {
        let mandate = Mandate { by: Some("ann".into()), ..Mandate::from("lead") };
        let commands = vec![Commanded { command: "resume".into(), at: at("2026-11-21T10:20:00Z"), mandate }];
        let job = Record { commands, ..record("NET-1") };
        let said = |job: &Record, command| told(job, command).replace(&format!(" (uid {})", job.uid), "");
        assert_eq!(said(&job, Command::Resume), "ticketing/NET-1 resumed by ann (token lead); it is queued now");
        let back = "ticketing/NET-1 cancelled by ann (token lead); what it wrote is being put back";
        assert_eq!(said(&job, Command::Cancel), back);
        let ending = Ending { reason: Reason::CancelledByOperator, message: "cancelled".into(), findings: vec![] };
        let phase = Phase::Ended { state: State::Cancelled, ending, at: at("2026-11-21T10:20:00Z") };
        assert_eq!(said(&Record { phase, ..job }, Command::Cancel), "ticketing/NET-1 cancelled by ann (token lead)");
    }
}
