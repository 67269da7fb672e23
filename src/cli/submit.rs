//! `submit`: publishes jobs, and follows them until they end.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::args::SubmitArgs;
use super::event_line::EventLines;
use super::exit::{CliError, Exit};
use super::follow::{Follow, NewEvent, is_last};
use super::inquiry::Inquiry;
use super::progress::ProgressLine;
use super::signals::Signals;
use super::telling::{Telling, no_worker};
use super::{broker, input, output};
use crate::broker::{BrokerError, BrokerSettings, EventTap, ExclusiveQueue, Signer, Submission, Submitter};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::contract;
use crate::domain::{Code, Requester};
use crate::engine::decide::event_routes::FOLLOWED;
use crate::engine::ports::mail::{Delivered, Incoming};

/// How often is looked whether there is something to tell.
pub(super) const TICK: Duration = Duration::from_millis(500);
/// How long replies are waited for whose events have come already. A job that may not be answered there gets none.
pub(super) const REPLIES: Duration = Duration::from_secs(2);

/// Publishes the jobs of a file.
pub(super) async fn submit(args: &SubmitArgs, config: &Config) -> Result<Exit, CliError> {
    let clock = SystemClock;
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
    let published = clock.uptime();
    let mut ids = Vec::new();
    for (submission, verdict) in submissions.iter().zip(&verdicts) {
        match verdict {
            Delivered::Confirmed => {
                let correlation = submission.correlation_id.clone().unwrap_or_default();
                ids.push((correlation, submission.message_id.clone()));
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
    let unpublished = submissions.len() - ids.len();
    let Some((replies, tap)) = &mut events else {
        if submitter.consumers().await == Some(0) {
            output::note(&no_worker(&submitter.jobs_queue()));
        }
        submitter.close().await;
        return Ok(if unpublished == 0 { Exit::Ok } else { Exit::Failed });
    };
    let progress = ProgressLine::new();
    let mut inquiry = Inquiry::begin(config, ids.len());
    let mut follow = Follow::new(ids, unpublished, clock.now());
    let mut following = Following::begin(&progress);
    let followed = following.follow(&mut follow, &submitter, replies, tap.as_mut(), &mut inquiry, args.timeout).await;
    progress.clear();
    follow.summary(clock.uptime().saturating_sub(published)).iter().for_each(|line| output::note(line));
    followed?;
    submitter.close().await;
    Ok(if follow.completed() { Exit::Ok } else { Exit::Failed })
}

/// The jobs of the file, and how the broker is reached.
pub(super) fn read(args: &SubmitArgs, config: &Config) -> Result<(Vec<Bytes>, Arc<BrokerSettings>), CliError> {
    let jobs = input::jobs(&args.file)?;
    if jobs.is_empty() {
        return Err(CliError::usage("there is no job to submit").code(Code::NoJob));
    }
    if jobs.iter().any(|job| contract::is_whole(job)) {
        let how = "this is a whole batch, with `batch` and `jobs`; give `crossgrant submit --batch ID` a file with its jobs alone";
        return Err(CliError::usage(how).code(Code::BadInput));
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
            output::note(&format!("events cannot be followed, so only the last one of each job is shown: {error}"));
            None
        }
    }
}

/// A job as a message. One that asks for replies is followed by its events as well.
pub(super) fn submission(job: Bytes, reply_to: Option<&str>) -> Submission {
    let unique = Uuid::new_v4().to_string();
    let correlation = if reply_to.is_some() { format!("{FOLLOWED}{unique}") } else { unique.clone() };
    Submission {
        routing_key: input::routing_key(&job),
        message_id: input::field(&job, "id").filter(|id| id.len() <= 255).unwrap_or(unique),
        correlation_id: Some(correlation),
        reply_to: reply_to.map(ToOwned::to_owned),
        app_id: Some("crossgrant-submit".into()),
        traceparent: None,
        body: job,
    }
}

/// Follows jobs until their end, and tells of it.
struct Following<'a> {
    telling: Telling<'a>,
    /// The jobs whose last event has come as a reply.
    answered: HashSet<String>,
}

impl<'a> Following<'a> {
    fn begin(progress: &'a ProgressLine) -> Self {
        Self { telling: Telling::begin(progress), answered: HashSet::new() }
    }

    /// Prints each event once, until every job has ended.
    async fn follow(
        &mut self,
        follow: &mut Follow,
        submitter: &Submitter,
        replies: &mut ExclusiveQueue,
        mut tap: Option<&mut EventTap>,
        inquiry: &mut Inquiry,
        timeout: Option<Duration>,
    ) -> Result<(), CliError> {
        let (clock, mut signals) = (SystemClock, Signals::listen()?);
        let deadline = timeout.map(|timeout| clock.uptime() + timeout);
        while !follow.ended() {
            self.telling.tell(follow, submitter).await;
            let tick = deadline.map_or(TICK, |deadline| deadline.saturating_sub(clock.uptime()).min(TICK));
            let (message, is_reply) = tokio::select! {
                message = replies.next() => (message, true),
                message = next(&mut tap) => (message, false),
                known = inquiry.next() => {
                    follow.hear(&known);
                    continue;
                }
                () = clock.sleep(tick) => {
                    if deadline.is_some_and(|deadline| clock.uptime() >= deadline) {
                        let error = CliError::failed(format!("timed out; jobs that have not ended: {}", follow.open()));
                        return Err(error.code(Code::WaitedEnough));
                    }
                    continue;
                }
                name = signals.next() => {
                    let error = CliError::failed(format!("interrupted by {name}; jobs that go on: {}", follow.open()));
                    return Err(error.code(Code::Interrupted));
                }
            };
            let message = message.map_err(|error| {
                CliError::unreachable(format!(
                    "lost the connection to the broker ({error}); jobs that go on: {}",
                    follow.open()
                ))
                .code(Code::BrokerSessionEnded)
            })?;
            self.hear(follow, &message, is_reply)?;
        }
        self.await_replies(follow, replies).await
    }

    /// The event of a job may come before the reply, which is to find its queue: without it, it would be kept as undelivered.
    async fn await_replies(&mut self, follow: &mut Follow, replies: &mut ExclusiveQueue) -> Result<(), CliError> {
        let all = async {
            while self.answered.len() < follow.len() {
                let Ok(message) = replies.next().await else { break };
                self.hear(follow, &message, true)?;
            }
            Ok(())
        };
        tokio::select! {
            heard = all => heard,
            () = SystemClock.sleep(REPLIES) => Ok(()),
        }
    }

    fn hear(&mut self, follow: &mut Follow, message: &Incoming, is_reply: bool) -> Result<(), CliError> {
        if let Some(NewEvent { text, notice }) = take(follow, message) {
            self.telling.progress.clear();
            EventLines::on_stdout().of(&text).iter().try_for_each(|line| output::line(line))?;
            notice.iter().for_each(|notice| output::note(notice));
        }
        // One that was there already is answered with its latest event, too.
        self.answered.extend(message.correlation_id.clone().filter(|_| is_reply && is_last(&message.body)));
        Ok(())
    }
}

fn take(follow: &mut Follow, message: &Incoming) -> Option<NewEvent> {
    follow.take(message.correlation_id.as_deref()?, &message.body)
}

/// The next event; never, where events cannot be followed.
pub(super) async fn next(tap: &mut Option<&mut EventTap>) -> Result<Incoming, BrokerError> {
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
