//! Jobs as text for people: the page of one job.

use serde_json::Value;

use super::job_table::why;
use super::moments::Moments;
use crate::admin::{JobView, UnsentWebhook};
use crate::engine::record::{Commanded, Image, Outcome, Overtaker, Record, Write};

/// Everything about one job.
pub(super) fn page(view: &JobView, moments: &Moments) -> Vec<String> {
    let (record, job) = (&view.job, &view.job.job);
    let mut lines = vec![
        format!("{} {} · {}", job.kind, job.id, standing(record)),
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
    lines.push(field("accepted", moments.say(record.accepted_at)));
    lines.extend(record.approved_at.map(|at| field("approved", moments.say(at))));
    lines.extend(record.phase.finished_at().map(|at| field("ended", moments.say(at))));
    if !record.state().is_terminal() {
        let attempts =
            if record.attempts == 1 { "1 attempt".to_owned() } else { format!("{} attempts", record.attempts) };
        lines.push(field("step", format!("{} ({attempts} in all)", record.step)));
    }
    lines.push(field("why", why(record, &view.explanation)));
    lines.extend(view.explanation.blocker.map(|uid| field("blocked by", uid)));
    lines.extend(view.explanation.until.map(|until| field("until", moments.say(until))));
    lines.extend(
        view.explanation.gives_up.map(|at| field("gives up", format!("{}, and is parked then", moments.say(at)))),
    );
    lines.push(field("next", &view.explanation.next));
    let overtaken = |by: &Overtaker| {
        field("overtaken", format!("{} by {} {}/{} {}", moments.stamp(by.at), by.kind, by.requester, by.id, by.uid))
    };
    lines.extend(record.overtaken_by.as_ref().map(overtaken));
    let findings = record.phase.ending().into_iter().flat_map(|ending| &ending.findings);
    lines.extend(findings.map(|finding| field("finding", finding)));
    lines.extend(record.before.as_ref().map(|before| field("before", image(before, moments))));
    lines.extend(record.after.as_ref().map(|after| field("after", image(after, moments))));
    lines.extend(view.events.last().and_then(|event| in_force(event, moments)).map(|since| field("in force", since)));
    let commanded = |Commanded { command, at, mandate }: &Commanded| {
        field("command", format!("{} {command} {mandate}", moments.stamp(*at)))
    };
    lines.extend(record.commands.iter().map(commanded));
    lines.extend(record.writes.iter().map(|write| field("write", written(write, moments))));
    lines.extend(view.webhooks.iter().map(|webhook| field("webhook", unsent(webhook, moments))));
    let events = view.events.iter().map(|event| {
        let text = |name: &str| event.get(name).and_then(|value| value.as_str()).unwrap_or("?");
        field("event", format!("{} {}", stamped(text("time"), moments), text("type")))
    });
    lines.extend(events);
    lines
}

/// An answer to a webhook that has not arrived: what was wrong, when it is tried again, and how to have it sent now.
pub(super) fn unsent(webhook: &UnsentWebhook, moments: &Moments) -> String {
    let UnsentWebhook { number, host, tries, next_try, last_error, gives_up_at } = webhook;
    let tried = match tries {
        0 => String::new(),
        1 => ", tried once".to_owned(),
        tries => format!(", tried {tries} times"),
    };
    let why = last_error.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let Some(next) = next_try else { return format!("{host} has not answered yet{tried}{why}") };
    let until = gives_up_at.map(|at| format!(", set aside after {}", moments.say(at))).unwrap_or_default();
    format!("{host} fails{tried}{why}; next try {}{until}; now: crossgrant dead replay {number}", moments.say(*next))
}

/// The state of a job, and what makes it special: that it goes back, is held, or is half done.
fn standing(record: &Record) -> String {
    let special = [
        (" · held", record.phase.held().is_some()),
        (" · going back", record.undo.is_some() && !record.state().is_terminal()),
        (" · HALF DONE", record.stands_half_done()),
    ];
    let special = special.iter().filter(|(_, is)| *is).map(|(word, _)| *word);
    record.state().as_str().to_owned() + &special.collect::<String>()
}

/// Since when the payer of a completed job is in force, as its last event says.
pub(crate) fn in_force(event: &Value, moments: &Moments) -> Option<String> {
    let data = event.get("data")?;
    let text = |value: &Value| value.as_str().map(|at| stamped(at, moments));
    if let Some(at) = data.get("effective_at").and_then(text) {
        return Some(format!("since {at}"));
    }
    let [after, until] = data.get("effective_between")?.as_array()?.as_slice() else { return None };
    Some(format!("since a moment between {} and {}", text(after)?, text(until)?))
}

/// A point in time of an event.
fn stamped(text: &str, moments: &Moments) -> String {
    text.parse().map_or_else(|_| text.to_owned(), |at| moments.stamp(at))
}

/// The width of the name of a field, with what is around it.
pub(super) const INDENT: usize = 14;

/// A named line of a page.
pub(super) fn field(name: &str, value: impl std::fmt::Display) -> String {
    format!("  {name:<11} {value}")
}

/// What was seen of a grant, as one line.
pub(crate) fn image(image: &Image, moments: &Moments) -> String {
    let shown = |order_type: Option<crate::domain::OrderType>| order_type.map_or("not shown", |o| o.as_str());
    let grant = match image.granted {
        true => format!("{}, in force {}", shown(image.order_type), shown(image.effective_order_type)),
        false => "not granted".to_owned(),
    };
    let attachments = image.attachments.as_ref().map(|list| format!(", attachments: {}", list.len()));
    format!("{} {grant}{}", moments.stamp(image.at), attachments.unwrap_or_default())
}

pub(crate) fn written(write: &Write, moments: &Moments) -> String {
    let outcome = match &write.outcome {
        Outcome::Unknown => "it is not known whether it took effect".to_owned(),
        Outcome::Accepted { request_id, .. } => format!("accepted, RequestId {request_id}"),
        Outcome::Refused { code, request_id: Some(id), .. } => format!("refused: {code}, RequestId {id}"),
        Outcome::Refused { code, request_id: None, .. } => format!("refused: {code}"),
        Outcome::Seen { at } => format!("seen in force at {}", moments.stamp(*at)),
    };
    let undo = if write.undo { " (undo)" } else { "" };
    let Write { intended_at, operation, resource, account, .. } = write;
    let intended_at = moments.stamp(*intended_at);
    format!("{intended_at} {operation}{undo} on {resource} as {account}: {outcome}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::golden;
    use super::super::moments::tests::{at_terminal, piped};
    use super::super::terminal::folded;
    use super::*;
    use crate::admin::explain;
    use crate::admin::testing::{at, record, write};
    use crate::domain::{AccountUid, Operation, Reason};
    use crate::engine::record::{Ending, Phase, State, Turn, Undo};

    #[test]
    fn a_heading_says_what_makes_a_job_special() {
        let job = record("NET-1");
        assert_eq!(standing(&job), "queued");
        let account = AccountUid::parse("1688000000000001").unwrap();
        let held = Phase::Running(Turn::Held { account, expires: None });
        assert_eq!(standing(&Record { phase: held, ..job.clone() }), "running · held");
        let ending = Ending { reason: Reason::HalfDone, message: "m".into(), findings: vec![] };
        let undo = Undo { ends: State::Failed, reason: Reason::RefusedByCloud, message: "m".into() };
        let half_done = Phase::Parked { ending: ending.clone(), half_done: true };
        let back = Record { phase: half_done, undo: Some(undo), ..job };
        assert_eq!(standing(&back), "parked · going back · HALF DONE");
        let phase = Phase::Ended { state: State::Failed, ending, at: at("2026-11-21T10:20:00Z") };
        assert_eq!(standing(&Record { phase, ..back }), "failed");
    }

    #[test]
    fn a_refused_write_is_shown_with_its_request_id() {
        let at = at("2026-11-21T10:20:00Z");
        let outcome = Outcome::Refused {
            code: "Forbidden.RAM".into(),
            message: "no".into(),
            request_id: Some("R-1".into()),
            at,
            retry: false,
            unclassified: false,
            judged: None,
            done: false,
        };
        let write = write(Operation::GrantInstanceToTransitRouter, outcome);
        assert!(
            written(&write, &piped()).ends_with("refused: Forbidden.RAM, RequestId R-1"),
            "{}",
            written(&write, &piped())
        );
    }

    #[test]
    fn a_completed_job_says_since_when_its_payer_is_in_force() {
        let said = |data| in_force(&json!({ "data": data }), &piped());
        assert_eq!(said(json!({"effective_at": "T1"})).as_deref(), Some("since T1"));
        let between = json!({"effective_between": ["T1", "T2"]});
        assert_eq!(said(between).as_deref(), Some("since a moment between T1 and T2"));
        assert_eq!(said(json!({})), None);
    }

    #[test]
    fn a_job_fits_the_terminal() {
        let now = at("2026-11-21T10:20:40Z");
        let accepted =
            Outcome::Accepted { request_id: "54B48E3D-DF70-471B-AA93-08E683A1B45".into(), at: now, date: None };
        let writes = vec![
            write(Operation::ModifyGrantInstanceToTransitRouter, accepted),
            write(Operation::UpdateTransitRouterVpcAttachmentAttribute, Outcome::Unknown),
        ];
        let ending = Ending {
            reason: Reason::HalfDone,
            message: "the second write was refused, and the first cannot be taken back".into(),
            findings: vec!["the transit-router account is not allowed to change attachments: Forbidden.RAM".into()],
        };
        let phase = Phase::Parked { ending, half_done: true };
        let job = Record { writes, phase, ..record("NET-4312/2") };
        let explanation = explain(&job, None, true, now);
        let event = |kind: &str| json!({"time": "2026-11-21T10:20:00Z", "type": format!("crossgrant.job.{kind}")});
        let events = vec![event("accepted"), event("parked")];
        let view = JobView { job, explanation, events, webhooks: vec![], steps: vec![], commands: vec![] };
        golden::holds("show", |columns| folded(page(&view, &at_terminal(now)), Some(columns), INDENT));
    }

    #[test]
    fn a_page_says_why_until_when_and_behind_whom() {
        let (job, first) = (record("NET-2"), record("NET-1"));
        let explanation = explain(&job, Some(&first), true, at("2026-11-21T10:20:00Z"));
        let events = vec![json!({"time": "2026-11-21T10:20:00Z", "type": "crossgrant.job.accepted"})];
        let (webhooks, steps, commands) = (vec![], vec![], vec![]);
        let text = page(&JobView { job, explanation, events, webhooks, steps, commands }, &piped()).join("\n");
        for part in
            ["payer-change NET-2 · queued", "comes first", &first.uid.to_string(), "job.accepted", "ticket=NET-2"]
        {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
