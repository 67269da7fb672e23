//! Jobs: listing them, showing one, and finding the one that a path names.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::explain::{Explanation, explain};
use super::filter::{FILTERS, narrow, one_of};
use super::parts::Admin;
use super::query::{PAGE, limit, pairs, parsed, unknown};
use crate::domain::{JobId, JobUid, Requester};
use crate::engine::decide::command::Command;
use crate::engine::ports::account::held_by;
use crate::engine::ports::store::Filter;
use crate::engine::record::{Record, State as JobState};

/// A page of jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<Record>,
    /// The `before` of the next page; `None` on the last one.
    pub next: Option<JobUid>,
}

/// The answer to `GET /v1/jobs/{ref}`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobView {
    /// The record, as the store has it.
    pub job: Record,
    /// Why the job is in its state, and what happens next.
    pub explanation: Explanation,
    /// The events about it, in order.
    pub events: Vec<Value>,
}

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<JobPage>, ApiError> {
    let filter = read(query.as_deref())?;
    let jobs = admin.parts().engine.store.list(&filter).await?;
    let next = jobs.last().filter(|_| jobs.len() == filter.limit).map(|last| last.uid);
    Ok(Json(JobPage { jobs, next }))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<JobView>, ApiError> {
    let job = admin.find(reference).await?;
    let engine = &admin.parts().engine;
    let store = &engine.store;
    let first = match store.first_in_queue(&job.job.instance).await? {
        Some(uid) if uid != job.uid => store.load(uid).await?,
        _ => None,
    };
    let now = engine.clock.now();
    let can_cancel = engine.would_obey(&job, Command::Cancel).await?;
    let owners = [&job.job.instance.owner, &job.job.cen.owner];
    let refused = owners.into_iter().find_map(|uid| Some(held_by(uid, &engine.cloud.refusal(uid)?)));
    let explanation = explain(&job, first.as_ref(), can_cancel, now).held(&job, refused);
    let events = store.events(job.uid).await?;
    let events = events.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()));
    Ok(Json(JobView { events: events.collect(), explanation, job }))
}

impl Admin {
    /// The job that a path names: by uid, or by requester and id. Both of them may contain a `/`.
    pub(super) async fn find(&self, reference: Result<Path<String>, PathRejection>) -> Result<Record, ApiError> {
        let Path(reference) = reference.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let store = &self.parts().engine.store;
        let none = || ApiError::NotFound(format!("there is no job {reference}"));
        if let Ok(uid) = reference.parse::<JobUid>() {
            return store.load(uid).await?.ok_or_else(none);
        }
        let readings = readings(&reference);
        if readings.is_empty() {
            return Err(ApiError::BadRequest(format!("\"{reference}\" names no job: give its uid, or requester/id")));
        }
        let mut found = Vec::new();
        for (requester, id) in readings {
            found.extend(store.find(&requester, &id).await?);
        }
        match found.len() {
            0 => Err(none()),
            1 => Ok(found.remove(0)),
            _ => Err(ApiError::Ambiguous(ambiguous(&reference, &found))),
        }
    }
}

/// Every way to read a reference as requester and id.
fn readings(reference: &str) -> Vec<(Requester, JobId)> {
    let parsed = |(at, _)| Some((Requester::parse(&reference[..at]).ok()?, JobId::parse(&reference[at + 1..]).ok()?));
    reference.match_indices('/').filter_map(parsed).collect()
}

fn ambiguous(reference: &str, found: &[Record]) -> String {
    let each = |record: &Record| format!("{} (id {} of requester {})", record.uid, record.job.id, record.requester);
    let each: Vec<String> = found.iter().map(each).collect();
    format!("{reference} names {} jobs: {}; give the uid of the one that is meant", found.len(), each.join(", "))
}

fn read(query: Option<&str>) -> Result<Filter, ApiError> {
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (key, value) in pairs(query) {
        match key.as_str() {
            "state" => {
                let states = value.split(',').map(JobState::parse).collect::<Option<Vec<_>>>();
                filter.states.extend(states.ok_or_else(|| one_of(&key, &value, &JobState::ALL.map(JobState::as_str)))?);
            }
            "before" => filter.before = Some(parsed(&key, &value, "the uid of a job")?),
            "limit" => filter.limit = limit(&value)?,
            _ if narrow(&mut filter, &key, &value)? => {}
            _ => return Err(unknown(&key, &[&["state"], &FILTERS[..], &["before", "limit"]].concat())),
        }
    }
    Ok(filter)
}
