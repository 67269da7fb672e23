//! Jobs that an hourly limit has parked: counting, listing and approving them.

use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::filter;
use super::jobs::JobRow;
use super::parts::Admin;
use super::query::{LARGEST_PAGE, limit, parsed};
use super::tokens::Authority;
use crate::domain::JobUid;
use crate::engine::ports::store::{Filter, StoreError};
use crate::engine::record::{Record, State as JobState};

/// The answer to `GET /v1/approvals`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Approvals {
    /// The number of jobs that match.
    pub total: usize,
    /// The newest of them, at most `limit`.
    pub jobs: Vec<JobRow>,
}

/// The answer to `POST /v1/approvals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approved {
    /// The approved jobs. They begin as soon as a worker has room.
    pub approved: Vec<JobUid>,
    /// The number of jobs that changed at the same moment and were not approved.
    pub left: usize,
}

/// The jobs that a request names, or else all that its filters match.
struct ApprovalQuery {
    named: Vec<String>,
    filter: Filter,
    expect: Option<usize>,
}

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<Approvals>, ApiError> {
    let asked = admin.asked_for(query.as_deref())?;
    if asked.expect.is_some() {
        return Err(ApiError::BadRequest("expect=… is for POST, which approves; GET only lists".into()));
    }
    let mut jobs = admin.needing(&asked).await?;
    let total = jobs.len();
    jobs.truncate(asked.filter.limit);
    Ok(Json(Approvals { total, jobs: admin.rows(jobs).await? }))
}

/// Approves the jobs of `job=…`, each of which must need approval; or all that match the filters, if their number is that
/// of `expect=<count>`.
pub(super) async fn approve(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<Approved>, ApiError> {
    let asked = admin.asked_for(query.as_deref())?;
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
    for page in jobs.chunks(LARGEST_PAGE) {
        approved.extend(admin.parts().engine.approve(page, &authority.token).await?);
    }
    Ok(Json(Approved { left: found - approved.len(), approved }))
}

impl Admin {
    fn asked_for(&self, query: Option<&str>) -> Result<ApprovalQuery, ApiError> {
        let (mut named, mut expect) = (Vec::new(), None);
        let now = self.parts().engine.clock.now();
        let filter = filter::read(query, now, &["job", "expect", "limit"], |filter, key, value| {
            match key {
                "job" => named.push(value.to_owned()),
                "expect" => expect = Some(parsed(key, value, "a count")?),
                _ => filter.limit = limit(value)?,
            }
            Ok(())
        })?;
        if !named.is_empty() && filter != (Filter { limit: filter.limit, ..Filter::default() }) {
            return Err(ApiError::BadRequest("either job=… or filters can be given, not both".into()));
        }
        Ok(ApprovalQuery { named, filter, expect })
    }

    /// The jobs that need approval, newest first. A named job that needs none is declined.
    async fn needing(&self, asked: &ApprovalQuery) -> Result<Vec<Record>, ApiError> {
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
            let parked = self.parts().engine.store.list(&page).await?;
            page.before = parked.last().map(|last| last.uid);
            let more = parked.len() == LARGEST_PAGE;
            jobs.extend(parked.into_iter().filter(|job| job.needs_approval() && filter.matches(job)));
            if !more {
                return Ok(jobs);
            }
        }
    }
}
