//! `submit --batch`: publishes jobs as one batch, and tells at its end what became of them.

use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::args::SubmitArgs;
use super::exit::{CliError, Exit};
use super::follow::{Follow, is_last};
use super::inquiry::Inquiry;
use super::progress::ProgressLine;
use super::signals::Signals;
use super::submit::{self, REPLIES, TICK, submission};
use super::telling::Telling;
use super::{input, output};
use crate::broker::{BrokerSettings, EventTap, Submission, Submitter};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::contract::{self, Fault};
use crate::domain::{BatchEventType, BatchId, Code, EventType, MAX_BATCH, Topic, visible};
use crate::engine::ports::mail::Delivered;

/// How many jobs the table lists that did not complete.
const LISTED: usize = 50;

/// Publishes the jobs, and follows the batch until it ends.
pub(super) async fn submit(args: &SubmitArgs, id: &BatchId, config: &Config) -> Result<Exit, CliError> {
    let (jobs, settings) = submit::read(args, config)?;
    let jobs = members(&jobs, id, args.on_failure.as_deref())?;
    let mut submitter = Submitter::connect(Arc::clone(&settings)).await?;
    let (mut replies, mut tap) = (submitter.replies().await?, tap(&settings).await);
    let reply_to = Some(replies.name().to_owned());
    let submissions: Vec<Submission> = jobs.into_iter().map(|job| submission(job, reply_to.as_deref())).collect();
    let verdicts = submitter.submit_all(&submissions).await?;
    let lost = verdicts.iter().filter(|verdict| **verdict != Delivered::Confirmed).count();
    if lost > 0 {
        let message = format!("{lost} of {} jobs were not published; submit the same file again", submissions.len());
        return Err(CliError::failed(message).code(Code::BrokerRefused));
    }
    let of = |submission: &Submission| {
        (submission.correlation_id.clone().unwrap_or_default(), submission.message_id.clone())
    };
    let (clock, progress, mut signals) = (SystemClock, ProgressLine::new(), Signals::listen()?);
    let mut follow = Follow::new(submissions.iter().map(of).collect(), 0, clock.now());
    let mut inquiry = Inquiry::begin(config, submissions.len());
    let deadline = args.timeout.map(|timeout| clock.uptime() + timeout);
    let (mut tap, mut telling, mut answered) = (tap.as_mut(), Telling::begin(&progress), 0);
    let end = loop {
        telling.tell(&follow, &submitter).await;
        let tick = deadline.map_or(TICK, |deadline| deadline.saturating_sub(clock.uptime()).min(TICK));
        let (message, is_reply) = tokio::select! {
            message = replies.next() => (message, true),
            message = submit::next(&mut tap) => match message {
                // It comes as a reply too, and that must find its queue here.
                Ok(message) if is_end(&message.routing_key) => continue,
                message => (message, false),
            },
            known = inquiry.next() => {
                follow.hear(&known);
                continue;
            }
            () = clock.sleep(tick) => {
                if deadline.is_some_and(|deadline| clock.uptime() >= deadline) {
                    progress.clear();
                    return Err(CliError::failed(format!("timed out; the batch {id} goes on")).code(Code::WaitedEnough));
                }
                continue;
            }
            name = signals.next() => {
                progress.clear();
                return Err(CliError::failed(format!("interrupted by {name}; the batch {id} goes on")).code(Code::Interrupted));
            }
        };
        let message = message.map_err(|error| {
            CliError::unreachable(format!("lost the connection to the broker ({error}); the batch {id} goes on"))
                .code(Code::BrokerSessionEnded)
        })?;
        if let Some(end) = end_of(&message.body, id) {
            break Some(end);
        }
        answered += usize::from(is_reply && is_last(&message.body));
        let news = message.correlation_id.as_deref().and_then(|id| follow.take(id, &message.body));
        if let Some(notice) = news.and_then(|news| news.notice) {
            progress.clear();
            output::note(&notice);
        }
        // A job that was rejected never gets into the batch, which would be waited for in vain.
        if follow.ended() && follow.rejected() > 0 {
            break None;
        }
    };
    if end.is_none() {
        // A rejection may come as an event before the reply, and as none where its requester may not be answered here.
        let all = async {
            while answered < follow.len() && replies.next().await.is_ok() {
                answered += 1;
            }
        };
        let _ = tokio::time::timeout(REPLIES, all).await;
    }
    progress.clear();
    submitter.close().await;
    let rejected = follow.rejected();
    if rejected > 0 {
        let then = match rejected == follow.len() {
            true => "so there is no batch",
            false => "so the batch waits for them until its time is over",
        };
        output::note(&format!("{rejected} jobs were rejected, {then}; `crossgrant dead list` tells why"));
    }
    let Some(end) = end else { return Ok(Exit::Failed) };
    match args.json {
        true => output::line(&end.to_string())?,
        false => output::lines(&table(&end))?,
    }
    Ok(if all_completed(&end) { Exit::Ok } else { Exit::Failed })
}

/// The events of jobs: of what happens before the end, only they tell. Not every user may read them.
async fn tap(settings: &BrokerSettings) -> Option<EventTap> {
    match EventTap::open(settings, "job.#").await {
        Ok(tap) => Some(tap),
        Err(error) => {
            output::note(&format!("events cannot be followed, so a job that needs a person is not told of: {error}"));
            None
        }
    }
}

/// Whether the event with this routing key ends its job.
fn is_end(routing_key: &str) -> bool {
    routing_key.strip_prefix("job.").and_then(EventType::parse).is_some_and(EventType::is_terminal)
}

/// The jobs as those of a batch. All of them are checked before the first is published.
fn members(jobs: &[Bytes], id: &BatchId, on_failure: Option<&str>) -> Result<Vec<Bytes>, CliError> {
    if jobs.len() > MAX_BATCH as usize {
        let message = format!("a batch has at most {MAX_BATCH} jobs, not {}", jobs.len());
        return Err(CliError::usage(message).code(Code::BadInput));
    }
    let mut terms = json!({"id": id, "size": jobs.len()});
    if let Some(word) = on_failure {
        terms["on_failure"] = word.into();
    }
    let (mut members, mut faults) = (Vec::with_capacity(jobs.len()), Vec::new());
    for (place, job) in jobs.iter().enumerate() {
        let mut value: Value = serde_json::from_slice(job).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.entry("batch").or_insert_with(|| terms.clone());
        }
        let member = Bytes::from(value.to_string());
        let wrong = input::parse(&member).err().unwrap_or_default();
        faults.extend(wrong.into_iter().map(|fault| Fault { at: format!("/{place}{}", fault.at), ..fault }));
        members.push(member);
    }
    if !faults.is_empty() {
        let message = format!("nothing was published: {}", contract::summary(&faults.into()));
        return Err(CliError::usage(message).code(Code::BadInput));
    }
    Ok(members)
}

/// What a message says of the end of the batch, if it does.
fn end_of(body: &[u8], id: &BatchId) -> Option<Value> {
    let mut event: Value = serde_json::from_slice(body).ok()?;
    let ended = event["type"] == Topic::from(BatchEventType::Ended).name().as_str();
    (ended && event["data"]["batch"]["id"] == id.as_str()).then(|| event["data"].take())
}

fn all_completed(end: &Value) -> bool {
    let good = |state: &String| state == "completed" || state == "planned";
    end["missing"] == 0 && end["jobs"].as_object().is_some_and(|jobs| jobs.keys().all(good))
}

/// The end of a batch for people: how many jobs ended how, and those that did not complete.
fn table(end: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut table = format!("{:<12}{:<24}{:>6}\n", "STATE", "REASON", "JOBS");
    for (state, reasons) in end["jobs"].as_object().into_iter().flatten() {
        for (reason, jobs) in reasons.as_object().into_iter().flatten() {
            let _ = writeln!(table, "{state:<12}{reason:<24}{:>6}", jobs.as_u64().unwrap_or_default());
        }
    }
    let missing = end["missing"].as_u64().unwrap_or_default();
    if missing > 0 {
        let _ = writeln!(table, "{:<36}{missing:>6}", "missing");
    }
    let (first, last) = (text(&end["first_effective_at"]), text(&end["last_effective_at"]));
    if first == last && !first.is_empty() {
        let _ = writeln!(table, "in force from {first}");
    } else if !first.is_empty() {
        let _ = writeln!(table, "in force from {first} to {last}");
    }
    let failed = end["not_completed"].as_array().map(Vec::as_slice).unwrap_or_default();
    for job in failed.iter().take(LISTED) {
        let line = format!("{} {}: {}", text(&job["id"]), text(&job["reason"]), text(&job["message"]));
        let _ = writeln!(table, "{}", visible(&line));
    }
    let more = failed.len().saturating_sub(LISTED) as u64 + end["not_listed"].as_u64().unwrap_or_default();
    if more > 0 {
        let _ = writeln!(table, "and {more} more: crossgrant jobs --batch {}", text(&end["uid"]));
    }
    table.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &[u8] = include_bytes!("../../examples/payer-change.json");

    fn id() -> BatchId {
        BatchId::parse("MOVE-7").unwrap()
    }

    #[test]
    fn every_job_gets_the_batch_and_none_is_published_if_one_is_wrong() {
        let good = Bytes::from_static(JOB);
        let members_of = |jobs: &[Bytes]| members(jobs, &id(), Some("stop"));
        let made = members_of(&[good.clone(), good.clone()]).unwrap();
        let batch = input::parse(&made[1]).unwrap().batch.unwrap();
        assert_eq!((batch.id, batch.size, batch.on_failure.as_str()), (id(), 2, "stop"));
        for (bad, says) in [(&b"{}"[..], "/1/kind"), (&b"[]"[..], "/1: a job is a JSON object"), (&b"1"[..], "/1")] {
            let error = members_of(&[good.clone(), Bytes::from_static(bad)]).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
        assert!(members(&[good], &id(), Some("halt")).unwrap_err().to_string().contains("/0/batch/on_failure"));
    }

    #[test]
    fn the_end_is_a_table() {
        let data = json!({
            "uid": "u-1", "batch": {"id": "MOVE-7"}, "missing": 1, "not_listed": 2,
            "jobs": {"completed": {"done": 297}, "failed": {"attached": 2}},
            "not_completed": [{"id": "NET-1", "reason": "attached", "message": "it is\nattached"}],
            "first_effective_at": "2026-11-21T11:00:00Z", "last_effective_at": "2026-11-21T11:00:00Z",
        });
        let body = json!({"type": "crossgrant.batch.ended", "data": data}).to_string();
        let end = end_of(body.as_bytes(), &id()).unwrap();
        assert!(end_of(body.as_bytes(), &BatchId::parse("other").unwrap()).is_none());
        let lines: Vec<String> = table(&end).lines().map(str::to_owned).collect();
        assert_eq!(lines[0], "STATE       REASON                    JOBS");
        assert_eq!(lines[1], "completed   done                       297");
        assert_eq!(lines[2], "failed      attached                     2");
        assert_eq!(lines[3], "missing                                  1");
        assert_eq!(lines[4], "in force from 2026-11-21T11:00:00Z");
        assert!(lines[5].starts_with("NET-1 attached: it is") && lines.len() == 7, "{lines:?}");
        assert_eq!(lines[6], "and 2 more: crossgrant jobs --batch u-1");
        assert!(!all_completed(&end));
        assert!(all_completed(&json!({"missing": 0, "jobs": {"completed": {"done": 1}, "planned": {"planned": 1}}})));
    }
}
