//! Jobs: listing them, showing one, and finding the one that a path names.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApiError;
use super::explain::{Explanation, explain};
use super::parts::Admin;
use super::query::{limit, parsed};
use super::tokens::Authority;
use super::waiting::UnsentWebhook;
use crate::domain::{JobId, JobUid, Requester};
use crate::engine::decide::command::Command;
use crate::engine::loops::listing::Listing;
use crate::engine::ports::account::{held_by, mends};
use crate::engine::ports::store::{Filter, StoreError};
use crate::engine::record::{Record, State as JobState};
use crate::workflow::{Step, Work};

/// A page of jobs.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct JobPage {
    /// Newest first.
    pub jobs: Vec<JobRow>,
    /// The `before` of the next page; `None` on the last one. A page with a `next` can be short: few records matched of as
    /// many as one request reads.
    pub next: Option<JobUid>,
    /// How many jobs and batches the worker has met that cannot be read. Lists leave them out.
    #[serde(default)]
    pub unreadable: usize,
}

/// A job of a page.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct JobRow {
    /// The record, as the store has it.
    #[serde(flatten)]
    pub job: Record,
    /// Why the job is in its state, and what happens next.
    pub explanation: Explanation,
}

/// The answer to `GET /v1/jobs/{ref}`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct JobView {
    /// The record, as the store has it.
    pub job: Record,
    /// Why the job is in its state, and what happens next.
    pub explanation: Explanation,
    /// The events about it, in order.
    #[schemars(with = "Vec<serde_json::Map<String, Value>>")]
    pub events: Vec<Value>,
    /// Answers to webhooks that have not arrived.
    #[serde(default)]
    pub webhooks: Vec<UnsentWebhook>,
    /// The steps of its definition, in order.
    #[serde(default)]
    pub steps: Vec<JobStep>,
    /// The commands that would be carried out now: `cancel`, `resume`, `approve`, `release`.
    #[serde(default)]
    pub commands: Vec<String>,
}

/// A step of the definition of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JobStep {
    /// Its name.
    pub name: String,
    /// What it calls; `None` if it waits for the hour.
    pub calls: Option<String>,
    /// Whose credentials it acts with: `resource`, `transit-router` or `readers`; `None` if it waits for the hour.
    #[serde(rename = "as")]
    pub acts_as: Option<String>,
    /// What puts back what it has written; `None` if nothing does.
    pub undo: Option<String>,
}

impl JobStep {
    fn of(step: &Step) -> Self {
        let name = step.name.clone();
        match &step.work {
            Work::Call(call) => Self {
                name,
                calls: Some(call.verb.clone()),
                acts_as: Some(call.acts_as.to_string()),
                undo: call.undo.clone(),
            },
            Work::Wait { .. } => Self { name, calls: None, acts_as: None, undo: None },
        }
    }
}

pub(super) async fn list(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Result<Json<JobPage>, ApiError> {
    let engine = &admin.parts().engine;
    let narrow = |filter: &mut Filter, key: &str, value: &str| {
        match key {
            "before" => filter.before = Some(parsed(key, value, "the uid of a job")?),
            _ => filter.limit = limit(value)?,
        }
        Ok(())
    };
    let filter = admin.filter(query.as_deref(), &["before", "limit"], narrow).await?;
    let Listing { jobs, next } = engine.find(&filter).await?;
    Ok(Json(JobPage { jobs: admin.rows(jobs).await?, next, unreadable: engine.store.unreadable() }))
}

pub(super) async fn show(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<JobView>, ApiError> {
    let job = admin.find_for(&authority, reference).await?;
    let explanation = admin.explained(&job).await?;
    let blocker = match (authority.sees_only(), explanation.blocker) {
        (Some(own), Some(uid)) => admin.parts().engine.store.load(uid).await?.filter(|job| job.requester != own),
        _ => None,
    };
    let explanation = if blocker.is_some() { explanation.blocked_by_another() } else { explanation };
    let events = admin.parts().engine.store.events(job.uid).await?;
    let events = events.iter().map(|text| serde_json::from_str(text).unwrap_or_else(|_| text.as_str().into()));
    let webhooks = admin.unsent_webhooks(job.uid).await?;
    let engine = &admin.parts().engine;
    let steps = engine.definition_of(&job).await?.0.steps.iter().map(JobStep::of).collect();
    let mut commands = Vec::new();
    for command in Command::ALL {
        if engine.would_obey(&job, command).await? {
            commands.push(command.to_string());
        }
    }
    Ok(Json(JobView { events: events.collect(), webhooks, explanation, job, steps, commands }))
}

impl Admin {
    /// Why a job is in its state, and what happens next.
    async fn explained(&self, job: &Record) -> Result<Explanation, StoreError> {
        let engine = &self.parts().engine;
        // Only a queued job can wait for another one.
        let first = match job.state() {
            JobState::Queued => engine.store.first_in_queue(&job.job.instance).await?,
            _ => None,
        };
        let mut unreadable = None;
        let first = match first {
            Some(uid) if uid != job.uid => match engine.store.load(uid).await {
                Err(StoreError::Corrupt(why)) => {
                    unreadable = Some((uid, why));
                    None
                }
                other => other?,
            },
            _ => None,
        };
        let can_cancel = engine.would_obey(job, Command::Cancel).await?;
        let owners = [&job.job.instance.owner, &job.job.cen.owner];
        let refused = owners.into_iter().find_map(|uid| {
            let refusal = engine.cloud.refusal(uid)?;
            Some((held_by(uid, &refusal), mends(&refusal)))
        });
        let explanation = explain(job, first.as_ref(), can_cancel, engine.clock.now()).held(job, refused);
        Ok(match unreadable {
            Some((uid, why)) => explanation.behind_unreadable(uid, &why),
            None => explanation,
        })
    }

    /// Explains every job of a page.
    pub(super) async fn rows(&self, jobs: Vec<Record>) -> Result<Vec<JobRow>, StoreError> {
        let mut rows = Vec::with_capacity(jobs.len());
        for job in jobs {
            rows.push(JobRow { explanation: self.explained(&job).await?, job });
        }
        Ok(rows)
    }

    /// The job that a path names, if the token may see it.
    pub(super) async fn find_for(
        &self,
        authority: &Authority,
        reference: Result<Path<String>, PathRejection>,
    ) -> Result<Record, ApiError> {
        let Some(own) = authority.sees_only() else { return self.find(reference).await };
        let Path(reference) = reference.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let store = &self.parts().engine.store;
        let found = match reference.parse::<JobUid>() {
            Ok(uid) => store.load(uid).await?,
            Err(_) => {
                let id = own_id(&reference, &own);
                match JobId::parse(id) {
                    Ok(id) => store.find(&own, &id).await?,
                    Err(_) => None,
                }
            }
        };
        let none = || ApiError::NotFound(format!("{own} has no job {reference}"));
        found.filter(|job| job.requester == own).ok_or_else(none)
    }

    /// The job that a path names: by uid, by requester and id, which both may contain a `/`, or by an id that only one requester
    /// has.
    pub(super) async fn find(&self, reference: Result<Path<String>, PathRejection>) -> Result<Record, ApiError> {
        let Path(reference) = reference.map_err(|error| ApiError::BadRequest(error.body_text()))?;
        let store = &self.parts().engine.store;
        let none = || ApiError::NotFound(format!("there is no job {reference}"));
        if let Ok(uid) = reference.parse::<JobUid>() {
            return store.load(uid).await?.ok_or_else(none);
        }
        let mut found = Vec::new();
        for (requester, id) in readings(&reference) {
            found.extend(store.find(&requester, &id).await?);
        }
        // Only then: a requester must not make the name of another one's job ambiguous.
        if found.is_empty() {
            let id = JobId::parse(reference.as_str()).map_err(|_| {
                ApiError::BadRequest(format!("\"{reference}\" names no job: give its uid, requester/id, or its id"))
            })?;
            found = store.find_by_id(&id).await?;
        }
        match found.len() {
            0 => Err(none()),
            1 => Ok(found.remove(0)),
            _ => Err(ApiError::Ambiguous(ambiguous(&reference, &found))),
        }
    }
}

/// The id that a requester means by a reference, with or without its own name.
pub(super) fn own_id<'a>(reference: &'a str, own: &Requester) -> &'a str {
    let named = reference.strip_prefix(own.as_str()).and_then(|rest| rest.strip_prefix('/'));
    named.unwrap_or(reference)
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
