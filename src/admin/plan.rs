//! What a job would do: read with the worker's own credentials, by the rules that it goes by now. Nothing is written or kept.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ApiError;
use super::parts::Admin;
use super::tokens::Authority;
use crate::domain::contract::{Fault, MAX_BODY};
use crate::domain::{JobUid, Requester};
use crate::engine::decide::door::Asked;
use crate::engine::loops::plan::plan;
use crate::engine::record::Record;

/// The answer to `POST /v1/plan`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PlanView {
    /// What is wrong with the message, if it is no valid job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<PlanFault>,
    /// The requesters that may ask for the job, as the allow-rules name them; null if none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requesters: Option<Vec<String>>,
    /// Why the policy refuses it. It is planned all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// The job as it would be after the plan: `planned` with its calls, `failed` with what is in the way, or in any other state if
    /// there is no answer at the moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,
}

/// What is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanFault {
    /// A JSON pointer to what is wrong.
    pub at: String,
    /// A stable name for it.
    pub code: String,
    /// What is wrong.
    pub message: String,
}

pub(super) async fn make(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PlanView>, ApiError> {
    let body = body.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    if body.len() > MAX_BODY {
        return Err(ApiError::BadRequest(format!("the body has more than {MAX_BODY} bytes, which is the most")));
    }
    let mut job = match Asked::read(&body, None) {
        Ok(Asked::Job(job)) => *job,
        Ok(Asked::Batch(..)) => {
            return Err(ApiError::BadRequest("this is a batch; `crossgrant plan` plans each of its jobs".into()));
        }
        Err(faults) => {
            let fault = |Fault { at, code, message }: Fault| PlanFault { at, code: code.to_string(), message };
            let faults = faults.into_iter().map(fault).collect();
            return Ok(Json(PlanView { faults, requesters: None, refused: None, record: None }));
        }
    };
    let _place = admin.plans().try_acquire().map_err(|_| ApiError::Busy("too many plans are being made"))?;
    // The plan is for now, even if the job may not start yet.
    job.not_before = None;
    let engine = &admin.parts().engine;
    let policy = engine.policy.get();
    let (requesters, refused) = match policy.admits(&job) {
        Ok(names) => (Some(names.into_iter().map(str::to_owned).collect()), None),
        Err(why) => (None, Some(why)),
    };
    let objections = policy.objections(&job);
    let definition = engine.catalog.definition(job.kind);
    let requester = Requester::at_door(&authority.token).expect("the name of a token is short and printable");
    let (digest, first) = (definition.digest(), &definition.first().name);
    let record = Record::new(JobUid(Uuid::nil()), requester, job, digest, first, engine.clock.now());
    let record = plan(&*engine.cloud, &*engine.clock, &engine.context(definition), objections, record).await;
    Ok(Json(PlanView { faults: vec![], requesters, refused, record: Some(record) }))
}
