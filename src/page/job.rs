//! One job: why it is where it is, how both accounts stand, its steps, what has happened, who else is on its instance, and the
//! commands that work now.

use maud::{Markup, html};
use serde_json::{Value, json};

use super::asked::{Asked, query, segment};
use super::mark::{account_link, command as button, done, instance_link, job_link, said, sentence, standing, when};
use super::now::capital;
use super::sides::sides;
use super::steps::steps;
use super::timeline::timeline;
use super::trouble::Trouble;
use super::view::{Live, Shown, View};
use crate::admin::{AdminRole, JobPage, JobRow, JobView};
use crate::cli::{in_force, why};
use crate::engine::decide::command::Command;
use crate::engine::record::Record;

/// What was done, said when the job is shown after it.
const DONE: [(&str, &str); 4] = [
    ("cancel", "The cancel is under way."),
    ("resume", "The job goes on."),
    ("approve", "The job is approved."),
    ("release", "The other jobs on the instance go on."),
];

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let view: JobView = asked.get(&format!("/v1/jobs/{}", segment(asked.named("reference")))).await?;
    let (record, job, moments) = (&view.job, &view.job.job, asked.moments());
    let others = match asked.may(AdminRole::Reader) {
        true => queue(asked, record).await?,
        false => vec![],
    };
    let findings = record.phase.ending().into_iter().flat_map(|ending| &ending.findings);
    let findings: Vec<&String> = findings.collect();
    let since = view.events.last().and_then(|event| in_force(event, &moments));
    let content = html! {
        (done(asked, &DONE))
        p.crumb { a href="/jobs" { "Jobs" } }
        section data-part="why" {
            h1 { (job.kind) " " (said(job.id.as_str())) " " (standing(record)) }
            p.why { (sentence(why(record, &view.explanation))) }
            dl.explained {
                div { dt { "Next" } dd { (sentence(&view.explanation.next)) } }
                @if let Some(until) = view.explanation.until { div { dt { "Until" } dd { (when(until, &moments)) } } }
                @if let Some(at) = view.explanation.gives_up { div { dt { "Gives up" } dd { (when(at, &moments)) ", and is parked then" } } }
                @if let Some(uid) = view.explanation.blocker { div { dt { "Blocked by" } dd { (job_link(uid, &uid.to_string())) } } }
                @if let Some(since) = since { div { dt { "In force" } dd { (since) } } }
            }
            @if !findings.is_empty() { h2 { "Findings" } ul { @for finding in findings { li { (said(finding)) } } } }
        }
        section data-part="commands" aria-label="Commands" { (commands(asked, &view)) }
        section data-part="sides" aria-labelledby="sides" { h2 #sides { "Both accounts" } (sides(record, &moments)) }
        section data-part="steps" aria-labelledby="steps" { h2 #steps { "Steps" } (steps(record, &view.steps)) }
        section data-part="timeline" aria-labelledby="timeline" { h2 #timeline { "What happened" } (timeline(&view, &moments)) }
        @if !others.is_empty() {
            section data-part="queue" aria-labelledby="queue" {
                h2 #queue { "Open jobs on this instance" }
                ol.queue { @for row in &others { (in_queue(row, record)) } }
            }
        }
        section data-part="facts" aria-labelledby="facts" { h2 #facts { "Request" } (facts(record, asked)) }
        details id="raw" {
            summary { "The record as JSON" }
            pre tabindex="0" { (crate::domain::visible_lines(&serde_json::to_string_pretty(&json!(record)).unwrap_or_default())) }
        }
    };
    let title = format!("{} {}", job.id, record.state().as_str());
    Ok(View::of(title, content).live(Live::Job(record.uid.to_string())))
}

/// The jobs on the instance that have not ended, in the order in which they came.
async fn queue(asked: &Asked, record: &Record) -> Result<Vec<JobRow>, Trouble> {
    let filter =
        [("instance", record.job.instance.id.as_str()), ("state", "queued,running,waiting,parked"), ("limit", "50")];
    let page: JobPage = asked.get(&format!("/v1/jobs?{}", query(filter))).await?;
    Ok(page.jobs.into_iter().rev().collect())
}

fn in_queue(row: &JobRow, this: &Record) -> Markup {
    let record = &row.job;
    html! {
        li aria-current=[(record.uid == this.uid).then_some("true")] {
            @if record.uid == this.uid { strong { (said(record.job.id.as_str())) } " this job" }
            @else { (job_link(record.uid, record.job.id.as_str())) }
            " " (record.job.kind) " " (standing(record)) " " span.hint { (said(record.requester.as_str())) }
        }
    }
}

/// The commands that work now, each with what it does.
fn commands(asked: &Asked, view: &JobView) -> Markup {
    let works = |command: &Command| view.commands.iter().any(|word| word == command.as_str());
    let role = |command: &Command| if *command == Command::Approve { AdminRole::Approver } else { AdminRole::Operator };
    let order = [Command::Approve, Command::Resume, Command::Cancel, Command::Release];
    let may: Vec<Command> = order.into_iter().filter(works).filter(|command| asked.may(role(command))).collect();
    html! {
        @if !may.is_empty() {
            h2 { "What you can do" }
            div.commands {
                @for command in may {
                    (button(
                        asked,
                        &format!("/jobs/{}/{command}", view.job.uid),
                        &capital(command.as_str()),
                        does(command, &view.job),
                        matches!(command, Command::Cancel | Command::Release),
                        &[],
                    ))
                }
            }
        }
    }
}

/// What a command does to this job.
fn does(command: Command, record: &Record) -> &'static str {
    let back = record.undo.is_some();
    match command {
        Command::Approve => "The job starts, past the hourly limit that has parked it.",
        Command::Resume if back => "The job goes on putting back what it wrote.",
        Command::Resume if record.wait.is_some() => "The job goes on waiting for the hour.",
        Command::Resume => "The job reads both accounts again and goes on from its step.",
        Command::Cancel if record.has_written() => "What the job wrote is put back, and the job ends as cancelled.",
        Command::Cancel => "The job ends as cancelled. It has written nothing.",
        Command::Release => "The other jobs on this instance go on. What this job wrote stays as it is.",
    }
}

fn facts(record: &Record, asked: &Asked) -> Markup {
    let (job, moments) = (&record.job, asked.moments());
    html! {
        dl.facts {
            div { dt { "Instance" } dd { (job.instance.kind) " " (instance_link(&job.instance.id)) } }
            div { dt { "Region" } dd { (said(&job.instance.region.to_string())) } }
            div { dt { "Resource account" } dd { (account_link(&job.instance.owner)) } }
            div { dt { "CEN" } dd { a.id href=(format!("/jobs?cen={}", segment(job.cen.id.as_str()))) { (job.cen.id) } } }
            div { dt { "Transit-router account" } dd { (account_link(&job.cen.owner)) } }
            @if let Some(payer) = job.order_type { div { dt { "Payer asked for" } dd { (payer) } } }
            div { dt { "Requester" } dd { a href=(format!("/jobs?{}", query([("requester", record.requester.as_str())]))) { (said(record.requester.as_str())) } } }
            @if let Some(batch) = record.batch() { div { dt { "Batch" } dd { a href=(format!("/batches/{batch}")) { (batch) } } } }
            @for (name, value) in &job.labels { div { dt { (said(name)) } dd { (said(value)) } } }
            div { dt { "Accepted" } dd { (when(record.accepted_at, &moments)) } }
            @if let Some(at) = record.approved_at { div { dt { "Approved" } dd { (when(at, &moments)) } } }
            @if let Some(at) = record.phase.finished_at() { div { dt { "Ended" } dd { (when(at, &moments)) } } }
            div { dt { "Attempts" } dd { (record.attempts) } }
            div { dt { "API calls" } dd { (record.calls) } }
            div { dt { "Uid" } dd.id { (record.uid) } }
        }
    }
}

/// Carries out a command on the job.
pub(super) async fn command(asked: &Asked) -> Result<Shown, Trouble> {
    let word = asked.named("command");
    let command = Command::parse(word).ok_or_else(|| Trouble::none(format!("there is no command {word}")))?;
    let said = asked.mandate()?;
    let said = query(said.iter().map(|(key, value)| (*key, value.as_str())));
    let job = segment(asked.named("reference"));
    asked.post::<Value>(&format!("/v1/jobs/{job}/{command}?{said}"), String::new()).await?;
    Ok(Shown::See(format!("/jobs/{job}?done={command}")))
}
