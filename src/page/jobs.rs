//! Jobs: the filters of the API as a form, so that the address is the filter; a page of a hundred; and the way to a command on all
//! that match.

use maud::{Markup, html};

use super::asked::{Asked, query};
use super::mark::{age, instance_link, job_link, said, sentence, standing};
use super::now::capital;
use super::trouble::Trouble;
use super::view::{Live, View};
use crate::admin::{AdminRole, JobPage, JobRow};
use crate::cli::{Moments, why};
use crate::domain::{Kind, OrderType, Reason};
use crate::engine::record::{Record, State};

/// How many jobs a page has.
pub(super) const PAGE: &str = "100";

/// The filters that the form has as fields of text, with their labels and an example.
const TEXTS: [(&str, &str, &str); 10] = [
    ("account", "Account", "1688000000000001"),
    ("blames", "Put down to account", "1688000000000001"),
    ("cen", "CEN", "cen-…"),
    ("instance", "Instance", "vpc-…"),
    ("requester", "Requester", "tickets"),
    ("batch", "Batch", "requester/id"),
    ("label", "Label", "name=value"),
    ("since", "Accepted since", "2h"),
    ("until", "Accepted until", "2026-11-29T06:00:00Z"),
    ("older-than", "Older than", "1h"),
];

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let asks = asked.parameters();
    let filter: Vec<(&str, &str)> =
        asks.iter().map(|(key, value)| (key.as_str(), value.as_str())).filter(|(key, _)| *key != "before").collect();
    let first = filter.len() == asks.len();
    let mut path = asks.clone();
    if asked.parameter("limit").is_none() {
        path.push(("limit".into(), PAGE.into()));
    }
    let path = query(path.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let page: JobPage = asked.get(&format!("/v1/jobs?{path}")).await?;
    let next = page.next.map(|before| {
        let before = before.to_string();
        query(filter.iter().copied().chain([("before", before.as_str())]))
    });
    let content = html! {
        h1 { "Jobs" }
        (form(asked, &filter))
        section data-part="jobs" aria-label="Jobs that match" {
            @if page.jobs.is_empty() { p.calm { "No job matches." } }
            @else { (table(&page.jobs, &asked.moments())) }
            nav.pages aria-label="Pages" {
                @if !first { a href=(format!("/jobs?{}", query(filter.iter().copied()))) { "Newest" } }
                @if let Some(next) = next { a rel="next" href=(format!("/jobs?{next}")) { "Older" } }
            }
        }
        @if !page.jobs.is_empty() { (bulk(asked, &filter)) }
    };
    Ok(View::of("Jobs", content).live(Live::Everything))
}

fn form(asked: &Asked, filter: &[(&str, &str)]) -> Markup {
    let given = |name: &str| filter.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
    let many = |name: &str| {
        filter.iter().filter(|(key, _)| *key == name).flat_map(|(_, value)| value.split(',')).collect::<Vec<_>>()
    };
    let (states, used) = (many("state"), filter.iter().any(|(key, _)| TEXTS.iter().any(|(name, ..)| name == key)));
    html! {
        form.filter method="get" action="/jobs" role="search" aria-label="Filter" {
            fieldset {
                legend { "State" }
                @for state in State::ALL {
                    label.check {
                        input type="checkbox" name="state" value=(state.as_str()) checked[states.contains(&state.as_str())];
                        " " (state.as_str())
                    }
                }
                label.check { input type="checkbox" name="half-done" value="true" checked[given("half-done") == "true"]; " half done" }
                @if given("half-done") == "false" {
                    label.check { input type="checkbox" name="half-done" value="false" checked; " not half done" }
                }
                label.check { input type="checkbox" name="overdue" value="true" checked[given("overdue") == "true"]; " overdue" }
                label.check { input type="checkbox" name="held" value="true" checked[given("held") == "true"]; " held" }
            }
            div.fields {
                label { "Kind " (select("kind", given("kind"), &Kind::ALL.map(Kind::as_str))) }
                label { "Reason " (select("for", given("for"), &Reason::ALL.map(Reason::as_str))) }
                div.buttons {
                    button.act type="submit" { "Filter" }
                    @if !filter.is_empty() { a href="/jobs" { "All jobs" } }
                    @if asked.parameter("before").is_some() { span.hint { "older ones" } }
                }
            }
            details id="more-filters" open[used] {
                summary { "More filters" }
                div.fields {
                    @for (name, label, example) in TEXTS {
                        label { (label) " " input type="text" name=(name) value=(said(given(name))) placeholder=(example); }
                    }
                }
            }
        }
    }
}

fn select(name: &str, given: &str, words: &[&str]) -> Markup {
    let known = given.is_empty() || words.contains(&given);
    html! {
        select name=(name) {
            option value="" { "any" }
            @if !known { option value=(given) selected { (said(given)) } }
            @for word in words { option value=(word) selected[*word == given] { (word) } }
        }
    }
}

/// Jobs as rows.
pub(super) fn table(jobs: &[JobRow], moments: &Moments) -> Markup {
    html! {
        div.wide {
            table.jobs {
                thead { tr {
                    th scope="col" { "Age" } th scope="col" { "State" } th scope="col" { "Job" }
                    th scope="col" { "Instance → CEN" } th scope="col" { "Payer" } th scope="col" { "Why" } th scope="col" { "Next" }
                } }
                tbody { @for row in jobs { (table_row(row, moments)) } }
            }
        }
    }
}

fn table_row(JobRow { job: record, explanation }: &JobRow, moments: &Moments) -> Markup {
    let job = &record.job;
    html! {
        tr {
            td.age { (age(record.accepted_at, moments)) }
            td { (standing(record)) }
            th scope="row" { (job_link(record.uid, job.id.as_str())) " " span.kind { (job.kind) } }
            td.ids { (instance_link(&job.instance.id)) " " span.id { "→ " (job.cen.id) } }
            td.payer { (payer(record)) }
            td.why { (sentence(why(record, explanation))) }
            td.next { @if !record.state().is_terminal() { (sentence(&explanation.next)) @if let Some(until) = explanation.until { " " span.hint { (age_to(until, moments)) } } } }
        }
    }
}

/// When something happens, in few characters.
fn age_to(at: jiff::Timestamp, moments: &Moments) -> Markup {
    html! { time datetime=(at) { (moments.short(at)) } }
}

/// The payer before the job, and the one that it asks for or was seen to come to.
fn payer(record: &Record) -> Markup {
    let short = |payer: Option<OrderType>| match payer {
        Some(OrderType::PayByCenOwner) => "CEN owner",
        Some(OrderType::PayByResourceOwner) => "resource owner",
        None => "none",
    };
    let before = record.before.as_ref().map(|image| short(image.order_type.filter(|_| image.granted)));
    let after = match record.job.kind {
        Kind::Revoke => "none",
        _ => short(record.job.order_type),
    };
    html! { (before.unwrap_or("?")) " → " (after) }
}

/// The way to a command on all jobs that match, which counts them first.
fn bulk(asked: &Asked, filter: &[(&str, &str)]) -> Markup {
    let filter = query(filter.iter().copied().filter(|(key, _)| *key != "limit"));
    let commands = [("resume", AdminRole::Operator), ("approve", AdminRole::Approver), ("cancel", AdminRole::Operator)];
    let may: Vec<&str> = commands.iter().filter(|(_, role)| asked.may(*role)).map(|(command, _)| *command).collect();
    html! {
        @if !may.is_empty() {
            nav.bulk aria-label="Commands on all jobs that match" {
                span { "All jobs that match:" }
                @for command in may { a.act href=(format!("/bulk/{command}?{filter}")) { (capital(command)) "…" } }
            }
        }
    }
}
