//! What came to nothing: messages that were rejected, and messages of ours that nobody took.

use axum::Json;
use axum::extract::{RawQuery, State};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::ApiError;
use crate::domain::JobUid;
use crate::engine::ports::store::{OutboxRow, Rejected};

/// On a page, unless the request says otherwise.
const PAGE: usize = 50;
/// The most there may be.
const LARGEST_PAGE: usize = 1000;

/// A page of rejections.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RejectionPage {
    /// How many there are altogether.
    pub total: u64,
    /// Newest first.
    pub rejections: Vec<Rejected>,
    /// What to ask for as `before` to get the next page; `None` on the last.
    pub next: Option<JobUid>,
}

/// A page of messages nobody took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UndeliverablePage {
    /// How many there are altogether.
    pub total: u64,
    /// In the order in which they were said.
    pub messages: Vec<Undeliverable>,
    /// What to ask for as `after` to get the next page; `None` on the last.
    pub next: Option<i64>,
}

/// A message nobody took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeliverable {
    /// Names it.
    pub number: i64,
    /// Its AMQP `message_id`: the id of the event it carries.
    pub message_id: String,
    /// Where it went; empty for the default exchange.
    pub exchange: String,
    /// To which nobody listened.
    pub routing_key: String,
    /// When the event in it happened, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// What was sent again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replayed {
    /// How many messages.
    pub replayed: usize,
}

pub(super) async fn rejections(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<RejectionPage>, ApiError> {
    let (mut limit, mut before) = (PAGE, None);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "limit" => limit = size(&value)?,
            "before" => before = Some(value.parse().map_err(|_| bad(&key, &value, "must be the uid of a rejection"))?),
            _ => return Err(unknown(&key, "limit, before")),
        }
    }
    let store = &admin.0.engine.store;
    let rejections = store.rejections(limit, before).await?;
    let next = rejections.last().filter(|_| rejections.len() == limit).map(|last| last.uid);
    Ok(Json(RejectionPage { total: store.counts().await?.rejected, rejections, next }))
}

pub(super) async fn undeliverable(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<UndeliverablePage>, ApiError> {
    let (mut limit, mut after) = (PAGE, 0);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "limit" => limit = size(&value)?,
            "after" => after = value.parse().map_err(|_| bad(&key, &value, "must be the number of a message"))?,
            _ => return Err(unknown(&key, "limit, after")),
        }
    }
    let store = &admin.0.engine.store;
    let messages: Vec<_> = store.undeliverable(after, limit).await?.iter().map(shown).collect();
    let next = messages.last().filter(|_| messages.len() == limit).map(|last| last.number);
    Ok(Json(UndeliverablePage { total: store.counts().await?.undeliverable, messages, next }))
}

/// Sends the messages of `number=…` again, or with `expect=<count>` all there are, if there are so many.
pub(super) async fn replay(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<Replayed>, ApiError> {
    let (mut numbers, mut expected) = (Vec::new(), None);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "number" => numbers.push(value.parse().map_err(|_| bad(&key, &value, "must be the number of a message"))?),
            "expect" => expected = Some(value.parse::<usize>().map_err(|_| bad(&key, &value, "must be a count"))?),
            _ => return Err(unknown(&key, "number, expect")),
        }
    }
    let engine = &admin.0.engine;
    match expected {
        Some(_) if !numbers.is_empty() => return Err(ApiError::BadRequest("either number or expect".into())),
        None if numbers.is_empty() => return Err(ApiError::BadRequest("number=… or expect=<count> is missing".into())),
        None => {}
        Some(expected) => {
            let mut after = 0;
            loop {
                let page = engine.store.undeliverable(after, LARGEST_PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.number;
                numbers.extend(page.iter().map(|queued| queued.number));
            }
            if numbers.len() != expected {
                let found = numbers.len();
                return Err(ApiError::Conflict(format!("there are {found} by now, not {expected}; look again")));
            }
        }
    }
    let replayed = engine.store.replay(&numbers).await?;
    tracing::info!(messages = replayed, "messages that nobody took are sent again");
    engine.mail.notify_one();
    Ok(Json(Replayed { replayed }))
}

fn shown(queued: &OutboxRow) -> Undeliverable {
    let OutboxRow { number, outgoing } = queued;
    let event: Option<serde_json::Value> = serde_json::from_slice(&outgoing.body).ok();
    Undeliverable {
        number: *number,
        message_id: outgoing.message_id.clone(),
        exchange: outgoing.exchange.clone(),
        routing_key: outgoing.routing_key.clone(),
        time: event.and_then(|event| event.get("time")?.as_str()?.parse().ok()),
    }
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn size(value: &str) -> Result<usize, ApiError> {
    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    limit.ok_or_else(|| bad("limit", value, &format!("must be a number from 1 to {LARGEST_PAGE}")))
}

fn bad(key: &str, value: &str, why: &str) -> ApiError {
    ApiError::BadRequest(format!("{key}={value}: {why}"))
}

fn unknown(key: &str, known: &str) -> ApiError {
    ApiError::BadRequest(format!("there is no parameter {key} (known: {known})"))
}
