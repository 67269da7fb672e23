//! `batch`: batches of a running worker.

use std::collections::BTreeMap;

use serde_json::json;

use super::args::{BatchCommand, BatchListArgs, BatchShowArgs};
use super::client::{AdminClient, segment};
use super::dead_text::fault_lines;
use super::exit::{CliError, Exit};
use super::moments::Moments;
use super::output;
use super::text::unsent;
use crate::admin::{BatchPage, BatchRow, BatchView};
use crate::engine::batch::Batch;
use crate::engine::record::State;

/// How many rejected messages are shown with a batch.
const SHOWN: usize = 5;

/// Carries out a command of the group.
pub(super) async fn batch(command: &BatchCommand, worker: &AdminClient) -> Result<Exit, CliError> {
    match command {
        BatchCommand::List(args) => list(args, worker).await,
        BatchCommand::Show(args) => show(args, worker).await,
    }
}

async fn list(args: &BatchListArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.open.then_some(("open", "true")));
    query.extend_pairs(args.before.as_ref().map(|before| ("before", before)));
    query.append_pair("limit", &args.limit.to_string());
    let page: BatchPage = worker.get(&format!("/v1/batches?{}", query.finish())).await?;
    let lines = match args.json {
        true => page.batches.iter().map(|batch| json!(batch).to_string()).collect(),
        false if page.batches.is_empty() => vec![],
        false => table(&page.batches, &Moments::on_stdout()),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    if let Some(next) = page.next {
        let open = if args.open { " --open" } else { "" };
        output::note(&format!("more: crossgrant batch list{open} --before {next}"));
    } else if page.batches.is_empty() && !args.json {
        output::note("no batch matches");
    }
    Ok(Exit::Ok)
}

async fn show(args: &BatchShowArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let view: BatchView = worker.get(&format!("/v1/batches/{}", segment(&args.batch))).await?;
    let lines = match args.json {
        true => vec![json!(view).to_string()],
        false => page(&view, &Moments::on_stdout()),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    Ok(Exit::Ok)
}

/// One row for each batch, under a heading.
fn table(batches: &[BatchRow], moments: &Moments) -> Vec<String> {
    let heading = ["ACCEPTED", "STATE", "CAME", "REQUESTER/ID", "JOBS"].map(str::to_owned);
    let row = |row: &BatchRow| {
        let BatchRow { batch, accepted, states } = row;
        [
            moments.say(batch.accepted_at),
            state(batch).to_owned(),
            format!("{accepted} of {}", batch.terms.size),
            format!("{}/{}", batch.requester, batch.terms.id),
            counts(states),
        ]
    };
    let rows: Vec<[String; 5]> = std::iter::once(heading).chain(batches.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..4).map(width).collect();
    let line = |row: &[String; 5]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>() + &row[4]
    };
    rows.iter().map(line).collect()
}

pub(crate) fn state(batch: &Batch) -> &'static str {
    match (batch.ended_at, &batch.stopped) {
        (Some(_), _) => "ended",
        (None, Some(_)) => "stops",
        (None, None) => "open",
    }
}

pub(crate) fn counts(states: &BTreeMap<State, u64>) -> String {
    let words: Vec<String> = states.iter().map(|(state, jobs)| format!("{state}: {jobs}")).collect();
    words.join(", ")
}

fn page(view: &BatchView, moments: &Moments) -> Vec<String> {
    let BatchRow { batch, accepted, states } = &view.batch;
    let field = |name: &str, value: String| format!("  {name:<12} {value}");
    let mut lines = vec![
        format!("batch {} · {}", batch.terms.id, state(batch)),
        field("uid", batch.uid.to_string()),
        field("requester", batch.requester.to_string()),
        field("jobs", format!("{accepted} of {} came; {}", batch.terms.size, counts(states))),
        field("on failure", batch.terms.on_failure.to_string()),
        field("accepted", moments.say(batch.accepted_at)),
    ];
    lines.extend(batch.stopped.as_ref().map(|stopped| {
        field("stopped", format!("{}, because {} ended without its result", moments.say(stopped.at), stopped.job))
    }));
    match batch.ended_at {
        Some(at) => lines.push(field("ended", moments.say(at))),
        None if *accepted < batch.terms.size => lines.push(field("closes", moments.say(batch.closes_at))),
        None => {}
    }
    for rejected in view.rejected.iter().take(SHOWN) {
        let fault = fault_lines(rejected).next().unwrap_or_default();
        let job = rejected.job_id.as_deref().unwrap_or("a message");
        lines.push(field("rejected", format!("{job}: {fault}; crossgrant dead show {}", rejected.uid)));
    }
    if let Some(more) = view.rejected.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(field("", format!("and {more} more: crossgrant dead list --each --requester {}", batch.requester)));
    }
    lines.extend(view.webhooks.iter().map(|webhook| field("webhook", unsent(webhook, moments))));
    lines.push(field("next", format!("crossgrant jobs --batch {}", batch.uid)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::moments::tests::piped;
    use crate::domain::{BatchId, BatchTerms, JobUid, OnFailure, Requester};
    use crate::engine::batch::Stopped;
    use crate::engine::ports::store::Rejected;
    use crate::engine::record::Origin;

    fn row() -> BatchRow {
        let terms =
            BatchTerms { id: BatchId::parse("MOVE-7").unwrap(), size: 3, on_failure: OnFailure::Stop, not_after: None };
        let now = "2026-11-21T10:20:00Z".parse().unwrap();
        let batch = Batch::new(Requester::parse("tickets").unwrap(), terms, Origin::default(), now);
        BatchRow { batch, accepted: 2, states: [(State::Queued, 1), (State::Failed, 1)].into() }
    }

    #[test]
    fn a_row_tells_how_far_a_batch_has_come() {
        let lines = table(&[row()], &piped());
        assert_eq!(lines[0], "ACCEPTED              STATE  CAME    REQUESTER/ID    JOBS");
        assert_eq!(lines[1], "2026-11-21T10:20:00Z  open   2 of 3  tickets/MOVE-7  queued: 1, failed: 1");
    }

    #[test]
    fn a_page_tells_why_it_stopped_and_how_long_it_waits_for_jobs() {
        let mut batch = row();
        let job = crate::domain::JobId::parse("j-1").unwrap();
        batch.batch.stopped = Some(Stopped { at: batch.batch.accepted_at, job });
        let rejected = |n: u32| Rejected {
            uid: JobUid(uuid::Uuid::from_u128(n.into())),
            at: batch.batch.accepted_at,
            requester: batch.batch.requester.clone(),
            job_id: Some(format!("j-{n}")),
            batch_id: Some(batch.batch.terms.id.clone()),
            reasons: json!([{"at": "/kind", "code": "job-bad-value", "message": "no kind"}]),
            faults_not_listed: 0,
        };
        let rejected = (2..9).map(rejected).collect();
        let text = page(&BatchView { batch, events: vec![], rejected, webhooks: vec![] }, &piped()).join("\n");
        assert!(text.starts_with("batch MOVE-7 · stops\n"), "{text}");
        assert!(
            text.contains("rejected     j-2: /kind: no kind [job-bad-value]; crossgrant dead show 00000000-"),
            "{text}"
        );
        assert!(text.contains("and 2 more: crossgrant dead list --each --requester tickets\n"), "{text}");
        assert!(text.contains("because j-1 ended without its result"), "{text}");
        assert!(text.contains("closes       2026-11-22T10:20:00Z"), "{text}");
    }
}
