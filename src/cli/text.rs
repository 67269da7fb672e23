//! Jobs as text for people: rows of a table, and the page of one job.

use crate::admin::{JobRow, JobView};
use crate::engine::record::{Commanded, Image, Outcome, Overtaker, Record, Write};

/// One row for each job, under a heading.
pub(super) fn table(jobs: &[JobRow]) -> Vec<String> {
    let heading = ["UID", "STATE", "KIND", "REQUESTER/ID", "INSTANCE", "WHY"].map(str::to_owned);
    let row = |JobRow { job, explanation }: &JobRow| {
        [
            job.uid.to_string(),
            state(job).to_owned(),
            job.job.kind.to_string(),
            format!("{}/{}", job.requester, job.job.id),
            job.job.instance.id.to_string(),
            explanation.why.clone(),
        ]
    };
    let rows: Vec<[String; 6]> = std::iter::once(heading).chain(jobs.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>() + &row[5]
    };
    rows.iter().map(line).collect()
}

/// The state of a job for people: one that is held is neither waiting for its turn nor worked on.
fn state(record: &Record) -> &'static str {
    if record.phase.held().is_some() { "held" } else { record.state().as_str() }
}

/// Everything about one job.
pub(super) fn page(view: &JobView) -> Vec<String> {
    let (record, job) = (&view.job, &view.job.job);
    let mut lines = vec![
        format!("{} {} · {}", job.kind, job.id, state(record)),
        field("uid", record.uid),
        field("requester", &record.requester),
        field(
            "instance",
            format!(
                "{} {} in {}, account {}",
                job.instance.kind, job.instance.id, job.instance.region, job.instance.owner
            ),
        ),
        field("cen", format!("{}, account {}", job.cen.id, job.cen.owner)),
    ];
    lines.extend(job.order_type.map(|order_type| field("order type", order_type)));
    lines.extend(job.labels.iter().map(|(name, value)| field("label", format!("{name}={value}"))));
    lines.push(field("accepted", record.accepted_at));
    lines.extend(record.approved_at.map(|at| field("approved", at)));
    lines.extend(record.phase.finished_at().map(|at| field("ended", at)));
    if !record.state().is_terminal() {
        lines.push(field("step", format!("{} ({} attempts in all)", record.step, record.attempts)));
    }
    lines.push(field("why", &view.explanation.why));
    lines.extend(view.explanation.blocker.map(|uid| field("blocked by", uid)));
    lines.extend(view.explanation.until.map(|until| field("until", until)));
    lines.push(field("next", &view.explanation.next));
    let overtaken =
        |by: &Overtaker| field("overtaken", format!("{} by {} {}/{} {}", by.at, by.kind, by.requester, by.id, by.uid));
    lines.extend(record.overtaken_by.as_ref().map(overtaken));
    let findings = record.phase.ending().into_iter().flat_map(|ending| &ending.findings);
    lines.extend(findings.map(|finding| field("finding", finding)));
    lines.extend(record.before.as_ref().map(|before| field("before", image(before))));
    lines.extend(record.after.as_ref().map(|after| field("after", image(after))));
    let commanded =
        |Commanded { command, at, mandate }: &Commanded| field("command", format!("{at} {command} {mandate}"));
    lines.extend(record.commands.iter().map(commanded));
    lines.extend(record.writes.iter().map(|write| field("write", written(write))));
    let events = view.events.iter().map(|event| {
        let text = |name: &str| event.get(name).and_then(|value| value.as_str()).unwrap_or("?");
        field("event", format!("{} {}", text("time"), text("type")))
    });
    lines.extend(events);
    lines
}

/// A named line of a page.
pub(super) fn field(name: &str, value: impl std::fmt::Display) -> String {
    format!("  {name:<11} {value}")
}

/// What was seen of a grant, as one line.
pub(super) fn image(image: &Image) -> String {
    let shown = |order_type: Option<crate::domain::OrderType>| order_type.map_or("not shown", |o| o.as_str());
    let grant = match image.granted {
        true => format!("{}, in force {}", shown(image.order_type), shown(image.effective_order_type)),
        false => "not granted".to_owned(),
    };
    let attachments = image.attachments.as_ref().map(|list| format!(", attachments: {}", list.len()));
    format!("{} {grant}{}", image.at, attachments.unwrap_or_default())
}

fn written(write: &Write) -> String {
    let outcome = match &write.outcome {
        Outcome::Unknown => "it is not known whether it took effect".to_owned(),
        Outcome::Accepted { request_id, .. } => format!("accepted, RequestId {request_id}"),
        Outcome::Refused { code, .. } => format!("refused: {code}"),
        Outcome::Seen { at } => format!("seen in force at {at}"),
    };
    let undo = if write.undo { " (undo)" } else { "" };
    let Write { intended_at, operation, resource, account, .. } = write;
    format!("{intended_at} {operation}{undo} on {resource} as {account}: {outcome}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::explain;
    use crate::admin::testing::{at, record};
    use crate::engine::record::{Phase, Turn};

    #[test]
    fn a_table_has_a_heading_and_columns_in_line() {
        let row = |id: &str| {
            let job = record(id);
            JobRow { explanation: explain(&job, None, true, at("2026-11-21T10:20:00Z")), job }
        };
        let mut held = row("NET-1");
        let account = held.job.job.cen.owner.clone();
        held.job.phase = Phase::Running(Turn::Held { account, expires: None });
        let rows = table(&[held, row("NET-4312/1")]);
        assert!(rows[1].contains(" held ") && rows[2].ends_with("it is the first job on its instance"), "{rows:#?}");
        let column = rows[0].find("INSTANCE").unwrap();
        assert_eq!(rows.len(), 3);
        assert!(rows[1..].iter().all(|row| row[column..].starts_with("vpc-")), "{rows:#?}");
    }

    #[test]
    fn a_page_says_why_until_when_and_behind_whom() {
        let (job, first) = (record("NET-2"), record("NET-1"));
        let explanation = explain(&job, Some(&first), true, at("2026-11-21T10:20:00Z"));
        let events = vec![json!({"time": "2026-11-21T10:20:00Z", "type": "crossgrant.job.accepted"})];
        let text = page(&JobView { job, explanation, events }).join("\n");
        for part in
            ["payer-change NET-2 · queued", "comes first", &first.uid.to_string(), "job.accepted", "ticket=NET-2"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
