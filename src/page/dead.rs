//! Dead messages: in groups; a rejected one with its faults marked in its body, and the way to mend it; one that could not be
//! published.

use http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;

use super::asked::{Asked, query, segment};
use super::mark::{age, code, command as button, done, said, when};
use super::trouble::Trouble;
use super::view::{Live, Shown, View};
use crate::admin::{AdminRole, DeadGroup, DeadGroups, RejectionPage, RejectionView, Undeliverable, UndeliverablePage};
use crate::cli::{faults, marked, undelivered_line};
use crate::domain::{JobUid, visible_lines};

/// What was done, said in the list.
const DONE: [(&str, &str); 2] = [("drop", "Deleted."), ("replay", "It will be sent again.")];

pub(super) async fn list(asked: &Asked) -> Result<View, Trouble> {
    let groups: DeadGroups = asked.get("/v1/dead").await?;
    let rejections: RejectionPage = asked.get("/v1/rejections?limit=50").await?;
    let messages: UndeliverablePage = asked.get("/v1/undeliverable?limit=50").await?;
    let moments = asked.moments();
    let content = html! {
        (done(asked, &DONE))
        section data-part="dead" {
            h1 { "Dead messages" }
            p.lead { (groups.rejected) " rejected, " (groups.undeliverable) " undeliverable." }
            @if !groups.groups.is_empty() {
                ul.needs { @for group in &groups.groups { (grouped(group, &moments)) } }
            }
        }
        @if !rejections.rejections.is_empty() {
            section data-part="rejected" {
                h2 { "Rejected, newest first" }
                div.wide {
                    table.cards {
                        thead { tr { th scope="col" { "Age" } th scope="col" { "Job" } th scope="col" { "Requester" } th scope="col" { "Faults" } } }
                        tbody {
                            @for rejected in &rejections.rejections {
                                tr {
                                    td.age { (age(rejected.at, &moments)) }
                                    th scope="row" { a href=(format!("/dead/{}", rejected.uid)) { (said(rejected.job_id.as_deref().unwrap_or("no id"))) } }
                                    td data-label="Requester" { (said(rejected.requester.as_str())) }
                                    td data-label="Faults" { @for (_, says) in faults(rejected).iter().take(3) { p.says { (said(says)) } } }
                                }
                            }
                        }
                    }
                }
                @if rejections.next.is_some() { p.hint { "Older ones: " code { "crossgrant dead list" } } }
            }
        }
        @if !messages.messages.is_empty() {
            section data-part="undeliverable" {
                h2 { "Undeliverable, oldest first" }
                div.wide {
                    table.cards {
                        thead { tr { th scope="col" { "Number" } th scope="col" { "Message" } th scope="col" { "Cause" } } }
                        tbody {
                            @for message in &messages.messages {
                                tr {
                                    th scope="row" { a href=(format!("/dead/{}", message.number)) { (message.number) } }
                                    td data-label="Message" { (said(&undelivered_line(message))) }
                                    td data-label="Cause" { (code(&message.cause)) }
                                }
                            }
                        }
                    }
                }
                @if messages.next.is_some() { p.hint { "Later ones: " code { "crossgrant dead list" } } }
            }
        }
    };
    Ok(View::of("Dead messages", content).live(Live::Everything))
}

fn grouped(group: &DeadGroup, moments: &crate::cli::Moments) -> Markup {
    html! {
        li.need {
            p.count { strong { (group.count) } }
            div {
                p.cause {
                    (group.what) " " (code(&group.cause))
                    @if let Some(requester) = &group.requester { " from " (said(requester.as_str())) }
                    @if let Some(to) = &group.to { " to " (said(to)) }
                    @if let Some(oldest) = group.oldest { span.hint { " oldest " (age(oldest, moments)) } }
                }
                @if !group.says.is_empty() { p.says { (said(&group.says)) } }
                p.hint { code { (said(&group.command)) } }
            }
        }
    }
}

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let id = asked.named("id");
    if id.parse::<JobUid>().is_ok() {
        let view: RejectionView = asked.get(&format!("/v1/rejections/{}", segment(id))).await?;
        return Ok(View::of("Rejected job", rejected(asked, &view)));
    }
    let number: i64 =
        id.parse().map_err(|_| Trouble::none(format!("{id} is neither a rejected job nor the number of a message")))?;
    let page: UndeliverablePage =
        asked.get(&format!("/v1/undeliverable?limit=1&after={}", number.saturating_sub(1))).await?;
    let found = page.messages.into_iter().find(|message| message.number == number);
    let message = found.ok_or_else(|| Trouble::none(format!("there is no undelivered message {number}")))?;
    Ok(View::of(format!("Message {number}"), undeliverable(asked, &message)))
}

fn rejected(asked: &Asked, view: &RejectionView) -> Markup {
    let rejected = &view.rejected;
    let message = view.message.as_ref();
    let places = faults(rejected);
    let (inside, outside): (Vec<_>, Vec<_>) =
        places.into_iter().partition(|(place, _)| place.is_empty() || place.starts_with('/'));
    let lines = message.filter(|message| message.exact).and_then(|message| marked(&message.body, &inside));
    html! {
        p.crumb { a href="/dead" { "Dead messages" } }
        h1 { "Rejected: " (said(rejected.job_id.as_deref().unwrap_or("no id"))) }
        dl.facts {
            div { dt { "Requester" } dd { (said(rejected.requester.as_str())) } }
            div { dt { "At" } dd { (when(rejected.at, &asked.moments())) } }
            div { dt { "Uid" } dd.id { (rejected.uid) } }
            @if let Some(message) = message {
                div { dt { "Content type" } dd { (said(&message.content_type)) } }
                @for (name, value) in &message.properties { div { dt { (said(name)) } dd { (said(value)) } } }
            }
        }
        @for (_, says) in outside.iter().chain(lines.is_none().then_some(&inside).into_iter().flatten()) { p.fault { (said(says)) } }
        @match (&lines, message) {
            (Some(lines), _) => {
                h2 { "The message, with its faults" }
                div.marked tabindex="0" role="group" aria-label="The message, with its faults" {
                    @for line in lines {
                        @match line.strip_prefix("> ") {
                            Some(fault) => p.fault { (said(fault)) },
                            None => p.line { (said(line)) },
                        }
                    }
                }
            },
            (None, Some(message)) => {
                h2 { "The message, as far as it is kept" }
                pre tabindex="0" { (visible_lines(&message.body)) }
            },
            (None, None) => p.hint { "The message was not kept." },
        }
        @if let Some(message) = message.filter(|message| message.exact) {
            h2 { "Mend it" }
            form.plan method="post" action="/plan" {
                input type="hidden" name="form" value=(asked.session.form);
                label for="job" { "The job, to be corrected" }
                textarea #job name="job" rows="16" spellcheck="false" { (said_lines(&message.body)) }
                button.act type="submit" { "Check and plan" }
            }
            p.hint {
                "A correct job is submitted by a requester, not by this page: " code { "crossgrant submit job.json --wait" }
                ". It is then a job of the one who submits it, who gets its answers."
            }
        }
        @if asked.may(AdminRole::Operator) {
            h2 { "Delete it" }
            (button(asked, &format!("/dead/{}/drop", rejected.uid), "Delete", "The message is gone for good. Its sender is not told.", true, &[]))
        }
    }
}

/// A body as it can be edited. One that is JSON stands on lines of its own.
fn said_lines(body: &str) -> String {
    let lines = marked(body, &[])
        .map(|lines| lines.iter().map(|line| line.get(2..).unwrap_or(line)).collect::<Vec<_>>().join("\n"));
    visible_lines(lines.as_deref().unwrap_or(body)).into_owned()
}

fn undeliverable(asked: &Asked, message: &Undeliverable) -> Markup {
    let number = message.number;
    html! {
        p.crumb { a href="/dead" { "Dead messages" } }
        h1 { "Undeliverable message " (number) }
        p { (said(&undelivered_line(message))) }
        dl.facts {
            div { dt { "Cause" } dd { (code(&message.cause)) } }
            @if let Some(at) = message.time { div { dt { "Event of" } dd { (when(at, &asked.moments())) } } }
        }
        @if asked.may(AdminRole::Operator) {
            h2 { "What you can do" }
            div.commands {
                (button(asked, &format!("/dead/{number}/replay"), "Send again", "The message goes into the outbox once more.", false, &[]))
                (button(asked, &format!("/dead/{number}/drop"), "Delete", "The message is gone for good.", true, &[]))
            }
        }
    }
}

/// Deletes a message, or sends it again.
pub(super) async fn command(asked: &Asked) -> Result<Shown, Trouble> {
    let (id, word) = (asked.named("id"), asked.named("command"));
    let is_rejected = id.parse::<JobUid>().is_ok();
    let path = match (is_rejected, word) {
        (true, "drop") => "/v1/rejections/drop",
        (false, "drop") => "/v1/undeliverable/drop",
        (false, "replay") => "/v1/undeliverable/replay",
        _ => return Err(Trouble::none(format!("there is no command {word} for it"))),
    };
    let said = asked.mandate()?;
    let named = [(if is_rejected { "uid" } else { "number" }, id)];
    let with = query(named.into_iter().chain(said.iter().map(|(key, value)| (*key, value.as_str()))));
    let answer: Value = asked.post(&format!("{path}?{with}"), String::new()).await?;
    let done = ["dropped", "replayed"].iter().filter_map(|count| answer.get(count)?.as_u64()).sum::<u64>();
    if done == 0 {
        let why = "nothing was done: the message is gone already, or what its sender is told of it is still to be published; try again \
                   in a minute";
        return Err(Trouble::new(StatusCode::CONFLICT, "declined", why));
    }
    Ok(Shown::See(format!("/dead?done={word}")))
}
