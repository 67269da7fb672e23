//! A command on many jobs: how many there are, which, and the button that carries their number.

use maud::{Markup, html};

use super::asked::{Asked, query};
use super::jobs::table;
use super::mark::{code, command as button, job_link, said};
use super::now::{capital, jobs as of_jobs};
use super::trouble::Trouble;
use super::view::{Shown, View};
use crate::admin::{BulkDone, Matching};

/// The commands that there are for many jobs, and what each does.
const COMMANDS: [(&str, &str); 3] = [
    ("resume", "Lets each of these parked jobs go on from its step. What is not parked is left alone."),
    ("approve", "Lets each of these jobs begin, past the hourly limit that has parked it."),
    ("cancel", "Ends each of these jobs: at once if nothing was written, by putting back what was written otherwise."),
];

/// Which of the commands an address names.
fn named(asked: &Asked) -> Result<(&'static str, &'static str), Trouble> {
    let word = asked.named("command");
    let found = COMMANDS.into_iter().find(|(command, _)| *command == word);
    found.ok_or_else(|| Trouble::none(format!("there is no command {word} on many jobs")))
}

/// The filter of the address.
fn filter(asked: &Asked) -> String {
    let asks = asked.parameters();
    query(asks.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(|(key, _)| *key != "limit"))
}

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let ((command, does), filter) = (named(asked)?, filter(asked));
    let sample = if filter.is_empty() { "limit=20".to_owned() } else { format!("{filter}&limit=20") };
    let Matching { total, jobs } = asked.get(&format!("/v1/bulk/{command}?{sample}")).await?;
    let content = html! {
        p.crumb { a href=(format!("/jobs?{filter}")) { "Jobs" } }
        h1 { (capital(command)) " " (of_jobs(total)) }
        (asks(&filter))
        @if total == 0 { p.calm { "No job matches." } }
        @else {
            (button(
                asked,
                &format!("/bulk/{command}?{filter}"),
                &format!("{} {total}", capital(command)),
                &format!("{does} Does nothing if the number has changed by then."),
                command == "cancel",
                &[("expect", total.to_string())],
            ))
            h2 { @if jobs.len() < total { "The newest " (jobs.len()) " of them" } @else { "These jobs" } }
            (table(&jobs, &asked.moments()))
        }
    };
    Ok(View::of(format!("{} jobs", capital(command)), content))
}

/// The filter in words.
fn asks(filter: &str) -> Markup {
    let pairs = super::asked::parameters(filter);
    html! {
        @if pairs.is_empty() { p.lead { "All jobs that have not ended." } }
        @else { p.lead { @for (key, value) in &pairs { span.tag { (said(key)) " " (said(value)) } " " } } }
    }
}

pub(super) async fn command(asked: &Asked) -> Result<Shown, Trouble> {
    let ((command, _), filter) = (named(asked)?, filter(asked));
    let expect = asked.field("expect").unwrap_or_default().to_owned();
    let said_with = asked.mandate()?;
    let mut with = said_with.iter().map(|(key, value)| (*key, value.as_str())).collect::<Vec<_>>();
    with.push(("expect", expect.as_str()));
    let with = query(with);
    let sent = if filter.is_empty() { with } else { format!("{filter}&{with}") };
    let BulkDone { done, declined, left, before } =
        asked.post(&format!("/v1/bulk/{command}?{sent}"), String::new()).await?;
    let rest = before.map(|before| {
        let before = before.to_string();
        let more = query([("before", before.as_str())]);
        if filter.is_empty() { more } else { format!("{filter}&{more}") }
    });
    let content = html! {
        p.crumb { a href=(format!("/jobs?{filter}")) { "Jobs" } }
        h1 { (capital(command)) ": done for " (of_jobs(done)) }
        @if left > 0 {
            p { (left) " older ones are left: one call reaches a thousand." }
            @if let Some(rest) = rest { p { a.act href=(format!("/bulk/{command}?{rest}")) { "Go on with these" } } }
        }
        @if !declined.is_empty() {
            h2 { "Declined for " (declined.len()) }
            ul { @for job in &declined { li { (job_link(job.uid, job.id.as_str())) " " (code(job.code.as_str())) " " (said(&job.message)) } } }
        }
        p { a href="/" { "Now" } }
    };
    Ok(Shown::View(View::of("Done", content)))
}
