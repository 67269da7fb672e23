//! Dead messages: those that were rejected, and those of the worker that could not be published.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::mandate::{SAID, Said};
use super::parts::Admin;
use super::query::{LARGEST_PAGE, PAGE, limit, pairs, parsed, unknown};
use super::tokens::Authority;
use crate::domain::JobUid;
use crate::engine::ports::store::{Rejected, Store, UndeliverableRow};
use crate::engine::record::Mandate;

/// A page of rejections.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RejectionPage {
    /// The number of rejections in the store.
    pub total: u64,
    /// Newest first.
    pub rejections: Vec<Rejected>,
    /// The `before` of the next page; `None` on the last one.
    pub next: Option<JobUid>,
}

/// A page of messages that could not be published.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct UndeliverablePage {
    /// The number of such messages in the store.
    pub total: u64,
    /// Oldest first.
    pub messages: Vec<Undeliverable>,
    /// The `after` of the next page; `None` on the last one.
    pub next: Option<i64>,
}

/// A message that could not be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undeliverable {
    /// Its number in the outbox, by which `replay` and `drop` name it.
    pub number: i64,
    /// AMQP `message_id`: the id of the event it carries.
    pub message_id: String,
    /// The exchange it was published to; empty for the default exchange.
    pub exchange: String,
    /// The routing key, or for the default exchange the name of the queue.
    pub routing_key: String,
    /// Why, in the broker's words if it has said any.
    #[serde(default)]
    pub reason: String,
    /// How often a queue has refused it.
    #[serde(default)]
    pub tries: u32,
    /// When its event happened; `None` for a message that carries no event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
}

/// The answer to `POST /v1/undeliverable/replay`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The number of messages that will be sent again.
    pub replayed: usize,
}

/// The answer to `POST /v1/undeliverable/drop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// The number of messages that were deleted.
    pub dropped: usize,
}

pub(super) async fn rejections(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<RejectionPage>, ApiError> {
    let (mut size, mut before) = (PAGE, None);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "limit" => size = limit(&value)?,
            "before" => before = Some(parsed(&key, &value, "the uid of a rejection")?),
            _ => return Err(unknown(&key, &["limit", "before"])),
        }
    }
    let store = &admin.parts().engine.store;
    let rejections = store.rejections(size, before).await?;
    let next = rejections.last().filter(|_| rejections.len() == size).map(|last| last.uid);
    Ok(Json(RejectionPage { total: store.counts().await?.rejected, rejections, next }))
}

pub(super) async fn undeliverable(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<UndeliverablePage>, ApiError> {
    let (mut size, mut after) = (PAGE, 0);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "limit" => size = limit(&value)?,
            "after" => after = parsed(&key, &value, "the number of a message")?,
            _ => return Err(unknown(&key, &["limit", "after"])),
        }
    }
    let store = &admin.parts().engine.store;
    let messages: Vec<_> = store.undeliverable(after, size).await?.iter().map(shown).collect();
    let next = messages.last().filter(|_| messages.len() == size).map(|last| last.number);
    Ok(Json(UndeliverablePage { total: store.counts().await?.undeliverable, messages, next }))
}

/// Sends the messages of `number=…` again; or all, if their number is that of `expect=<count>`.
pub(super) async fn replay(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Replayed>, ApiError> {
    let engine = &admin.parts().engine;
    let (numbers, said) = chosen(engine.store.as_ref(), query.as_deref(), "sent").await?;
    let replayed = engine.store.replay(&numbers).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    let what = "undeliverable messages put into the outbox again";
    tracing::info!(messages = replayed, by, token = authority, reason, "{what}");
    engine.ring();
    Ok(Json(Replayed { replayed }))
}

/// Deletes the messages of `number=…`; or all, if their number is that of `expect=<count>`.
pub(super) async fn drop_undeliverable(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Dropped>, ApiError> {
    let engine = &admin.parts().engine;
    let (numbers, said) = chosen(engine.store.as_ref(), query.as_deref(), "deleted").await?;
    let dropped = engine.store.drop_undeliverable(&numbers).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    tracing::info!(messages = dropped, by, token = authority, reason, "undeliverable messages deleted");
    Ok(Json(Dropped { dropped }))
}

/// The numbers of the messages that a query names, and what is said with it.
async fn chosen(store: &dyn Store, query: Option<&str>, what: &str) -> Result<(Vec<i64>, Said), ApiError> {
    let (mut numbers, mut expected, mut said) = (Vec::new(), None, Said::default());
    for (key, value) in pairs(query) {
        match key.as_str() {
            _ if said.take(&key, &value)? => {}
            "number" => numbers.push(parsed(&key, &value, "the number of a message")?),
            "expect" => expected = Some(parsed::<usize>(&key, &value, "a count")?),
            _ => return Err(unknown(&key, &[&["number", "expect"], &SAID[..]].concat())),
        }
    }
    let Some(expected) = expected else {
        let missing = || ApiError::BadRequest("number=… or expect=<count> is missing".into());
        return if numbers.is_empty() { Err(missing()) } else { Ok((numbers, said)) };
    };
    if !numbers.is_empty() {
        return Err(ApiError::BadRequest("either number=… or expect=<count> can be given, not both".into()));
    }
    let mut after = 0;
    loop {
        let page = store.undeliverable(after, LARGEST_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.number;
        numbers.extend(page.iter().map(|row| row.number));
    }
    match numbers.len() {
        found if found == expected => Ok((numbers, said)),
        found => {
            Err(ApiError::Conflict(format!("undeliverable messages: {found}, not {expected}; nothing was {what}")))
        }
    }
}

fn shown(row: &UndeliverableRow) -> Undeliverable {
    let UndeliverableRow { number, outgoing, reason, tries } = row;
    let event: Option<serde_json::Value> = serde_json::from_slice(&outgoing.body).ok();
    Undeliverable {
        number: *number,
        message_id: outgoing.message_id.clone(),
        exchange: outgoing.exchange.clone(),
        routing_key: outgoing.routing_key.clone(),
        reason: reason.clone(),
        tries: *tries,
        time: event.and_then(|event| event.get("time")?.as_str()?.parse().ok()),
    }
}
