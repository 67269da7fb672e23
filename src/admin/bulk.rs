//! Commands on many jobs: those that a filter means, if their number is the expected one.

use axum::extract::{RawQuery, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::jobs::JobRow;
use super::mandate::{SAID, Said};
use super::parts::Admin;
use super::query::{limit, parsed};
use super::tokens::Authority;
use crate::domain::{Code, JobId, JobUid, Reason, Requester};
use crate::engine::decide::command::Command;
use crate::engine::loops::commands::CommandError;
use crate::engine::loops::listing::{Count, MOST_READ};
use crate::engine::ports::store::Filter;
use crate::engine::record::{Mandate, Record, State as JobState};

/// The most jobs that one call commands: each is a commit of a few kB, and the caller waits for all of them.
const MOST: usize = 1000;

/// The answer to `GET /v1/bulk/…`: the jobs that a command with this filter would be about.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Matching {
    /// How many there are.
    pub total: usize,
    /// The newest of them, at most `limit`.
    pub jobs: Vec<JobRow>,
}

/// The answer to `POST /v1/bulk/…`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BulkDone {
    /// How many jobs the command was carried out on.
    pub done: usize,
    /// The jobs that it was declined for.
    pub declined: Vec<DeclinedJob>,
    /// How many older jobs match that this call did not reach.
    pub left: usize,
    /// The `before` with which to reach them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<JobUid>,
}

/// A job that a command was declined for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeclinedJob {
    /// The job.
    pub uid: JobUid,
    /// Who asked for it.
    pub requester: Requester,
    /// Its id with the requester.
    pub id: JobId,
    /// `declined` if it is not in a state for the command, `conflict` if it changed at the same moment, `same-person` if the
    /// approver has asked for it.
    pub code: Code,
    /// What is wrong, and what is possible instead.
    pub message: String,
}

/// What a query asks for.
struct Asked {
    filter: Filter,
    expect: Option<usize>,
    said: Said,
}

pub(super) async fn would_cancel(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Matching>, ApiError> {
    admin.matching(query.as_deref(), Command::Cancel).await
}

pub(super) async fn would_resume(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Matching>, ApiError> {
    admin.matching(query.as_deref(), Command::Resume).await
}

pub(super) async fn would_approve(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
) -> Result<Json<Matching>, ApiError> {
    admin.matching(query.as_deref(), Command::Approve).await
}

pub(super) async fn cancel(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<BulkDone>, ApiError> {
    admin.command_matching(query.as_deref(), Command::Cancel, &authority).await
}

pub(super) async fn resume(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<BulkDone>, ApiError> {
    admin.command_matching(query.as_deref(), Command::Resume, &authority).await
}

pub(super) async fn approve(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    RawQuery(query): RawQuery,
) -> Result<Json<BulkDone>, ApiError> {
    admin.command_matching(query.as_deref(), Command::Approve, &authority).await
}

/// Narrows a filter that names neither states nor reasons to the jobs that the command is for. What it names itself stays, and
/// the jobs in other states are declined.
pub(super) fn meant(mut filter: Filter, command: Command) -> Filter {
    let reasons = !filter.reasons.is_empty();
    if !filter.states.is_empty() {
        return filter;
    }
    match command {
        Command::Approve if !reasons => filter.reasons = vec![Reason::NeedsApproval],
        Command::Cancel => filter.states = JobState::ALL.into_iter().filter(|state| !state.is_terminal()).collect(),
        Command::Approve | Command::Resume | Command::Release => {}
    }
    if command != Command::Cancel {
        filter.states = vec![JobState::Parked];
    }
    filter
}

impl Admin {
    async fn asked_for(&self, query: Option<&str>, command: Command) -> Result<Asked, ApiError> {
        let (mut expect, mut said) = (None, Said::default());
        let also = [&["expect", "before", "limit"], &SAID[..]].concat();
        let take = |filter: &mut Filter, key: &str, value: &str| {
            match key {
                "expect" => expect = Some(parsed(key, value, "a count")?),
                "before" => filter.before = Some(parsed(key, value, "the uid of a job")?),
                "limit" => filter.limit = limit(value)?,
                _ => {
                    said.take(key, value)?;
                }
            }
            Ok(())
        };
        let filter = self.filter(query, &also, take).await?;
        if let Some(reason) = said.reason.as_deref().and_then(Reason::parse) {
            let message = format!(
                "reason={reason}: this is a reason of jobs; choose jobs by it with for={reason} (--for {reason}), and say in \
                 `reason` why you give the command"
            );
            return Err(ApiError::BadRequest(message));
        }
        Ok(Asked { filter: meant(filter, command), expect, said })
    }

    async fn count(&self, filter: &Filter, keep: usize) -> Result<Count, ApiError> {
        let count = self.parts().engine.count(filter, keep).await?;
        count.ok_or_else(|| {
            ApiError::BadRequest(format!(
                "there are more than {MOST_READ} jobs to look through; narrow the filter, such as by account, kind or since"
            ))
        })
    }

    async fn matching(&self, query: Option<&str>, command: Command) -> Result<Json<Matching>, ApiError> {
        let Asked { filter, expect, said } = self.asked_for(query, command).await?;
        if expect.is_some() || said.by.is_some() || said.reason.is_some() {
            return Err(ApiError::BadRequest(
                "expect, by and reason are for POST, which commands; GET only lists".into(),
            ));
        }
        let Count { total, jobs } = self.count(&filter, filter.limit).await?;
        Ok(Json(Matching { total, jobs: self.rows(jobs).await? }))
    }

    /// Commands the jobs of a filter, if their number is that of `expect=<count>`.
    async fn command_matching(
        &self,
        query: Option<&str>,
        command: Command,
        authority: &Authority,
    ) -> Result<Json<BulkDone>, ApiError> {
        let Asked { filter, expect, said } = self.asked_for(query, command).await?;
        // Of two that expect the same jobs at the same time, the second finds what the first has left.
        let _turn = self.asked().bulk.lock().await;
        let Count { total, jobs } = self.count(&filter, MOST).await?;
        let Some(expected) = expect else {
            return Err(ApiError::BadRequest(format!("expect=<count> is missing; jobs that match: {total}")));
        };
        if total != expected {
            let message = format!("jobs that match: {total}, not {expected}; nothing was done");
            return Err(ApiError::Conflict(message));
        }
        let left = total - jobs.len();
        let before = jobs.last().filter(|_| left > 0).map(|last| last.uid);
        let (done, declined) = self.command_all(jobs, command, authority, &said.with(authority)).await?;
        if done == 0 && !declined.is_empty() && declined.iter().all(|job| job.code == Code::Conflict) {
            let message = "all of these jobs changed at the same moment, as by the same command; nothing was done";
            return Err(ApiError::Conflict(message.into()));
        }
        self.changed().await;
        Ok(Json(BulkDone { done, declined, left, before }))
    }

    async fn command_all(
        &self,
        jobs: Vec<Record>,
        command: Command,
        authority: &Authority,
        mandate: &Mandate,
    ) -> Result<(usize, Vec<DeclinedJob>), ApiError> {
        let engine = &self.parts().engine;
        let mut declined = Vec::new();
        let mut decline = |job: &Record, code, message: String| {
            let (requester, id) = (job.requester.clone(), job.job.id.clone());
            declined.push(DeclinedJob { uid: job.uid, requester, id, code, message });
        };
        let mut allowed = Vec::with_capacity(jobs.len());
        for job in jobs {
            match self.may_command(&job, command, authority) {
                Ok(()) => allowed.push(job),
                Err(error) => decline(&job, Code::SamePerson, error.to_string()),
            }
        }
        let results = engine.command_all(&allowed, command, mandate).await?;
        for (job, result) in allowed.iter().zip(&results) {
            match result {
                Ok(()) => {}
                Err(error @ CommandError::Declined(_)) => decline(job, Code::Declined, error.to_string()),
                Err(error) => decline(job, Code::Conflict, error.to_string()),
            }
        }
        Ok((results.iter().filter(|result| result.is_ok()).count(), declined))
    }

    /// Whether the approver of a job is another person than the one who asked for it, where that has to be so.
    pub(super) fn may_command(&self, job: &Record, command: Command, authority: &Authority) -> Result<(), ApiError> {
        let needs_two = self.parts().engine.policy.get().needs_two_persons() && command == Command::Approve;
        if needs_two && authority.is_of(&job.requester) {
            return Err(ApiError::SamePerson(format!(
                "token {} stands for {}, who asked for this job; another person has to approve it",
                authority.token, job.requester
            )));
        }
        Ok(())
    }
}
