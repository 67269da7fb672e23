//! Approvals: the jobs that an hourly limit has parked, by the limit that did, each with a way to its plan.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::asked::{Asked, query};
use super::mark::{age, command as button, instance_link, job_link, said};
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
    let content = html! {
        h1 { "Approvals" }
        section data-part="approvals" {
            @if groups.is_empty() { p.calm { "No job waits for an approval." } }
            @if shown < total { p.lead { "The newest " (shown) " of " (total) "." } }
            @for ((kind, by, key), rows) in &groups { (group(asked, *kind, by, key, rows, shown == total)) }
        }
    };
    Ok(View::of("Approvals", content).live(Live::Everything))
}

/// The jobs that one limit has parked. `whole` if these are all.
fn group(asked: &Asked, kind: Kind, by: &str, key: &str, rows: &[JobRow], whole: bool) -> Markup {
    let moments = asked.moments();
    let filter = query([("for", Reason::NeedsApproval.as_str()), ("kind", kind.as_str()), (by, key)]);
    html! {
        section.group {
            h2 { (rows.len()) " × " (kind) " in " (by) " " span.id { (key) } }
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
                table {
                    thead { tr {
                        th scope="col" { "Age" } th scope="col" { "Id" } th scope="col" { "Requester" } th scope="col" { "Instance" }
                        th scope="col" { "Asks for" } th scope="col" { "Why it waits" } th scope="col" { "Plan" }
                    } }
                    tbody {
                        @for JobRow { job: record, explanation } in rows {
                            tr {
                                td.age { (age(record.accepted_at, &moments)) }
                                th scope="row" { (job_link(record.uid, record.job.id.as_str())) }
                                td { (said(record.requester.as_str())) }
                                td { (instance_link(&record.job.instance.id)) }
                                td { @match record.job.order_type { Some(payer) => (payer), None => (record.job.kind) } }
                                td.why { (said(&explanation.why)) }
                                td { a href=(format!("/plan?job={}", record.uid)) { "Plan" } }
                            }
                        }
                    }
                }
            }
        }
    }
}
