//! Batches: listing them, showing one, and finding the one that a path or a filter names.

use std::collections::BTreeMap;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::filter;
use super::jobs::own_id;
use super::parts::Admin;
use super::query::{bad, limit, pairs, parsed, unknown};
use super::tokens::Authority;
use super::waiting::UnsentWebhook;
use crate::domain::{BatchId, JobUid, Requester};
use crate::engine::batch::{Batch, Tally};
use crate::engine::ports::store::{Filter, Rejected, StoreError};
use crate::engine::record::State as JobState;

/// A page of batches.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BatchPage {
    /// The last accepted first.
    pub batches: Vec<BatchRow>,
    /// The `before` of the next page; `None` on the last one.
    pub next: Option<JobUid>,
}

/// A batch, and its jobs counted.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BatchRow {
    /// The batch, as the store has it.
    #[serde(flatten)]
    pub batch: Batch,
    /// How many of its jobs were accepted.
    pub accepted: u32,
    /// How many of them are in which state.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub states: BTreeMap<JobState, u64>,
}

/// The answer to `GET /v1/batches/{ref}`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct BatchView {
    /// The batch.
    pub batch: BatchRow,
    /// The events about it, in order.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub events: Vec<Value>,
    /// Messages of its requester that name it and were rejected, newest first; at most 100.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// Answers to webhooks that have not arrived.
    #[serde(default)]
    pub webhooks: Vec<UnsentWebhook>,
}

impl BatchRow {
    fn new((batch, Tally { members, states }): (Batch, Tally)) -> Self {
        Self { batch, accepted: members, states }
    }
}

/// The most rejected messages that are shown with a batch.
const MOST_REJECTED: usize = 100;

/// The size of a page when the request names none; the jobs of each batch are counted for it.
const PAGE: usize = 50;

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<BatchPage>, ApiError> {
    let (mut open, mut before, mut most) = (false, None, PAGE);
    for (key, value) in pairs(query.as_deref()) {
        match key.as_str() {
            "open" if value == "true" => open = true,
            "open" => return Err(bad(&key, &value, "must be true, or be left out")),
            "before" => before = Some(parsed(&key, &value, "the uid of a batch")?),
            "limit" => most = limit(&value)?,
            _ => return Err(unknown(&key, &["open", "before", "limit"])),
        }
    }
    let store = &admin.parts().engine.store;
    let mut rows = Vec::new();
    for batch in store.batches(open, before, most).await? {
        rows.extend(store.batch(batch.uid).await?.map(BatchRow::new));
    }
    let next = rows.last().filter(|_| rows.len() == most).map(|row| row.batch.uid);
    Ok(Json(BatchPage { batches: rows, next }))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<BatchView>, ApiError> {
    let found = admin.find_batch_for(&authority, reference).await?;
    let events = admin.parts().engine.store.events(found.0.uid).await?;
    let events = events.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()));
    let rejected = admin.rejected_of(&found.0.terms.id, Some(&found.0.requester)).await?;
    let webhooks = admin.unsent_webhooks(found.0.uid).await?;
    Ok(Json(BatchView { events: events.collect(), rejected, webhooks, batch: BatchRow::new(found) }))
}

impl Admin {
    /// Reads a filter, whose batch is looked up.
    pub(super) async fn filter(
        &self,
        query: Option<&str>,
        also: &[&str],
        other: impl FnMut(&mut Filter, &str, &str) -> Result<(), ApiError> + Send,
    ) -> Result<Filter, ApiError> {
        let mut filter = filter::read(query, self.parts().engine.clock.now(), also, other)?;
        if let Some((_, reference)) = pairs(query).into_iter().rfind(|(key, _)| key == "batch") {
            filter.batch = Some(self.find_batch(&reference).await?.0.uid);
        }
        Ok(filter)
    }

    /// The batch that a path names, if the token may see it.
    pub(super) async fn find_batch_for(
        &self,
        authority: &Authority,
        reference: Result<Path<String>, PathRejection>,
    ) -> Result<(Batch, Tally), ApiError> {
        let Path(reference) = reference.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let Some(own) = authority.sees_only() else { return self.find_batch(&reference).await };
        let uid = match (reference.parse(), BatchId::parse(own_id(&reference, &own))) {
            (Ok(uid), _) => Some(uid),
            (_, Ok(id)) => Some(id.uid(&own)),
            _ => None,
        };
        let found = match uid {
            Some(uid) => self.parts().engine.store.batch(uid).await?,
            None => None,
        };
        let none = || ApiError::NotFound(format!("{own} has no batch {reference}"));
        found.filter(|(batch, _)| batch.requester == own).ok_or_else(none)
    }

    /// The batch that a reference names: by uid, by requester and id, or by an id that only one requester has.
    async fn find_batch(&self, reference: &str) -> Result<(Batch, Tally), ApiError> {
        let store = &self.parts().engine.store;
        if let Ok(uid) = reference.parse::<JobUid>() {
            return self.batch_of(uid, reference).await;
        }
        let mut found = self.batches_named(reference).await?;
        // Only then by the id alone: a requester must not make the name of another one's batch ambiguous.
        if found.is_empty()
            && let Ok(id) = BatchId::parse(reference)
        {
            found = store.batches_by_id(&id).await?;
        }
        match found.as_slice() {
            [] => Err(self.no_batch(reference).await?),
            [one] => self.batch_of(one.uid, reference).await,
            some => {
                let each: Vec<String> =
                    some.iter().map(|batch| format!("{} of {}", batch.uid, batch.requester)).collect();
                let message = format!("{reference} names {} batches: {}; give the uid", some.len(), each.join(", "));
                Err(ApiError::Ambiguous(message))
            }
        }
    }

    /// That there is no such batch, and if a message for it was rejected, that.
    async fn no_batch(&self, reference: &str) -> Result<ApiError, StoreError> {
        let mut rejected = match BatchId::parse(reference) {
            Ok(id) => self.rejected_of(&id, None).await?,
            Err(_) => vec![],
        };
        for (at, _) in reference.match_indices('/') {
            if let (Ok(who), Ok(id)) = (Requester::parse(&reference[..at]), BatchId::parse(&reference[at + 1..])) {
                rejected.extend(self.rejected_of(&id, Some(&who)).await?);
            }
        }
        let why = rejected.first().map(|rejected| {
            format!(
                ": a message of {} for it was rejected, see `crossgrant dead show {}`",
                rejected.requester, rejected.uid
            )
        });
        Ok(ApiError::NotFound(format!("there is no batch {reference}{}", why.unwrap_or_default())))
    }

    /// Rejected messages that name a batch, of one requester or of all.
    async fn rejected_of(&self, id: &BatchId, requester: Option<&Requester>) -> Result<Vec<Rejected>, StoreError> {
        let mut rejected = self.parts().engine.store.rejections_of(id, MOST_REJECTED).await?;
        rejected.retain(|rejected| requester.is_none_or(|requester| rejected.requester == *requester));
        Ok(rejected)
    }

    /// The batches that a reference names by requester and id, which both may contain a `/`.
    async fn batches_named(&self, reference: &str) -> Result<Vec<Batch>, StoreError> {
        let mut found = Vec::new();
        for (at, _) in reference.match_indices('/') {
            let (requester, id) = (Requester::parse(&reference[..at]), BatchId::parse(&reference[at + 1..]));
            if let (Ok(requester), Ok(id)) = (requester, id) {
                let batches = self.parts().engine.store.batches_by_id(&id).await?;
                found.extend(batches.into_iter().filter(|batch| batch.requester == requester));
            }
        }
        Ok(found)
    }

    async fn batch_of(&self, uid: JobUid, reference: &str) -> Result<(Batch, Tally), ApiError> {
        let found = self.parts().engine.store.batch(uid).await?;
        found.ok_or_else(|| ApiError::NotFound(format!("there is no batch {reference}")))
    }
}
