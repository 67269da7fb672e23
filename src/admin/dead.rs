//! Dead messages: those that were rejected, and those of the worker that could not be published.

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};

use super::dead_filter::{DEAD_FILTERS, DeadFilter};
use super::dead_groups::{DeadGroups, Grouping};
use super::dead_view::{
    Dropped, KeptMessage, RejectionPage, RejectionView, Replayed, Undeliverable, UndeliverablePage,
};
use super::error::ApiError;
use super::mandate::{SAID, Said};
use super::parts::Admin;
use super::query::{PAGE, limit, pairs, parsed, unknown};
use super::tokens::Authority;
use crate::domain::JobUid;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{Rejected, RejectedMessage, StoreError};
use crate::engine::record::Mandate;

/// How many messages are read together. A copy of a rejected message has up to 64 KiB.
const READ: usize = 100;

/// What a query asks for: which messages, and how many of them.
struct Asked<P> {
    filter: DeadFilter,
    size: usize,
    /// The end of the page before.
    place: Option<P>,
}

/// Reads a query with filters and, named so, the end of the page before.
fn asked<P: std::str::FromStr>(
    engine: &Engine,
    query: Option<&str>,
    place: (&str, &str),
) -> Result<Asked<P>, ApiError> {
    let mut asked = Asked { filter: DeadFilter::default(), size: PAGE, place: None };
    let (name, what) = place;
    for (key, value) in pairs(query) {
        match key.as_str() {
            "limit" => asked.size = limit(&value)?,
            _ if key == name => asked.place = Some(parsed(&key, &value, what)?),
            _ if asked.filter.narrow(&key, &value, engine.clock.now())? => {}
            _ => return Err(unknown(&key, &[&DEAD_FILTERS[..], &["limit", name]].concat())),
        }
    }
    Ok(asked)
}

pub(super) async fn groups(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<DeadGroups>, ApiError> {
    let engine = &admin.parts().engine;
    let mut filter = DeadFilter::default();
    for (key, value) in pairs(query.as_deref()) {
        if !filter.narrow(&key, &value, engine.clock.now())? {
            return Err(unknown(&key, &DEAD_FILTERS));
        }
    }
    let mut grouping = Grouping::default();
    each_rejection(engine, &filter, |rejected| grouping.add_rejected(&rejected)).await?;
    each_undeliverable(engine, &filter, |message| grouping.add_undeliverable(&message)).await?;
    Ok(Json(grouping.groups()))
}

/// Visits the rejections of a filter, newest first.
async fn each_rejection(
    engine: &Engine,
    filter: &DeadFilter,
    mut visit: impl FnMut(Rejected),
) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let page = engine.store.rejections(READ, before).await?;
        let Some(last) = page.last() else { return Ok(()) };
        before = Some(last.uid);
        page.into_iter().filter(|rejected| filter.takes_rejected(rejected)).for_each(&mut visit);
    }
}

/// Visits the undeliverable messages of a filter, oldest first.
async fn each_undeliverable(
    engine: &Engine,
    filter: &DeadFilter,
    mut visit: impl FnMut(Undeliverable),
) -> Result<(), StoreError> {
    let mut after = 0;
    loop {
        let page = engine.store.undeliverable(after, READ).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        page.iter().map(Undeliverable::of).filter(|message| filter.takes_undeliverable(message)).for_each(&mut visit);
    }
}

pub(super) async fn rejections(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<RejectionPage>, ApiError> {
    let engine = &admin.parts().engine;
    let Asked { filter, size, place } = asked(engine, query.as_deref(), ("before", "the uid of a rejection"))?;
    let (total, rejections) = if filter.is_empty() {
        (engine.store.counts().await?.rejected, engine.store.rejections(size, place).await?)
    } else {
        let (mut total, mut page, mut reached) = (0, Vec::new(), place.is_none());
        each_rejection(engine, &filter, |rejected| {
            total += 1;
            let is_place = place == Some(rejected.uid);
            if reached && page.len() < size {
                page.push(rejected);
            }
            reached |= is_place;
        })
        .await?;
        (total, page)
    };
    let next = rejections.last().filter(|_| rejections.len() == size).map(|last| last.uid);
    Ok(Json(RejectionPage { total, rejections, next }))
}

pub(super) async fn rejection(
    State(admin): State<Admin>,
    Path(uid): Path<String>,
) -> Result<Json<RejectionView>, ApiError> {
    let uid = parsed::<JobUid>("uid", &uid, "the uid of a rejection")?;
    let found = admin.parts().engine.store.rejection(uid).await?;
    let Some(RejectedMessage { rejected, kept }) = found else {
        return Err(ApiError::NotFound(format!("there is no rejected message {uid}")));
    };
    Ok(Json(RejectionView { rejected, message: kept.as_ref().map(KeptMessage::of) }))
}

/// Deletes the rejections of `uid=…`.
pub(super) async fn drop_rejections(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Dropped>, ApiError> {
    let (mut uids, mut said) = (Vec::new(), Said::default());
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            _ if said.take(&key, &value)? => {}
            "uid" => uids.push(parsed::<JobUid>(&key, &value, "the uid of a rejection")?),
            _ => return Err(unknown(&key, &[&["uid"], &SAID[..]].concat())),
        }
    }
    if uids.is_empty() {
        return Err(ApiError::BadRequest("uid=… is missing".into()));
    }
    let dropped = admin.parts().engine.store.drop_rejections(&uids).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    tracing::info!(messages = dropped, by, token = authority, reason, "rejected messages deleted");
    Ok(Json(Dropped { dropped }))
}

pub(super) async fn undeliverable(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<UndeliverablePage>, ApiError> {
    let engine = &admin.parts().engine;
    let Asked { filter, size, place } = asked::<i64>(engine, query.as_deref(), ("after", "the number of a message"))?;
    let after = place.unwrap_or(0);
    let (total, messages) = if filter.is_empty() {
        let page = engine.store.undeliverable(after, size).await?;
        (engine.store.counts().await?.undeliverable, page.iter().map(Undeliverable::of).collect())
    } else {
        let (mut total, mut page) = (0, Vec::new());
        each_undeliverable(engine, &filter, |message| {
            total += 1;
            if message.number > after && page.len() < size {
                page.push(message);
            }
        })
        .await?;
        (total, page)
    };
    let next = messages.last().filter(|_| messages.len() == size).map(|last| last.number);
    Ok(Json(UndeliverablePage { total, messages, next }))
}

/// Sends the messages of `number=…` again; or those that match, if their number is that of `expect=<count>`.
pub(super) async fn replay(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Replayed>, ApiError> {
    let engine = &admin.parts().engine;
    let _turn = admin.asked().bulk.lock().await;
    let (numbers, said) = chosen(engine, query.as_deref(), "sent").await?;
    let replayed = engine.store.replay(&numbers).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    let what = "undeliverable messages put into the outbox again";
    tracing::info!(messages = replayed, by, token = authority, reason, "{what}");
    engine.ring();
    Ok(Json(Replayed { replayed }))
}

/// Deletes the messages of `number=…`; or those that match, if their number is that of `expect=<count>`.
pub(super) async fn drop_undeliverable(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Dropped>, ApiError> {
    let engine = &admin.parts().engine;
    let _turn = admin.asked().bulk.lock().await;
    let (numbers, said) = chosen(engine, query.as_deref(), "deleted").await?;
    let dropped = engine.store.drop_undeliverable(&numbers).await?;
    let Mandate { authority, by, reason } = said.with(&authority);
    tracing::info!(messages = dropped, by, token = authority, reason, "undeliverable messages deleted");
    Ok(Json(Dropped { dropped }))
}

/// The numbers of the messages that a query names, and what is said with it.
async fn chosen(engine: &Engine, query: Option<&str>, what: &str) -> Result<(Vec<i64>, Said), ApiError> {
    let (mut numbers, mut expected, mut said) = (Vec::new(), None, Said::default());
    let mut filter = DeadFilter::default();
    for (key, value) in pairs(query) {
        match key.as_str() {
            _ if said.take(&key, &value)? => {}
            "number" => numbers.push(parsed(&key, &value, "the number of a message")?),
            "expect" => expected = Some(parsed::<usize>(&key, &value, "a count")?),
            _ if filter.narrow(&key, &value, engine.clock.now())? => {}
            _ => return Err(unknown(&key, &[&["number", "expect"], &DEAD_FILTERS[..], &SAID[..]].concat())),
        }
    }
    let Some(expected) = expected else {
        if numbers.is_empty() || !filter.is_empty() {
            return Err(ApiError::BadRequest("number=… or expect=<count> is missing".into()));
        }
        return Ok((numbers, said));
    };
    if !numbers.is_empty() {
        return Err(ApiError::BadRequest("either number=… or expect=<count> can be given, not both".into()));
    }
    each_undeliverable(engine, &filter, |message| numbers.push(message.number)).await?;
    match numbers.len() {
        found if found == expected => Ok((numbers, said)),
        found => Err(ApiError::Conflict(format!("messages that match: {found}, not {expected}; nothing was {what}"))),
    }
}
