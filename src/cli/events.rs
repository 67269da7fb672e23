//! `events replay`: publishes kept events again, if their number is the expected one.

use serde_json::json;

use super::args::EventsReplayArgs;
use super::client::{AdminClient, query};
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::{MatchingEvents, ReplayedEvents};

/// Publishes the events that are meant, or counts them.
pub(super) async fn replay(args: &EventsReplayArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let Some(expected) = args.expect_count else { return count(args, worker).await };
    let expected = expected.to_string();
    let query = query(&[args.pairs(), args.mandate.pairs(), vec![("expect", &expected)]]);
    let answer: ReplayedEvents = worker.post(&format!("/v1/events/replay?{query}")).await?;
    output::line(&match args.json {
        true => json!(answer).to_string(),
        false => format!("events to be published again: {}", answer.replayed),
    })?;
    Ok(Exit::Ok)
}

async fn count(args: &EventsReplayArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let found: MatchingEvents = worker.get(&format!("/v1/events/replay?{}", query(&[args.pairs()]))).await?;
    let MatchingEvents { total, about, first, last, since, until } = &found;
    output::line(&match (args.json, first.zip(*last)) {
        (true, _) => json!(found).to_string(),
        (false, Some((first, last))) => {
            format!("events: {total}, about jobs, batches and rejected messages: {about}, from {first} to {last}")
        }
        (false, None) => "no event matches".to_owned(),
    })?;
    if *total == 0 {
        return Ok(Exit::Ok);
    }
    // With the times as they were counted, because more happens meanwhile.
    let since = args.since.as_ref().map(|_| format!("--since {since} ")).unwrap_or_default();
    let times = format!("{since}--until {until}");
    Err(CliError::failed(format!(
        "events that match: {total}; to publish them again, give {times} --expect-count {total}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::dead::tests::worker;
    use crate::engine::ports::mail::Lane;
    use crate::engine::ports::store::{Outbox, OutboxPage};

    fn since(since: &str) -> EventsReplayArgs {
        EventsReplayArgs { since: Some(since.into()), ..EventsReplayArgs::default() }
    }

    #[tokio::test]
    async fn events_are_counted_and_published_only_if_the_count_is_right() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2"]).await;
        let due = OutboxPage {
            lane: Lane::Events,
            which: Outbox::PutOff(engine.clock.now()),
            messages: 99,
            bytes: usize::MAX,
        };
        let error = replay(&since("1h"), &worker).await.unwrap_err();
        let told = "events that match: 3; to publish them again, give --since 2026-11-21T09:20:01Z --until 2026-11-21T10:20:01Z \
                    --expect-count 3";
        assert_eq!((error.message.as_str(), error.exit), (told, Exit::Failed));
        let wrong = EventsReplayArgs { expect_count: Some(2), ..since("1h") };
        let error = replay(&wrong, &worker).await.unwrap_err();
        assert!(error.message.contains("events that match: 3, not 2; nothing was published again"), "{error}");
        assert_eq!(engine.store.outbox(due).await.unwrap(), []);

        let right = EventsReplayArgs { expect_count: Some(2), kind: Some("job.accepted".into()), ..since("1h") };
        assert_eq!(replay(&right, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.outbox(due).await.unwrap().len(), 2);
        let of_job = EventsReplayArgs { job: Some("bot/NET-2".into()), ..EventsReplayArgs::default() };
        let error = replay(&of_job, &worker).await.unwrap_err();
        assert!(error.message.contains("match: 1; to publish them again, give --until"), "{error}");
        assert_eq!(replay(&since("2026-11-21T10:20:01Z"), &worker).await.unwrap(), Exit::Ok, "there is none");
    }

    #[tokio::test]
    async fn what_cannot_be_meant_is_refused() {
        let (_engine, worker, _stop) = worker(&[]).await;
        let kind = EventsReplayArgs { kind: Some("job.complete".into()), ..since("1h") };
        let none = EventsReplayArgs { expect_count: Some(0), ..EventsReplayArgs::default() };
        for (args, says) in [
            (kind, "must be one of job.accepted"),
            (since("yesterday"), "such as 2h"),
            (none, "since=<time> or job=<reference> is missing"),
        ] {
            let error = replay(&args, &worker).await.unwrap_err();
            assert!(error.message.contains(says) && error.exit == Exit::Usage, "{error}");
        }
        let job = EventsReplayArgs { job: Some("bot/none".into()), ..since("1h") };
        assert!(replay(&job, &worker).await.unwrap_err().message.contains("there is no job bot/none"));
    }
}
