//! Events for who has no queue, of one job or batch: after a number, as JSON; or as they happen, as a stream of server-sent events
//! (the HTML standard, section 9.2). Those of all jobs, as a stream, come from the [`feed`](super::feed).
//!
//! The number of an event of one job is its `sequence`. A job says its events one after the other, whichever worker has it, so behind a
//! number nothing can appear before it. A stream ends by itself: after the last event, after [`LASTS`], or when the worker stops. Its reader
//! asks again with the number of the last event that it has seen, as every `EventSource` does, and misses none.

use std::convert::Infallible;
use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures_util::stream::unfold;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

use super::error::ApiError;
use super::feed_choice::{FeedChoice, PAGE_BYTES};
use super::numbered::Numbered;
use super::parts::Admin;
use super::query::{pairs, parsed, unknown};
use super::tokens::Authority;
use crate::domain::{BatchEventType, EventType, JobUid, Topic};
use crate::engine::ports::store::{EventHead, FeedPage, KeptEvent, StoreError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The most events of one answer. A job has some five; a batch tells how it goes at most once a minute.
const MOST: usize = 1000;
/// How long a stream lasts: less than an answer of the admin API may take.
const LASTS: Duration = Duration::from_secs(25);
/// How often a stream looks for events. Any worker may have said one.
const LOOKS: Duration = Duration::from_millis(500);
/// After how long without an event a stream says that it is there.
const SILENT: Duration = Duration::from_secs(10);
/// The first line of a stream: after how many milliseconds its reader asks again.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// The answer to `GET /v1/jobs/{ref}/events`, and to that of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventsAfter {
    /// CloudEvents, in order.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub events: Vec<Value>,
    /// The number of the last of them, or the one that was asked with: the `after` of the next request.
    pub after: u32,
    /// Whether no further event will come.
    pub ended: bool,
}

pub(super) async fn of_job(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let uid = admin.find_for(&authority, reference).await?.uid;
    answer(admin, uid, query.as_deref(), &headers).await
}

pub(super) async fn of_batch(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let uid = admin.find_batch_for(&authority, reference).await?.0.uid;
    answer(admin, uid, query.as_deref(), &headers).await
}

async fn answer(admin: Admin, uid: JobUid, query: Option<&str>, headers: &HeaderMap) -> Result<Response, ApiError> {
    let mut after = 0;
    for (key, value) in pairs(query) {
        match key.as_str() {
            "after" => after = number(&key, &value)?,
            _ => return Err(unknown(&key, &["after"])),
        }
    }
    if !wants_stream(headers) {
        let Told { events, after, ended } = admin.told(uid, after).await?;
        return Ok(
            Json(EventsAfter { events: events.iter().map(Numbered::json).collect(), after, ended }).into_response()
        );
    }
    let after = last_event_id(headers, after)?;
    // There is nothing to wait for: this answer tells an `EventSource` not to ask again.
    let Told { events, ended, .. } = admin.told(uid, after).await?;
    if ended && events.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    stream(admin, Source::Of(uid), after.into())
}

/// Where a stream goes on: after the event that its reader has seen last, which an `EventSource` says by itself.
pub(super) fn last_event_id<T: FromStr>(headers: &HeaderMap, after: T) -> Result<T, ApiError> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(after) };
    number("Last-Event-ID", id.to_str().unwrap_or("?"))
}

pub(super) fn number<T: FromStr>(key: &str, value: &str) -> Result<T, ApiError> {
    parsed(key, value, "the number of an event, or 0")
}

pub(super) fn wants_stream(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains("text/event-stream"))
}

/// Events after a number.
struct Told {
    events: Vec<Numbered<u32>>,
    after: u32,
    ended: bool,
}

impl Admin {
    async fn told(&self, uid: JobUid, after: u32) -> Result<Told, StoreError> {
        let mut events = self.parts().engine.store.kept_events(&[uid]).await?;
        let ended = events.last().is_some_and(|event| is_last(&event.text));
        events.retain(|event| event.sequence > after);
        let ended = ended && events.len() <= MOST;
        events.truncate(MOST);
        let after = events.last().map_or(after, |event| event.sequence);
        let numbered = |KeptEvent { sequence, text, .. }| Numbered { number: sequence, text };
        Ok(Told { events: events.into_iter().map(numbered).collect(), after, ended })
    }
}

/// Where the events of a stream come from.
pub(super) enum Source {
    /// One job or batch.
    Of(JobUid),
    /// The feed of all events.
    Feed(FeedChoice),
}

impl Source {
    /// The events after a number, as a stream has them; the number to go on after, and whether no further one will come.
    async fn next(&self, admin: &Admin, after: i64) -> Result<(String, i64, bool), StoreError> {
        match self {
            Self::Of(uid) => {
                let Told { events, after, ended } = admin.told(*uid, u32::try_from(after).unwrap_or(u32::MAX)).await?;
                Ok((events.iter().map(written).collect(), after.into(), ended))
            }
            Self::Feed(choice) => {
                let page = FeedPage { after, requester: choice.requester.clone(), events: MOST, bytes: PAGE_BYTES };
                let feed = admin.parts().engine.store.feed(&page).await?;
                let chosen = choice.of(&feed);
                Ok((chosen.map(|numbered| written(&numbered)).collect(), feed.after, false))
            }
        }
    }

    /// What a stream says when nothing happens. The feed says its number then, because a reader may want few of its events: without
    /// it, that reader would begin far behind when it connects again.
    fn silence(&self, after: i64) -> Bytes {
        match self {
            Self::Of(_) => Bytes::from_static(b":\n\n"),
            Self::Feed(_) => format!("id: {after}\n\n").into(),
        }
    }
}

/// Whether nothing more will be said of what this event is about.
fn is_last(event: &str) -> bool {
    let Some(EventHead { kind, .. }) = EventHead::read(event.as_bytes()) else { return false };
    let last = |topic: &Topic| match topic {
        Topic::Job(kind) => kind.is_terminal() || *kind == EventType::Rejected,
        Topic::Batch(kind) => *kind == BatchEventType::Ended,
    };
    Topic::all().filter(last).any(|topic| topic.name() == kind)
}

/// A stream that is open.
struct Open {
    admin: Admin,
    source: Source,
    after: i64,
    /// The uptime at which it ends, and at which it says that it is there.
    until: Duration,
    speaks: Duration,
    ended: bool,
    first: bool,
    _place: OwnedSemaphorePermit,
}

/// Opens a stream, if there is a place.
pub(super) fn stream(admin: Admin, source: Source, after: i64) -> Result<Response, ApiError> {
    let place = admin.streams().clone().try_acquire_owned();
    let place = place.map_err(|_| ApiError::Busy("too many streams of events are open"))?;
    let now = admin.parts().engine.clock.uptime();
    let (until, speaks) = (now + LASTS, now + SILENT);
    let open = Open { admin, source, after, until, speaks, ended: false, first: true, _place: place };
    let body = Body::from_stream(unfold(open, async |mut open| {
        let piece = open.next().await?;
        Some((Ok::<_, Infallible>(piece), open))
    }));
    Ok(([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], body).into_response())
}

impl Open {
    /// The next piece; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.first) {
            return Some(Bytes::from_static(RETRY));
        }
        let parts = self.admin.parts();
        let clock = &*parts.engine.clock;
        let mut stopping = parts.stopping.clone();
        while !self.ended {
            let (events, after, ended) = match self.source.next(&self.admin, self.after).await {
                Ok(told) => told,
                Err(error) => {
                    tracing::debug!(%error, "a stream of events ends: the store cannot be asked");
                    return None;
                }
            };
            let now = clock.uptime();
            (self.after, self.ended) = (after, ended);
            if !events.is_empty() {
                self.speaks = now + SILENT;
                return Some(events.into());
            }
            if now >= self.until || *stopping.borrow() {
                return None;
            }
            if now >= self.speaks {
                self.speaks = now + SILENT;
                return Some(self.source.silence(self.after));
            }
            tokio::select! {
                () = clock.sleep(LOOKS) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return None,
            }
        }
        None
    }
}

/// An event as a stream has it. A line feed would end its line.
fn written<N: Display>(event: &Numbered<N>) -> String {
    let data: String = event.text.lines().map(|line| format!("data: {line}\n")).collect();
    format!("id: {}\n{data}\n", event.number)
}
