//! The step: one POST. Its answer is committed whole, as what the cloud calls a RequestId, before the next step is taken,
//! and goes with the next POST. There is nothing to read: an accepted POST is done, and one whose answer was lost is
//! made again under the same key, as the peers do.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::cloud::{Transport, TransportError};
use crossgrant::domain::{AccountUid, Cen, Instance, Job, Operation, OrderType};
use crossgrant::engine::ports::action::{Action, Intended, Judgement, ResourceAction, Side, View};
use crossgrant::engine::ports::cloud::{
    Answer, Cloud, CloudError, Failure, NoRoom, Readers, ResourceReader, ResourceWriter, TransitRouterReader,
    TransitRouterWriter,
};
use crossgrant::engine::ports::write_permit::WritePermit;
use crossgrant::engine::record::{Outcome, Record, Write};
use crossgrant::engine::seen::{Reads, Seen};
use crossgrant::workflow::{ActsAs, VerbSpec};
use serde::de::IgnoredAny;

use super::jobs::INPUT;

/// The steps of the definition: the n-th posts to `/step/n` of the stub.
const STEPS: [&str; 4] = ["post-1", "post-2", "post-3", "post-4"];

fn number(step: &str) -> Option<usize> {
    STEPS.iter().position(|name| *name == step).map(|place| place + 1)
}

/// Stands for the POST, which is no operation of the cloud: like it, this one takes a key under which it is made once.
const OPERATION: Operation = Operation::ModifyGrantInstanceToTransitRouter;

/// Posts to a step of the stub.
pub struct Post {
    pub transport: Arc<dyn Transport>,
    /// The URL of the stub, without a path.
    pub stub: String,
}

impl Action for Post {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "post", acts_as: ActsAs::Resource, writes: true, outcomes: &["done"] }
    }

    fn reads(&self, _view: &View<'_>) -> Reads {
        Reads::default()
    }

    fn judge(&self, view: &View<'_>, _seen: &Seen) -> Judgement {
        if view.accepted() {
            return Judgement::Done("done");
        }
        match number(&view.record.step) {
            None => Judgement::Unclear(format!("there is no POST for {:?}", view.record.step)),
            Some(_) => Judgement::Write(Intended {
                operation: OPERATION,
                resource: last_answer(view.record).to_owned(),
                order_type: None,
            }),
        }
    }

    fn side(&self) -> Side<'_> {
        Side::Resource(self)
    }
}

/// What the step before was answered, as JSON.
fn last_answer(record: &Record) -> &str {
    let mut answers = record.writes.iter().rev().filter_map(|write| match &write.outcome {
        Outcome::Accepted { request_id, .. } => Some(request_id.as_str()),
        _ => None,
    });
    answers.next().unwrap_or("null")
}

#[async_trait]
impl ResourceAction for Post {
    async fn act(&self, _client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        let failed = |failure| CloudError::new(write.operation, failure);
        let step = number(&write.step).ok_or_else(|| CloudError::not_sent(write.operation, "there is no such step"))?;
        let input = job.labels.get(INPUT).map_or("null", String::as_str);
        let body = format!(r#"{{"step":{step},"input":{input},"prev":{}}}"#, write.resource);
        let request = http::Request::post(format!("{}/step/{step}", self.stub))
            .header(http::header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", write.client_token.as_deref().unwrap_or_default())
            .body(Bytes::from(body))
            .map_err(|error| failed(Failure::NotSent { why: error.to_string() }))?;
        let response = self.transport.send(request).await.map_err(|error| {
            failed(match error {
                TransportError::NotSent(why) => Failure::NotSent { why },
                TransportError::Unanswered(why) => Failure::Unanswered { why },
            })
        })?;
        let text = String::from_utf8_lossy(response.body()).into_owned();
        if response.status() != http::StatusCode::OK {
            let status = response.status().as_u16();
            return Err(failed(Failure::Refused { status, code: String::new(), message: text }));
        }
        serde_json::from_str::<IgnoredAny>(&text)
            .map_err(|error| failed(Failure::Unanswered { why: format!("the answer is not JSON: {error}") }))?;
        Ok(Answer { value: (), request_id: text, date: None, calls: 1 })
    }
}

/// A cloud in which there is nothing to see and nothing to do but the POSTs, which need no account.
pub struct NoCloud;

fn not_here<T>() -> Result<T, CloudError> {
    Err(CloudError::not_sent(None, "there is no cloud here"))
}

impl Readers for NoCloud {
    fn resource_reader(&self, _account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError> {
        not_here()
    }

    fn transit_router_reader(&self, _account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError> {
        not_here()
    }

    fn read_interval(&self) -> Duration {
        Duration::ZERO
    }
}

#[async_trait]
impl Cloud for NoCloud {
    async fn resource_writer(
        &self,
        _account: &AccountUid,
        _permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn ResourceWriter>, CloudError> {
        Ok(Arc::new(Self))
    }

    async fn transit_router_writer(
        &self,
        _account: &AccountUid,
        _permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn TransitRouterWriter>, CloudError> {
        not_here()
    }

    async fn room(&self, _account: &AccountUid, _operation: Operation) -> Result<Option<Operation>, NoRoom> {
        Ok(None)
    }

    async fn ask_time(&self) {}

    fn share(&self, _workers: u32) {}
}

#[async_trait]
impl ResourceWriter for NoCloud {
    async fn grant(&self, _: &Instance, _: &Cen, _: Option<OrderType>) -> Result<Answer<()>, CloudError> {
        not_here()
    }

    async fn revoke(&self, _: &Instance, _: &Cen) -> Result<Answer<()>, CloudError> {
        not_here()
    }

    async fn modify_grant(&self, _: &Instance, _: &Cen, _: OrderType, _: &str) -> Result<Answer<()>, CloudError> {
        not_here()
    }
}
