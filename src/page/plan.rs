//! Plan: what a job would do, as the cloud is now. It only reads.

use maud::{Markup, html};
use serde_json::json;

use super::asked::{Asked, segment};
use super::mark::{account_link, code, said, state, when};
use super::trouble::Trouble;
use super::view::{Shown, View};
use crate::admin::{JobView, PlanView};
use crate::cli::image;
use crate::domain::{Kind, visible_lines};
use crate::engine::record::State;

/// A form to paste a job into. A job that is named is pasted already.
pub(super) async fn show(asked: &Asked) -> Result<View, Trouble> {
    let text = match asked.parameter("job") {
        Some(uid) => {
            let view: JobView = asked.get(&format!("/v1/jobs/{}", segment(&uid))).await?;
            asks(&view)
        }
        None => String::new(),
    };
    Ok(View::of("Plan", html! { h1 { "Plan" } (form(asked, &text)) }))
}

/// What a job would do that is known, as the cloud is now; or why that cannot be told.
pub(super) async fn of(asked: &Asked, uid: &str) -> Markup {
    let made = async {
        let view: JobView = asked.get(&format!("/v1/jobs/{}", segment(uid))).await?;
        asked.post::<PlanView>("/v1/plan", asks(&view)).await
    };
    match made.await {
        Ok(view) => planned(asked, &view),
        Err(trouble) => html! { p.fault { (said(&trouble.message)) } },
    }
}

/// The request of a job, as a message has it: without what is left at its default.
fn asks(view: &JobView) -> String {
    let mut job = json!(view.job.job);
    if let Some(fields) = job.as_object_mut() {
        let attachments = fields.remove("attachments").unwrap_or_default();
        let left_out = ["mode", "batch", "not_after", "not_before"];
        fields.retain(|key, value| !value.is_null() && !left_out.contains(&key.as_str()));
        if view.job.job.kind == Kind::Revoke {
            fields.insert("options".into(), json!({"attachments": attachments}));
        }
    }
    serde_json::to_string_pretty(&job).unwrap_or_default()
}

fn form(asked: &Asked, text: &str) -> Markup {
    html! {
        p.lead { "Says what a job would do, as the cloud is now. Nothing is written and nothing is kept." }
        form.plan method="post" action="/plan" {
            input type="hidden" name="form" value=(asked.session.form);
            label for="job" { "A job, as its message has it" }
            textarea #job name="job" rows="16" required spellcheck="false" { (visible_lines(text)) }
            button.act type="submit" { "Plan" }
        }
    }
}

pub(super) async fn make(asked: &Asked) -> Result<Shown, Trouble> {
    let text = asked.field("job").ok_or_else(|| Trouble::bad("paste a job first"))?;
    let view: PlanView = asked.post("/v1/plan", text.to_owned()).await?;
    let content = html! {
        h1 { "Plan" }
        (planned(asked, &view))
        h2 { "Change it" }
        (form(asked, text))
    };
    Ok(Shown::View(View::of("Plan", content)))
}

fn planned(asked: &Asked, view: &PlanView) -> Markup {
    let moments = asked.moments();
    let Some(record) = &view.record else {
        return html! {
            p { (state("failed", true)) " It is not a valid job." }
            ul { @for fault in &view.faults { li { code { (said(&fault.at)) } " " (said(&fault.message)) " " (code(fault.code.as_str())) } } }
        };
    };
    let (ending, plan) = (record.phase.ending(), record.plan.as_ref());
    let good = record.state() == State::Planned && view.refused.is_none();
    html! {
        p { (state(record.state().as_str(), !good)) " " (said(&record.why)) @if let Some(ending) = ending.filter(|_| !good) { " " (code(ending.reason.as_str())) } }
        @match (&view.requesters, &view.refused) {
            (_, Some(why)) => p.fault { "The policy refuses it: " (said(why)) },
            (Some(names), None) => p { "May be asked for by " (said(&names.join(", "))) "." },
            (None, None) => {},
        }
        @if let Some(plan) = plan {
            @if !plan.calls.is_empty() {
                h2 { "Calls" }
                div.wide {
                    table.cards {
                        thead { tr { th scope="col" { "Step" } th scope="col" { "Operation" } th scope="col" { "On" } th scope="col" { "As account" } th scope="col" { "Payer" } } }
                        tbody {
                            @for call in &plan.calls {
                                tr {
                                    th scope="row" { (said(&call.step)) }
                                    td data-label="Operation" { (call.operation) }
                                    td.id data-label="On" { (said(&call.resource)) }
                                    td data-label="As account" { (account_link(&call.account)) }
                                    td data-label="Payer" { @match call.order_type { Some(payer) => (payer), None => "as it is" } }
                                }
                            }
                        }
                    }
                }
            }
            dl.facts {
                @if let Some(before) = &record.before { div { dt { "Before" } dd { (said(&image(before, &moments))) } } }
                @if let Some(after) = &record.after { div { dt { "After" } dd { (said(&image(after, &moments))) } } }
                @if let Some(at) = plan.effective_from { div { dt { "In force" } dd { "from " (when(at, &moments)) ", if the job starts now" } } }
            }
        }
        @let calls = plan.map_or(0, |plan| plan.calls.len());
        @let findings: Vec<&String> = ending.into_iter().flat_map(|ending| &ending.findings).skip(if good { calls } else { 0 }).collect();
        @if !findings.is_empty() { h2 { "Findings" } ul { @for finding in findings { li { (said(finding)) } } } }
    }
}
