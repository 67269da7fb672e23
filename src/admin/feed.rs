//! The feed: the events of all jobs, batches and rejected messages, in one order, after a number. As JSON, a page at a time; or as they
//! happen, as a stream ([`event_stream`](super::event_stream)).
//!
//! A submitter is given its own. What is asked for beyond the requester narrows what was read: a page that has looked at many events may
//! be empty, with a number to go on after.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::HeaderMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::event_stream::{Source, last_event_id, number, stream, wants_stream};
use super::feed_choice::{FeedChoice, PAGE_BYTES};
use super::history::event_type;
use super::parts::Admin;
use super::query::{PAGE, bad, limit, pairs, unknown};
use super::tokens::Authority;
use crate::domain::{AccountUid, CenId, Requester};
use crate::engine::ports::store::FeedPage;

/// Its parameters.
pub(super) const FEED_FILTERS: [&str; 6] = ["after", "limit", "type", "requester", "cen", "account"];
/// Stands for the end of the feed: only what happens from now on.
const END: &str = "end";

/// The answer to `GET /v1/events`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventFeed {
    /// CloudEvents, in the order in which they were stored.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub events: Vec<Value>,
    /// The `after` of the next request. It can have moved on without an event.
    pub after: i64,
    /// Whether there are events to look at behind it already.
    pub more: bool,
}

pub(super) async fn events(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (mut after, mut most, mut choice) = (Some(0), PAGE, FeedChoice::default());
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "after" if value == END => after = None,
            "after" => after = Some(number(&key, &value)?),
            "limit" => most = limit(&value)?,
            "type" => choice.kind = Some(event_type(&key, &value)?),
            "requester" => choice.requester = Some(name(&key, &value, Requester::parse(value.as_str()))?),
            "cen" => choice.cen = Some(name(&key, &value, CenId::parse(value.as_str()))?),
            "account" => choice.account = Some(name(&key, &value, AccountUid::parse(value.as_str()))?),
            _ => return Err(unknown(&key, &FEED_FILTERS)),
        }
    }
    if let Some(own) = authority.sees_only() {
        if let Some(other) = choice.requester.filter(|asked| *asked != own) {
            return Err(bad("requester", other.as_str(), &format!("this token sees the events of {own} alone")));
        }
        choice.requester = Some(own);
    }
    let store = &admin.parts().engine.store;
    let after = match after {
        Some(after) => after,
        None => store.feed_end().await?,
    };
    let streams = wants_stream(&headers);
    let after = if streams { last_event_id(&headers, after)? } else { after };
    let page = FeedPage { after, requester: choice.requester.clone(), events: most, bytes: PAGE_BYTES };
    let feed = store.feed(&page).await?;
    if after > feed.end {
        let why = format!(
            "the last event has the number {}, so this one is of another store, or of a copy that was put back: go on with after=0, \
             or with after={END} for what happens from now on",
            feed.end
        );
        return Err(bad("after", &after.to_string(), &why));
    }
    if streams {
        return stream(admin, Source::Feed(choice), after);
    }
    let events = choice.of(&feed).map(|event| event.json()).collect();
    Ok(Json(EventFeed { events, after: feed.after, more: feed.more }).into_response())
}

fn name<T, E: std::fmt::Display>(key: &str, value: &str, parsed: Result<T, E>) -> Result<T, ApiError> {
    parsed.map_err(|error| bad(key, value, &error.to_string()))
}
