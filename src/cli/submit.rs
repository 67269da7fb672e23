//! `submit`: publish jobs, and follow them to their ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use uuid::Uuid;

use super::args::SubmitArgs;
use super::exit::{Exit, Failure};
use super::follow::{Follow, Heard};
use super::progress::Progress;
use super::serve::broker;
use super::signals::Signals;
use super::{input, output};
use crate::broker::{Arrivals, BrokerSettings, EventTap, Submission, Submitter};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::Code;
use crate::engine::ports::mail::{Delivered, Incoming};

/// How often the progress line is renewed.
const TICK: Duration = Duration::from_millis(500);

/// Publishes the jobs of a file.
pub(super) async fn submit(args: &SubmitArgs, config: &Config) -> Result<Exit, Failure> {
    let jobs = input::jobs(&args.file)?;
    if jobs.is_empty() {
        return Err(Failure::usage("there is no job to submit").code(Code::NoJob));
    }
    let settings = Arc::new(BrokerSettings { name: "crossgrant submit".into(), ..broker(config) });
    let mut submitter = Submitter::connect(Arc::clone(&settings)).await?;
    // Both before the first job, so that nothing is said that we do not hear.
    let mut mail = match args.wait {
        true => Some((submitter.replies().await?, tap(&settings).await)),
        false => None,
    };
    let reply_to = mail.as_ref().map(|(replies, _)| replies.queue().to_owned());
    let submissions: Vec<Submission> = jobs.into_iter().map(|job| submission(job, reply_to.as_deref())).collect();
    let verdicts = submitter.submit_all(&submissions).await?;
    let mut ids = HashMap::new();
    for (submission, verdict) in submissions.iter().zip(&verdicts) {
        match verdict {
            Delivered::Confirmed => {
                let correlation = submission.correlation_id.clone().unwrap_or_default();
                ids.insert(correlation, submission.message_id.clone());
            }
            Delivered::Undeliverable => {
                tracing::error!(job.id = %submission.message_id, "no queue takes it; not published")
            }
            Delivered::Refused => {
                tracing::error!(job.id = %submission.message_id, "the queue refused it: it is full or it failed")
            }
        }
        if !args.wait {
            let confirmed = *verdict == Delivered::Confirmed;
            output::line(&json!({"id": submission.message_id, "published": confirmed}).to_string())?;
        }
    }
    let all = ids.len() == submissions.len();
    let Some((replies, tap)) = &mut mail else {
        submitter.close().await;
        return Ok(if all { Exit::Ok } else { Exit::Failed });
    };
    let mut follow = Follow::new(ids);
    let completed = follow_to_end(&mut follow, replies, tap.as_mut(), args.timeout).await?;
    submitter.close().await;
    Ok(if all && completed { Exit::Ok } else { Exit::Failed })
}

/// The events on their way; only the ends come to the reply queue. Not everybody may listen to them.
async fn tap(settings: &BrokerSettings) -> Option<EventTap> {
    match EventTap::open(settings, "job.#").await {
        Ok(tap) => Some(tap),
        Err(error) => {
            tracing::warn!(%error, "cannot listen to the events; shows the ends only");
            None
        }
    }
}

fn submission(job: Bytes, reply_to: Option<&str>) -> Submission {
    let unique = Uuid::new_v4().to_string();
    Submission {
        routing_key: input::routing_key(&job),
        message_id: input::field(&job, "id").filter(|id| id.len() <= 255).unwrap_or_else(|| unique.clone()),
        correlation_id: Some(unique),
        reply_to: reply_to.map(ToOwned::to_owned),
        app_id: Some("crossgrant-submit".into()),
        traceparent: None,
        body: job,
    }
}

/// Writes each event once, until every job has ended; whether each has the result that was asked for.
async fn follow_to_end(
    follow: &mut Follow,
    replies: &mut Arrivals,
    mut tap: Option<&mut EventTap>,
    timeout: Option<Duration>,
) -> Result<bool, Failure> {
    let (clock, progress, mut signals) = (SystemClock, Progress::new(), Signals::listen()?);
    let deadline = timeout.map(|timeout| clock.uptime() + timeout);
    while !follow.ended() {
        progress.show(&follow.line(clock.now()));
        let tick = deadline.map_or(TICK, |deadline| deadline.saturating_sub(clock.uptime()).min(TICK));
        let message = tokio::select! {
            message = replies.next() => message,
            message = next(&mut tap) => message,
            () = clock.sleep(tick) => {
                if deadline.is_some_and(|deadline| clock.uptime() >= deadline) {
                    progress.clear();
                    return Err(Failure::failed(format!("waited long enough; not ended: {}", open(follow))).code(Code::WaitedEnough));
                }
                continue;
            }
            name = signals.next() => {
                progress.clear();
                let open = open(follow);
                return Err(Failure::failed(format!("interrupted by {name}; the jobs go on without us: {open}")).code(Code::Interrupted));
            }
        };
        let message = message.map_err(|error| {
            Failure::unreachable(format!("lost the broker ({error}); the jobs go on without us: {}", open(follow)))
                .code(Code::BrokerSessionEnded)
        })?;
        if let Some(Heard { text, notice }) = hear(follow, &message) {
            progress.clear();
            output::line(&text)?;
            if let Some(notice) = notice {
                tracing::warn!("{notice}");
            }
        }
    }
    Ok(follow.completed())
}

fn hear(follow: &mut Follow, message: &Incoming) -> Option<Heard> {
    follow.hear(message.correlation_id.as_deref()?, &message.body)
}

fn open(follow: &Follow) -> String {
    follow.open().into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

async fn next(tap: &mut Option<&mut EventTap>) -> Result<Incoming, crate::broker::BrokerError> {
    match tap {
        Some(tap) => tap.next().await,
        None => std::future::pending().await,
    }
}
