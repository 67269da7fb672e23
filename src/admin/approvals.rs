//! Jobs that an hourly limit has parked: how many, which, and letting them begin.

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::ApiError;
use super::jobs::{LARGEST_PAGE, filter};
use crate::domain::JobUid;
use crate::engine::ports::store::{Filter, StoreError};
use crate::engine::record::{Record, State as JobState};

/// Jobs that need approval.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approvals {
    /// How many match.
    pub total: usize,
    /// The newest of them, as many as were asked for.
    pub jobs: Vec<Record>,
}

/// What was approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The jobs, which begin as soon as there is room.
    pub approved: Vec<JobUid>,
    /// How many changed at the same moment and were left out.
    pub left: usize,
}

/// What a request is about: the jobs it names, or all that its filters let through.
struct Asked {
    named: Vec<String>,
    filter: Filter,
    expect: Option<usize>,
}

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<Approvals>, ApiError> {
    let asked = asked(query.as_deref())?;
    if asked.expect.is_some() {
        return Err(ApiError::BadRequest("expect=… is for POST, which approves".into()));
    }
    let mut jobs = admin.needing(&asked).await?;
    let total = jobs.len();
    jobs.truncate(asked.filter.limit);
    Ok(Json(Approvals { total, jobs }))
}

/// Approves the jobs of `job=…`, each of which must need it, or of the filters, if there are `expect=<count>` of them.
pub(super) async fn approve(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<Approved>, ApiError> {
    let asked = asked(query.as_deref())?;
    let jobs = admin.needing(&asked).await?;
    let found = jobs.len();
    let expected = match asked.expect {
        Some(expected) => expected,
        None if asked.named.is_empty() => {
            return Err(ApiError::BadRequest(format!("expect=<count> is missing; jobs that need approval: {found}")));
        }
        None => found,
    };
    if found != expected {
        let message = format!("jobs that need approval: {found}, not {expected}; nothing was approved");
        return Err(ApiError::Conflict(message));
    }
    let mut approved = Vec::with_capacity(found);
    for piece in jobs.chunks(LARGEST_PAGE) {
        approved.extend(admin.0.engine.approve(piece).await?);
    }
    Ok(Json(Approved { left: found - approved.len(), approved }))
}

fn asked(query: Option<&str>) -> Result<Asked, ApiError> {
    let (mut named, mut expect) = (Vec::new(), None);
    let mut filters = form_urlencoded::Serializer::new(String::new());
    let mut filtered = false;
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        match key.as_ref() {
            "job" => named.push(value.into_owned()),
            "expect" => {
                let count =
                    value.parse().map_err(|_| ApiError::BadRequest(format!("expect={value}: must be a count")))?;
                expect = Some(count);
            }
            "state" | "before" => {
                return Err(ApiError::BadRequest(format!(
                    "{key}: jobs that need approval are all parked, and counted whole"
                )));
            }
            _ => {
                filtered |= key != "limit";
                filters.append_pair(&key, &value);
            }
        }
    }
    if filtered && !named.is_empty() {
        return Err(ApiError::BadRequest("either job=… or filters".into()));
    }
    Ok(Asked { named, expect, filter: filter(&filters.finish())? })
}

impl Admin {
    /// The jobs that need approval, newest first. One that is named and needs none is a conflict.
    async fn needing(&self, asked: &Asked) -> Result<Vec<Record>, ApiError> {
        if asked.named.is_empty() {
            return Ok(self.all_needing(&asked.filter).await?);
        }
        let mut jobs: Vec<Record> = Vec::with_capacity(asked.named.len());
        for reference in &asked.named {
            let job = self.find(Ok(Path(reference.clone()))).await?;
            if !job.needs_approval() {
                let message =
                    format!("job {reference} is {} and needs no approval; nothing was approved", job.state().as_str());
                return Err(ApiError::Declined(message));
            }
            if jobs.iter().all(|known| known.uid != job.uid) {
                jobs.push(job);
            }
        }
        Ok(jobs)
    }

    async fn all_needing(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let mut page = Filter { states: vec![JobState::Parked], limit: LARGEST_PAGE, ..filter.clone() };
        let mut jobs = Vec::new();
        loop {
            let parked = self.0.engine.store.list(&page).await?;
            page.before = parked.last().map(|last| last.uid);
            let more = parked.len() == LARGEST_PAGE;
            jobs.extend(parked.into_iter().filter(Record::needs_approval));
            if !more {
                return Ok(jobs);
            }
        }
    }
}
