//! `dead show`: a rejected job with its faults marked in its body, or an undelivered message.

use serde_json::json;

use super::args::DeadShowArgs;
use super::client::AdminClient;
use super::dead_text::{fault_lines, faults, not_listed, undelivered_line};
use super::exit::{CliError, Exit};
use super::marked::marked;
use super::output;
use crate::admin::{KeptMessage, RejectionView, Undeliverable, UndeliverablePage};
use crate::domain::{Code, JobUid};
use crate::engine::ports::store::Rejected;

/// Shows what has this id.
pub(super) async fn show(args: &DeadShowArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let id = &args.id;
    if let Ok(uid) = id.parse::<JobUid>() {
        let view: RejectionView = worker.get(&format!("/v1/rejections/{uid}")).await?;
        if args.body {
            return output::bytes(exact(&view)?.as_bytes()).map(|()| Exit::Ok);
        }
        let lines = if args.json { vec![json!(view).to_string()] } else { page(&view) };
        lines.iter().try_for_each(|line| output::line(line))?;
        return Ok(Exit::Ok);
    }
    let Ok(number) = id.parse::<i64>() else {
        let why = format!("\"{id}\" is neither the uid of a rejected job nor the number of an undelivered message");
        return Err(CliError::usage(why));
    };
    if args.body {
        return Err(CliError::usage(
            "--body is for rejected jobs; the event of a job is in `crossgrant show JOB --json`",
        ));
    }
    let page: UndeliverablePage =
        worker.get(&format!("/v1/undeliverable?limit=1&after={}", number.saturating_sub(1))).await?;
    let Some(message) = page.messages.into_iter().find(|message| message.number == number) else {
        return Err(CliError::failed(format!("there is no undelivered message {number}")).code(Code::NotFound));
    };
    let lines = if args.json { vec![json!(message).to_string()] } else { undelivered(&message) };
    lines.iter().try_for_each(|line| output::line(line))?;
    Ok(Exit::Ok)
}

/// The body of a rejected job, if it is kept whole.
fn exact(view: &RejectionView) -> Result<&str, CliError> {
    let uid = view.rejected.uid;
    let why = match &view.message {
        Some(message) if message.exact => return Ok(&message.body),
        Some(message) if message.kept < message.length => format!(
            "of the body of {uid} the store keeps the first {} of {} bytes; {COPY}",
            message.kept, message.length
        ),
        Some(_) => format!("the body of {uid} is no UTF-8, so it is no job; {COPY}"),
        None => format!("the body of {uid} was not kept, because an earlier version rejected it; {COPY}"),
    };
    Err(CliError::failed(why))
}

/// Where there is more of a body.
const COPY: &str =
    "its copy in the dead-letter queue, which has the uid in the header x-crossgrant-uid, has up to 64 KiB";

fn undelivered(message: &Undeliverable) -> Vec<String> {
    let mut lines = vec![format!("undeliverable  {}", undelivered_line(message))];
    lines.extend(message.time.map(|at| format!("  event of      {at}")));
    let number = message.number;
    lines.push(format!("  send again    crossgrant dead replay {number}"));
    lines.push(format!("  or delete     crossgrant dead drop {number}"));
    lines
}

fn page(view: &RejectionView) -> Vec<String> {
    let Rejected { uid, at, requester, job_id, batch_id, .. } = &view.rejected;
    let mut lines = vec![format!("rejected {uid}"), format!("  requester     {requester}")];
    match (job_id, batch_id) {
        (None, Some(_)) => {}
        (job, _) => lines.push(format!("  job id        {}", job.as_deref().unwrap_or("none that can be read"))),
    }
    lines.extend(batch_id.as_ref().map(|batch| format!("  batch         {batch}")));
    lines.push(format!("  at            {at}"));
    let Some(message) = &view.message else {
        lines.push(format!("  body          not kept: an earlier version rejected it; {COPY}"));
        lines.extend(fault_lines(&view.rejected).map(|fault| format!("  fault         {fault}")));
        return lines;
    };
    let KeptMessage { content_type, correlation_id, properties, kept, length, .. } = message;
    lines.push(format!("  content type  {content_type}"));
    lines.extend(correlation_id.as_ref().map(|id| format!("  correlation   {id}")));
    lines.extend(properties.iter().map(|(name, value)| format!("  {name}: {value}")));
    // Places in the body, and places in the envelope.
    let (inside, outside): (Vec<(&str, String)>, Vec<_>) =
        faults(&view.rejected).into_iter().partition(|(place, _)| place.is_empty() || place.starts_with('/'));
    let shown = if message.exact { marked(&message.body, &inside) } else { None };
    let places = if shown.is_some() { outside } else { outside.into_iter().chain(inside).collect() };
    lines.extend(places.iter().map(|(_, says)| format!("  fault         {says}")));
    lines.extend(not_listed(&view.rejected).map(|more| format!("  fault         {more}")));
    lines.push(String::new());
    match shown {
        Some(marked) => lines.extend(marked),
        None => lines.extend(message.body.lines().map(|line| format!("  {line}"))),
    }
    if kept < length {
        lines.push(format!("  … the store keeps the first {kept} of {length} bytes; {COPY}"));
        return lines;
    }
    lines.push(String::new());
    if message.exact {
        lines.push("To mend it:".into());
        lines.push(format!("  crossgrant dead show --body {uid} > job.json   # correct job.json"));
        lines.push("  crossgrant submit job.json --wait".into());
        lines.push(format!("  crossgrant dead drop {uid}"));
        lines.push(format!(
            "It is then a job of the broker user who submits it, not of {requester}: that user must be allowed to ask for it, has ids of \
             its own, and gets the answers."
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{START, at, record};
    use crate::domain::Requester;

    fn view(body: &str, kept: u64, length: u64, exact: bool) -> RejectionView {
        RejectionView {
            rejected: Rejected {
                uid: record("R").uid,
                at: at(START),
                requester: Requester::parse("tickets").unwrap(),
                job_id: Some("NET-1".into()),
                batch_id: None,
                faults_not_listed: 0,
                reasons: json!([
                    {"at": "/kind", "code": "job-bad-value", "message": "must be one of grant"},
                    {"at": "amqp:reply_to", "code": "job-bad-name", "message": "is no queue"},
                ]),
            },
            message: Some(KeptMessage {
                body: body.into(),
                exact,
                length,
                kept,
                content_type: "application/json".into(),
                correlation_id: None,
                properties: [("x-crossgrant-routing-key".into(), "job.gift".into())].into(),
            }),
        }
    }

    #[test]
    fn the_faults_are_marked_in_the_body_and_the_way_to_mend_it_is_told() {
        let view = view(r#"{"id":"NET-1","kind":"gift"}"#, 28, 28, true);
        let text = page(&view).join("\n");
        let uid = record("R").uid;
        let expected = format!(
            r#"rejected {uid}
  requester     tickets
  job id        NET-1
  at            2026-11-21T10:20:00Z
  content type  application/json
  x-crossgrant-routing-key: job.gift
  fault         amqp:reply_to: is no queue [job-bad-name]

  {{
    "id": "NET-1",
    "kind": "gift"
>   ^ /kind: must be one of grant [job-bad-value]
  }}

To mend it:
  crossgrant dead show --body {uid} > job.json   # correct job.json
  crossgrant submit job.json --wait
  crossgrant dead drop {uid}
It is then a job of the broker user who submits it, not of tickets: that user must be allowed to ask for it, has ids of its own, and gets the answers."#
        );
        assert_eq!(text, expected);
        assert_eq!(exact(&view).unwrap(), r#"{"id":"NET-1","kind":"gift"}"#);
    }

    #[test]
    fn what_is_not_kept_whole_is_not_offered_as_the_body() {
        let cut = view(r#"{"id":"NET"#, 10, 70_000, false);
        let text = page(&cut).join("\n");
        assert!(text.contains("keeps the first 10 of 70000 bytes") && text.contains("/kind: must be"), "{text}");
        assert!(!text.contains("To mend it"), "{text}");
        let error = exact(&cut).unwrap_err().message;
        assert!(error.contains("the first 10 of 70000 bytes") && error.contains("x-crossgrant-uid"), "{error}");
        let binary = view("\u{fffd}\u{1b}", 2, 2, false);
        assert!(exact(&binary).unwrap_err().message.contains("no UTF-8"));
        assert!(!page(&binary).join("\n").contains("To mend it"));
        let mut whole = cut.clone();
        whole.rejected.job_id = None;
        whole.rejected.batch_id = Some(crate::domain::BatchId::parse("MOVE-7").unwrap());
        whole.rejected.faults_not_listed = 290;
        let text = page(&whole).join("\n");
        assert!(text.contains("  batch         MOVE-7\n") && !text.contains("job id"), "{text}");
        assert!(text.contains("  fault         and 290 more, which are not listed\n"), "{text}");
        let older = RejectionView { message: None, ..cut };
        assert!(exact(&older).unwrap_err().message.contains("earlier version"));
        assert!(page(&older).join("\n").contains("not kept"));
    }
}
