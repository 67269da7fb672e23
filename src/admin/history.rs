//! The events that are kept with their jobs: publishing them again.

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::filter::time;
use super::mandate::{SAID, Said};
use super::parts::Admin;
use super::query::{bad, pairs, parsed, unknown};
use super::tokens::Authority;
use crate::domain::{BatchEventType, EventType, TYPE_PREFIX, Topic};
use crate::engine::loops::replay::{ChosenEvents, EventChoice, MOST_EVENTS};
use crate::engine::record::Mandate;

/// The answer to `GET /v1/events/replay`: the events that `POST` would publish again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MatchingEvents {
    /// How many there are.
    pub total: usize,
    /// How many jobs, batches and rejected messages they are about.
    pub about: usize,
    /// When the first of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<Timestamp>,
    /// When the last of them happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Timestamp>,
    /// From when on they were looked for: with this time and the next one, the same events match again.
    pub since: Timestamp,
    /// Until when they were looked for.
    pub until: Timestamp,
}

/// The answer to `POST /v1/events/replay`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayedEvents {
    /// How many events will be published again.
    pub replayed: usize,
}

/// What a query asks for.
struct Asked {
    choice: EventChoice,
    expect: Option<usize>,
    said: Said,
}

pub(super) async fn would_replay(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<MatchingEvents>, ApiError> {
    let Asked { choice, expect, said } = admin.asked_for_events(query.as_deref()).await?;
    if expect.is_some() || said.by.is_some() || said.reason.is_some() {
        return Err(ApiError::BadRequest("expect, by and reason are for POST; GET only counts".into()));
    }
    let ChosenEvents { events, about, first, last } = admin.chosen_events(&choice).await?;
    let (since, until) = (choice.since, choice.until);
    Ok(Json(MatchingEvents { total: events.len(), about, first, last, since, until }))
}

/// Publishes the events that match again, if their number is that of `expect=<count>`.
pub(super) async fn replay(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<ReplayedEvents>, ApiError> {
    let Asked { choice, expect, said } = admin.asked_for_events(query.as_deref()).await?;
    let _turn = admin.asked().bulk.lock().await;
    let chosen = admin.chosen_events(&choice).await?;
    let total = chosen.events.len();
    let Some(expected) = expect else {
        return Err(ApiError::BadRequest(format!("expect=<count> is missing; events that match: {total}")));
    };
    if total != expected {
        let message = format!("events that match: {total}, not {expected}; nothing was published again");
        return Err(ApiError::Conflict(message));
    }
    let replayed = admin.parts().engine.publish_again(&chosen).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    tracing::info!(
        events = replayed, by, token = authority, reason, since = %choice.since, until = %choice.until,
        "kept events put into the outbox again"
    );
    Ok(Json(ReplayedEvents { replayed }))
}

impl Admin {
    async fn asked_for_events(&self, query: Option<&str>) -> Result<Asked, ApiError> {
        let now = self.parts().engine.clock.now();
        let (mut since, mut until, mut job, mut kind, mut expect) = (None, None, None, None, None);
        let mut said = Said::default();
        for (key, value) in pairs(query) {
            match key.as_str() {
                _ if said.take(&key, &value)? => {}
                "since" => since = Some(time(&key, &value, now)?),
                "until" => until = Some(time(&key, &value, now)?),
                "job" => job = Some(self.find(Ok(Path(value))).await?.uid),
                "type" => kind = Some(event_type(&key, &value)?),
                "expect" => expect = Some(parsed(&key, &value, "a count")?),
                _ => return Err(unknown(&key, &[&["since", "until", "job", "type", "expect"], &SAID[..]].concat())),
            }
        }
        let Some(since) = since.or(job.map(|_| Timestamp::UNIX_EPOCH)) else {
            return Err(ApiError::BadRequest("since=<time> or job=<reference> is missing".into()));
        };
        // What happens from now on is published anyway.
        let until = until.map_or(now, |until| until.min(now));
        Ok(Asked { choice: EventChoice { since, until, job, kind }, expect, said })
    }

    async fn chosen_events(&self, choice: &EventChoice) -> Result<ChosenEvents, ApiError> {
        self.parts().engine.choose_events(choice).await?.ok_or_else(|| {
            ApiError::BadRequest(format!(
                "there are more than {MOST_EVENTS} events; narrow the choice by since, until, type or job"
            ))
        })
    }
}

/// A type as it is written in an event, or as a routing key, or its last word alone where that means a job.
pub(super) fn event_type(key: &str, value: &str) -> Result<Topic, ApiError> {
    let word = value.strip_prefix(TYPE_PREFIX).unwrap_or(value);
    let found = match word.strip_prefix("batch.") {
        Some(word) => BatchEventType::parse(word).map(Topic::Batch),
        None => EventType::parse(word.strip_prefix("job.").unwrap_or(word)).map(Topic::Job),
    };
    found.ok_or_else(|| {
        let types: Vec<String> = Topic::all().map(Topic::routing_key).collect();
        bad(key, value, &format!("must be one of {}", types.join(", ")))
    })
}
