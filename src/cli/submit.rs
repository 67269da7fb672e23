//! `submit`: publishes jobs, and follows them until they end.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::args::SubmitArgs;
use super::exit::{CliError, Exit};
use super::follow::{Follow, NewEvent};
use super::progress::ProgressLine;
use super::signals::Signals;
use super::{broker, input, output};
use crate::broker::{BrokerError, BrokerSettings, EventTap, ExclusiveQueue, Signer, Submission, Submitter};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::{Code, Requester};
use crate::engine::ports::mail::{Delivered, Incoming};

/// How often the progress line is renewed.
pub(super) const TICK: Duration = Duration::from_millis(500);

/// Publishes the jobs of a file.
pub(super) async fn submit(args: &SubmitArgs, config: &Config) -> Result<Exit, CliError> {
    let (jobs, settings) = read(args, config)?;
    let mut submitter = Submitter::connect(Arc::clone(&settings)).await?;
    // Both are opened before the first job is published, so that no event is missed.
    let mut events = match args.wait {
        true => Some((submitter.replies().await?, tap(&settings).await)),
        false => None,
    };
    let reply_to = events.as_ref().map(|(replies, _)| replies.name().to_owned());
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
                tracing::error!(job.id = %submission.message_id, "job not published: no queue takes it")
            }
            Delivered::Refused | Delivered::Unconfirmed => {
                tracing::error!(job.id = %submission.message_id, "job not published: the queue is full, or it failed")
            }
            Delivered::Unpublishable(words) => {
                tracing::error!(job.id = %submission.message_id, "job not published: {words}")
            }
        }
        if !args.wait {
            let confirmed = *verdict == Delivered::Confirmed;
            output::line(&json!({"id": submission.message_id, "published": confirmed}).to_string())?;
        }
    }
    let all = ids.len() == submissions.len();
    let Some((replies, tap)) = &mut events else {
        submitter.close().await;
        return Ok(if all { Exit::Ok } else { Exit::Failed });
    };
    let mut follow = Follow::new(ids);
    let completed = follow_to_end(&mut follow, replies, tap.as_mut(), args.timeout).await?;
    submitter.close().await;
    Ok(if all && completed { Exit::Ok } else { Exit::Failed })
}

/// The jobs of the file, and how the broker is reached.
pub(super) fn read(args: &SubmitArgs, config: &Config) -> Result<(Vec<Bytes>, Arc<BrokerSettings>), CliError> {
    let jobs = input::jobs(&args.file)?;
    if jobs.is_empty() {
        return Err(CliError::usage("there is no job to submit").code(Code::NoJob));
    }
    let signer = signer(args.requester.as_deref(), &config.broker.requesters)?;
    let settings = BrokerSettings { name: "crossgrant submit".into(), signer, ..broker::settings(config) };
    Ok((jobs, Arc::new(settings)))
}

/// Who signs the jobs: the requester that is named, or the only one that has a key.
fn signer(named: Option<&str>, keys: &BTreeMap<Requester, Vec<SecretString>>) -> Result<Option<Signer>, CliError> {
    let names = || keys.keys().map(Requester::as_str).collect::<Vec<_>>().join(", ");
    let found = match named {
        Some(name) => keys.iter().find(|(requester, _)| requester.as_str() == name),
        None if keys.len() <= 1 => keys.iter().next(),
        None => {
            return Err(CliError::usage(format!("several requesters have keys; name one by --requester: {}", names())));
        }
    };
    match (found, named) {
        (Some((requester, keys)), _) => {
            let signer = |key: &SecretString| Signer { requester: requester.clone(), key: key.clone() };
            Ok(keys.first().map(signer))
        }
        (None, Some(name)) => {
            Err(CliError::usage(format!("there is no [[broker.requester]] named {name:?}; there are: {}", names())))
        }
        (None, None) => Ok(None),
    }
}

/// All events of jobs. The reply queue gets only terminal ones, but not every user may read from the exchange.
async fn tap(settings: &BrokerSettings) -> Option<EventTap> {
    match EventTap::open(settings, "job.#").await {
        Ok(tap) => Some(tap),
        Err(error) => {
            tracing::warn!(%error, "events cannot be followed; only terminal events are shown");
            None
        }
    }
}

pub(super) fn submission(job: Bytes, reply_to: Option<&str>) -> Submission {
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

/// Prints each event once, until every job has ended. True if every job has the wanted result.
async fn follow_to_end(
    follow: &mut Follow,
    replies: &mut ExclusiveQueue,
    mut tap: Option<&mut EventTap>,
    timeout: Option<Duration>,
) -> Result<bool, CliError> {
    let (clock, progress, mut signals) = (SystemClock, ProgressLine::new(), Signals::listen()?);
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
                    return Err(CliError::failed(format!("timed out; jobs that have not ended: {}", open(follow))).code(Code::WaitedEnough));
                }
                continue;
            }
            name = signals.next() => {
                progress.clear();
                let open = open(follow);
                return Err(CliError::failed(format!("interrupted by {name}; jobs that go on: {open}")).code(Code::Interrupted));
            }
        };
        let message = message.map_err(|error| {
            CliError::unreachable(format!(
                "lost the connection to the broker ({error}); jobs that go on: {}",
                open(follow)
            ))
            .code(Code::BrokerSessionEnded)
        })?;
        if let Some(NewEvent { text, notice }) = take(follow, &message) {
            progress.clear();
            output::line(&text)?;
            if let Some(notice) = notice {
                tracing::warn!("{notice}");
            }
        }
    }
    Ok(follow.completed())
}

fn take(follow: &mut Follow, message: &Incoming) -> Option<NewEvent> {
    follow.take(message.correlation_id.as_deref()?, &message.body)
}

fn open(follow: &Follow) -> String {
    follow.open().into_iter().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}

async fn next(tap: &mut Option<&mut EventTap>) -> Result<Incoming, BrokerError> {
    match tap {
        Some(tap) => tap.next().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_only_requester_signs_or_the_one_that_is_named() {
        let keys = |names: &[&str]| -> BTreeMap<Requester, Vec<SecretString>> {
            let of =
                |name: &&str| (Requester::parse(*name).unwrap(), vec![format!("key of {name}").into(), "old".into()]);
            names.iter().map(of).collect()
        };
        let signs = |named, names: &[&str]| {
            signer(named, &keys(names)).map(|signer| signer.map(|signer| signer.requester.to_string()))
        };
        assert_eq!(signs(None, &[]).unwrap(), None);
        assert_eq!(signs(None, &["a"]).unwrap(), Some("a".into()));
        assert_eq!(signs(Some("b"), &["a", "b"]).unwrap(), Some("b".into()));
        assert!(signs(None, &["a", "b"]).unwrap_err().to_string().contains("name one by --requester: a, b"));
        assert!(signs(Some("c"), &["a", "b"]).unwrap_err().to_string().contains("named \"c\"; there are: a, b"));
        assert!(signs(Some("c"), &[]).is_err());
    }
}
