//! The jobs on one instance: those that have not ended in their order, and those that have.

use maud::html;

use super::asked::{Asked, query};
use super::jobs::{PAGE, table};
use super::mark::said;
use super::trouble::Trouble;
use super::view::{Live, View};
use crate::admin::{JobPage, JobRow};

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let id = asked.named("id");
    let page: JobPage = asked.get(&format!("/v1/jobs?{}", query([("instance", id), ("limit", PAGE)]))).await?;
    let (open, ended): (Vec<JobRow>, Vec<JobRow>) =
        page.jobs.into_iter().partition(|row| !row.job.state().is_terminal());
    let open: Vec<JobRow> = open.into_iter().rev().collect();
    let moments = asked.moments();
    let content = html! {
        p.crumb { a href="/jobs" { "Jobs" } }
        h1.id { (said(id)) }
        section data-part="open" aria-labelledby="open" {
            h2 #open { "Open, in their order" }
            @if open.is_empty() { p.calm { "No job on this instance is open." } } @else { (table(&open, &moments)) }
        }
        section data-part="ended" aria-labelledby="ended" {
            h2 #ended { "Ended, newest first" }
            @if ended.is_empty() { p.calm { "No job on this instance has ended." } } @else { (table(&ended, &moments)) }
        }
        @if page.next.is_some() { p { a href=(format!("/jobs?{}", query([("instance", id)]))) { "All of them" } } }
    };
    Ok(View::of(id, content).live(Live::Everything))
}
