//! Jobs, listed and shown.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::{Admin, Explanation, explain};
use crate::domain::{CenId, InstanceId, JobId, JobUid, Kind, Requester, did_you_mean};
use crate::engine::decide::command::Command;
use crate::engine::ports::store::Filter;
use crate::engine::record::{Record, State as JobState};

/// Jobs on a page, unless the request says otherwise.
const PAGE: usize = 50;
/// The most there may be.
pub(super) const LARGEST_PAGE: usize = 1000;

/// A page of jobs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<Record>,
    /// What to ask for as `before` to get the next page; `None` on the last.
    pub next: Option<JobUid>,
}

/// A job with everything that helps to understand it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JobView {
    /// As committed.
    pub job: Record,
    /// Why it is where it is, and what comes next.
    pub explanation: Explanation,
    /// What was said of it, in order.
    pub events: Vec<Value>,
}

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<JobPage>, ApiError> {
    let filter = filter(query.as_deref().unwrap_or_default())?;
    let jobs = admin.0.engine.store.list(&filter).await?;
    let next = jobs.last().filter(|_| jobs.len() == filter.limit).map(|last| last.uid);
    Ok(Json(JobPage { jobs, next }))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<JobView>, ApiError> {
    let job = admin.find(reference).await?;
    let store = &admin.0.engine.store;
    let first = match store.head_of_line(&job.job.instance.id).await? {
        Some(uid) if uid != job.uid => store.load(uid).await?,
        _ => None,
    };
    let now = admin.0.engine.clock.now();
    let explanation = explain(&job, first.as_ref(), admin.0.engine.would_obey(&job, Command::Cancel).await?, now);
    let events = store.events(job.uid).await?;
    let events = events.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()));
    Ok(Json(JobView { events: events.collect(), explanation, job }))
}

impl Admin {
    /// The job that a path names: by uid, or by requester and id. Both of these may hold a `/`.
    pub(super) async fn find(&self, reference: Result<Path<String>, PathRejection>) -> Result<Record, ApiError> {
        let Path(reference) = reference.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let store = &self.0.engine.store;
        let none = || ApiError::NotFound(format!("there is no job {reference}"));
        if let Ok(uid) = reference.parse::<JobUid>() {
            return store.load(uid).await?.ok_or_else(none);
        }
        let mut named = false;
        for (at, _) in reference.match_indices('/') {
            let (requester, id) = (Requester::parse(&reference[..at]), JobId::parse(&reference[at + 1..]));
            if let (Ok(requester), Ok(id)) = (requester, id) {
                named = true;
                if let Some(record) = store.find(&requester, &id).await? {
                    return Ok(record);
                }
            }
        }
        if named {
            return Err(none());
        }
        Err(ApiError::BadRequest(format!("a job is named by its uid or as requester/id, not as \"{reference}\"")))
    }
}

/// Reads the filters of a query. What is unknown is refused: a misspelt filter would list everything.
pub(super) fn filter(query: &str) -> Result<Filter, ApiError> {
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        let bad = |why: String| ApiError::BadRequest(format!("{key}={value}: {why}"));
        let one_of = |words: Vec<&str>| bad(format!("must be one of {}", words.join(", ")));
        match key.as_ref() {
            "state" => {
                let states = value.split(',').map(JobState::parse).collect::<Option<Vec<_>>>();
                let states = states.ok_or_else(|| one_of(JobState::ALL.map(JobState::as_str).to_vec()))?;
                filter.states.extend(states);
            }
            "kind" => {
                filter.kind = Some(Kind::parse(&value).ok_or_else(|| one_of(Kind::ALL.map(Kind::as_str).to_vec()))?);
            }
            "instance" => filter.instance = Some(InstanceId::parse(&*value).map_err(|error| bad(error.to_string()))?),
            "cen" => filter.cen = Some(CenId::parse(&*value).map_err(|error| bad(error.to_string()))?),
            "requester" => filter.requester = Some(Requester::parse(&*value).map_err(|error| bad(error.to_string()))?),
            "label" => {
                let (name, value) = value.split_once('=').ok_or_else(|| bad("must be label=name=value".into()))?;
                filter.label = Some((name.to_owned(), value.to_owned()));
            }
            "before" => filter.before = Some(value.parse().map_err(|_| bad("must be the uid of a job".into()))?),
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
                filter.limit = limit.ok_or_else(|| bad(format!("must be a number from 1 to {LARGEST_PAGE}")))?;
            }
            _ => {
                let known = ["state", "kind", "instance", "cen", "requester", "label", "before", "limit"];
                let hint = did_you_mean(&key, known, "");
                let known = known.join(", ");
                return Err(ApiError::BadRequest(format!("there is no filter {key}{hint} (known: {known})")));
            }
        }
    }
    Ok(filter)
}
