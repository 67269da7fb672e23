//! Approvals: the jobs that an hourly limit has parked, by the limit that did, each with its plan on demand.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::asked::{Asked, query};
use super::mark::{age, command as button, instance_link, job_link, said, sentence};
use super::trouble::Trouble;
use super::view::{Live, View};
use crate::admin::{AdminRole, JobRow, Matching};
use crate::domain::{Kind, Reason};

/// How many jobs are shown.
const MOST: &str = "200";

pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let filter = [("for", Reason::NeedsApproval.as_str()), ("limit", MOST)];
    let Matching { total, jobs } = asked.get(&format!("/v1/bulk/approve?{}", query(filter))).await?;
    let shown = jobs.len();
    // A limit on revokes is counted by CEN, one on payer changes by account.
    let mut groups: BTreeMap<(Kind, &str, String), Vec<JobRow>> = BTreeMap::new();
    for row in jobs {
        let job = &row.job.job;
        let key = match job.kind {
            Kind::Revoke => (job.kind, "cen", job.cen.id.to_string()),
            _ => (job.kind, "account", job.instance.owner.to_string()),
        };
        groups.entry(key).or_default().push(row);
    }
    // Asked for by its address alone, since it reads the cloud; such a view does not ask for it anew by itself.
    let plan = match asked.parameter("plan") {
        Some(uid) => Some((super::plan::of(asked, &uid).await, uid)),
        None => None,
    };
    let content = html! {
        h1 { "Approvals" }
        section data-part="approvals" {
            @if groups.is_empty() { p.calm { "No job waits for an approval." } }
            @if shown < total { p.lead { "The newest " (shown) " of " (total) "." } }
            @for ((kind, by, key), rows) in &groups { (group(asked, *kind, by, key, rows, shown == total, plan.as_ref())) }
        }
    };
    let view = View::of("Approvals", content);
    Ok(if plan.is_some() { view } else { view.live(Live::Everything) })
}

/// The jobs that one limit has parked. `whole` if these are all; with the plan of the one that was asked for.
fn group(
    asked: &Asked,
    kind: Kind,
    by: &str,
    key: &str,
    rows: &[JobRow],
    whole: bool,
    plan: Option<&(Markup, String)>,
) -> Markup {
    let filter = query([("for", Reason::NeedsApproval.as_str()), ("kind", kind.as_str()), (by, key)]);
    let (kinds, place) = match kind {
        Kind::Grant => ("grants", "account"),
        Kind::Revoke => ("revokes", "CEN"),
        Kind::PayerChange => ("payer changes", "account"),
    };
    let whys: BTreeSet<&str> = rows.iter().map(|row| row.explanation.why.as_str()).collect();
    html! {
        section.group {
            h2 { (rows.len()) " " (kinds) " in " (place) " " span.id { (key) } }
            @for why in &whys { p.says { (sentence(why)) } }
            @if asked.may(AdminRole::Approver) {
                @if whole {
                    (button(
                        asked,
                        &format!("/bulk/approve?{filter}"),
                        &format!("Approve these {}", rows.len()),
                        "Does nothing if the number has changed by then.",
                        false,
                        &[("expect", rows.len().to_string())],
                    ))
                } @else { p { a.act href=(format!("/bulk/approve?{filter}")) { "Count and approve…" } } }
            } @else { p.hint { "Approving needs a token with the role approver." } }
            div.wide {
                table.cards {
                    thead { tr {
                        th scope="col" { "Age" } th scope="col" { "Job" } th scope="col" { "Requester" } th scope="col" { "Instance" }
                        th scope="col" { "Asks for" } th scope="col" { "Plan" }
                    } }
                    tbody { @for row in rows { (table_row(asked, row, plan)) } }
                }
            }
        }
    }
}

fn table_row(asked: &Asked, JobRow { job: record, .. }: &JobRow, plan: Option<&(Markup, String)>) -> Markup {
    let (uid, plan) = (record.uid.to_string(), plan.filter(|(_, uid)| *uid == record.uid.to_string()));
    html! {
        tr id=(format!("plan-{uid}")) {
            td.age { (age(record.accepted_at, &asked.moments())) }
            th scope="row" { (job_link(record.uid, record.job.id.as_str())) }
            td data-label="Requester" { (said(record.requester.as_str())) }
            td.id data-label="Instance" { (instance_link(&record.job.instance.id)) }
            td data-label="Asks for" { @match record.job.order_type { Some(payer) => (payer), None => (record.job.kind) } }
            td data-label="Plan" {
                @if plan.is_some() { a href="/approvals" aria-label=(format!("Close the plan of {}", record.job.id)) { "Close" } }
                @else { a href=(format!("/approvals?plan={uid}#plan-{uid}")) aria-label=(format!("Show the plan of {}", record.job.id)) { "Show" } }
            }
        }
        @if let Some((plan, _)) = plan {
            tr.planned {
                td colspan="6" {
                    (plan)
                    p { a href=(format!("/plan?job={uid}")) { "Change it, and plan again" } }
                }
            }
        }
    }
}
