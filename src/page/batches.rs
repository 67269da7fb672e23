//! Batches: how far each has come, and one of them with its jobs.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::asked::{Asked, query, segment};
use super::jobs::{PAGE, table};
use super::mark::{age, said, time, when};
use super::trouble::Trouble;
use super::view::{Live, View};
use crate::admin::{AdminRole, BatchPage, BatchRow, BatchView, JobPage};
use crate::cli::{batch_state, counts};
use crate::engine::record::State;

pub(super) async fn list(asked: &Asked) -> Result<View, Trouble> {
    let asks = asked.parameters();
    let asks = query(asks.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let page: BatchPage = asked.get(&format!("/v1/batches?{asks}")).await?;
    let moments = asked.moments();
    let open = asked.parameter("open").is_some();
    let content = html! {
        h1 { "Batches" }
        p { @if open { a href="/batches" { "All batches" } } @else { a href="/batches?open=true" { "Those that have not ended" } } }
        section data-part="batches" {
            @if page.batches.is_empty() { p.calm { "There is no batch." } }
            @else {
                div.wide {
                    table.cards {
                        thead { tr {
                            th scope="col" { "Age" } th scope="col" { "Batch" } th scope="col" { "State" } th scope="col" { "Came" }
                            th scope="col" { "Progress" } th scope="col" { "Jobs" }
                        } }
                        tbody {
                            @for row in &page.batches {
                                @let BatchRow { batch, accepted, states } = row;
                                tr {
                                    td.age { (age(batch.accepted_at, &moments)) }
                                    th scope="row" { a href=(format!("/batches/{}", batch.uid)) { (said(batch.requester.as_str())) "/" (said(batch.terms.id.as_str())) } }
                                    td data-label="State" { (batch_state(batch)) }
                                    td data-label="Came" { (accepted) " of " (batch.terms.size) }
                                    td data-label="Progress" { (progress(states, batch.terms.size)) }
                                    td data-label="Jobs" { (counts(states)) }
                                }
                            }
                        }
                    }
                }
            }
            @if let Some(next) = page.next {
                nav.pages aria-label="Pages" { a rel="next" href=(format!("/batches?{}before={next}", if open { "open=true&" } else { "" })) { "Older" } }
            }
        }
    };
    Ok(View::of("Batches", content).live(Live::Everything))
}

/// How many of the jobs have ended, as a bar.
fn progress(states: &BTreeMap<State, u64>, size: u32) -> Markup {
    let of = |wanted: fn(State) -> bool| {
        states.iter().filter(|(state, _)| wanted(**state)).map(|(_, jobs)| jobs).sum::<u64>()
    };
    let (ended, good) = (of(State::is_terminal), of(|state| matches!(state, State::Completed | State::Planned)));
    let part = |jobs: u64| jobs * 100 / u64::from(size.max(1));
    html! {
        svg.progress viewBox="0 0 100 8" width="100" height="8" role="img" aria-label=(format!("{ended} of {size} have ended, {good} with their result")) {
            rect.rest x="0" y="0" width="100" height="8" rx="2" {}
            rect.bad x="0" y="0" width=(part(ended)) height="8" rx="2" {}
            rect.good x="0" y="0" width=(part(good)) height="8" rx="2" {}
        }
        " " (part(ended)) " %"
    }
}

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let view: BatchView = asked.get(&format!("/v1/batches/{}", segment(asked.named("reference")))).await?;
    let BatchRow { batch, accepted, states } = &view.batch;
    let (uid, moments) = (batch.uid.to_string(), asked.moments());
    let jobs = match asked.may(AdminRole::Reader) {
        true => Some(
            asked.get::<JobPage>(&format!("/v1/jobs?{}", query([("batch", uid.as_str()), ("limit", PAGE)]))).await?,
        ),
        false => None,
    };
    let content = html! {
        p.crumb { a href="/batches" { "Batches" } }
        section data-part="batch" {
            h1 { "Batch " (said(batch.terms.id.as_str())) " " span.tag { (batch_state(batch)) } }
            p { (progress(states, batch.terms.size)) }
            dl.facts {
                div { dt { "Requester" } dd { (said(batch.requester.as_str())) } }
                div { dt { "Came" } dd { (accepted) " of " (batch.terms.size) } }
                div { dt { "Jobs" } dd { (counts(states)) } }
                div { dt { "On failure" } dd { (batch.terms.on_failure) } }
                div { dt { "Accepted" } dd { (when(batch.accepted_at, &moments)) } }
                @if let Some(stopped) = &batch.stopped { div { dt { "Stopped" } dd { (when(stopped.at, &moments)) ", because " (said(stopped.job.as_str())) " ended without its result" } } }
                @match batch.ended_at {
                    Some(at) => div { dt { "Ended" } dd { (when(at, &moments)) } },
                    None => div { dt { "Closes" } dd { (when(batch.closes_at, &moments)) } },
                }
            }
            h2 { "Events" }
            ol.timeline { @for event in &view.events { (told(event, &moments)) } }
        }
        @if let Some(jobs) = jobs {
            section data-part="jobs" {
                h2 { "Jobs" }
                (table(&jobs.jobs, &moments))
                @if jobs.next.is_some() { p { a href=(format!("/jobs?batch={uid}")) { "All of them" } } }
            }
        }
    };
    Ok(View::of(format!("Batch {}", batch.terms.id), content).live(Live::Everything))
}

fn told(event: &Value, moments: &crate::cli::Moments) -> Markup {
    let text = |name: &str| event.get(name).and_then(Value::as_str).unwrap_or("?");
    html! {
        li.event {
            @match text("time").parse() { Ok(at) => (time(at, moments)), Err(_) => (said(text("time"))) }
            " " span.sort { "event" }
            div.says { (said(text("type").rsplit('.').next().unwrap_or_default())) }
        }
    }
}
