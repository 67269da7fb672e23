//! Jobs that come in over HTTP. They take the way of all others: through the queue of jobs and the intake, which is their judge.
//! What is known before is said before, so that nothing bad is published; what the store has already is not published again.
//!
//! A message is in the queue once the broker has confirmed it. Who has asked waits a little longer, for what the intake makes of
//! it: any worker of the queue may have it. A rejection is found by its uid, which is made of the message, and each message of the
//! door has an id of its own.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::intake::rejection_uid;
use crate::domain::contract::{FaultList, MAX_BODY};
use crate::domain::{JobUid, Reason, Requester};
use crate::engine::decide::door::{Asked, Standing};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::door::{DoorMessage, DoorPublisher, NotPublished};
use crate::engine::ports::filter::Filter;
use crate::engine::ports::mail::Incoming;
use crate::engine::ports::store::{Rejected, StoreError};
use crate::engine::record::Record;

/// How long an answer waits for the intake, once the queue has the message. It takes milliseconds, unless the workers are busy or
/// the store cannot be written.
const WAITS: Duration = Duration::from_secs(5);
/// The first pause between two questions to the store; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What may become of a message besides a job.
const REJECTIONS: [Reason; 4] = [Reason::Invalid, Reason::IdReused, Reason::TooMany, Reason::DeadLettered];

/// A request at the door.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub requester: Requester,
    /// What it asks for.
    pub asked: Asked,
    /// As it is published.
    pub body: Bytes,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// The URL of a webhook that gets the answer.
    pub reply_to: Option<String>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submitted {
    /// Accepted: the uid of the job or of the batch.
    Accepted(JobUid),
    /// It was accepted before. It was published again only if its answer is to go somewhere.
    Repeated(JobUid),
    /// The queue has it, and the intake has not judged it yet.
    Published,
}

/// Why a request was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotSubmitted {
    /// The policy does not let the requester have this.
    #[error("{0}")]
    NotAllowed(String),
    /// Its id stands for something else. Nothing was published.
    #[error("the id was used before, for another request")]
    Differs(FaultList),
    /// The intake has rejected it.
    #[error("the message was rejected")]
    Rejected(Rejected),
    /// It was not published, or it is not known whether it was.
    #[error(transparent)]
    NotPublished(#[from] NotPublished),
    /// The store could not be asked. Nothing was published.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Publishes what is asked for, unless the store has it, and waits for what the intake makes of it.
    pub async fn submit(&self, door: &dyn DoorPublisher, request: Request) -> Result<Submitted, NotSubmitted> {
        let Request { requester, asked, body, traceparent, reply_to } = request;
        let policy = self.policy.get();
        let not_there = reply_to.as_deref().and_then(|url| policy.refuses_answers(&requester, url));
        if let Some(why) = not_there {
            return Err(NotSubmitted::NotAllowed(why));
        }
        let repeated = match self.standing(&requester, &asked).await? {
            // The intake sends the answer to where it is asked for now.
            Standing::Accepted(uid) if reply_to.is_some() => Some(uid),
            Standing::Accepted(uid) => return Ok(Submitted::Repeated(uid)),
            Standing::Differs(faults) => return Err(NotSubmitted::Differs(faults)),
            Standing::Unknown => None,
        };
        if let Some(why) = asked.refused(&requester, &policy).filter(|_| repeated.is_none()) {
            return Err(NotSubmitted::NotAllowed(why));
        }
        let message = DoorMessage {
            requester: requester.clone(),
            message_id: Uuid::new_v4().to_string(),
            correlation_id: asked.id().to_owned(),
            reply_to,
            traceparent,
            body,
            at: self.clock.now(),
        };
        door.publish(&message).await?;
        if let Some(uid) = repeated {
            return Ok(Submitted::Repeated(uid));
        }
        let rejections = rejections(&message, door.routing_key(&message.body));
        let (until, mut pause) = (self.clock.uptime() + WAITS, FIRST_PAUSE);
        loop {
            match self.judged(&requester, &asked, &rejections).await {
                Ok(None) => {}
                Ok(Some(judged)) => return judged,
                // It is published all the same.
                Err(error) => tracing::debug!(%error, "cannot see what became of a job that was published"),
            }
            if self.clock.uptime() >= until {
                return Ok(Submitted::Published);
            }
            self.clock.sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// What the intake has made of a published message; `None` if it has not come to it.
    async fn judged(
        &self,
        requester: &Requester,
        asked: &Asked,
        rejections: &[JobUid],
    ) -> Result<Option<Result<Submitted, NotSubmitted>>, StoreError> {
        match self.standing(requester, asked).await? {
            Standing::Accepted(uid) => return Ok(Some(Ok(Submitted::Accepted(uid)))),
            Standing::Differs(faults) => return Ok(Some(Err(NotSubmitted::Differs(faults)))),
            Standing::Unknown => {}
        }
        for uid in rejections {
            if let Some(found) = self.store.rejection(*uid).await? {
                return Ok(Some(Err(NotSubmitted::Rejected(found.rejected))));
            }
        }
        Ok(None)
    }

    async fn standing(&self, requester: &Requester, asked: &Asked) -> Result<Standing, StoreError> {
        let known: Vec<Record> = match asked {
            Asked::Job(job) => self.store.find(requester, &job.id).await?.into_iter().collect(),
            Asked::Batch(terms, jobs) => {
                let uid = terms.uid(requester);
                match self.store.batch(uid).await? {
                    None => vec![],
                    Some(_) => {
                        let of_batch = Filter { batch: Some(uid), limit: jobs.len(), ..Filter::default() };
                        self.store.list(&of_batch).await?
                    }
                }
            }
        };
        Ok(asked.standing(requester, &known))
    }
}

/// Under which uids the message can be rejected. A worker without the key of the door knows no requester of it.
fn rejections(message: &DoorMessage, routing_key: String) -> Vec<JobUid> {
    let DoorMessage { requester, message_id, reply_to, body, .. } = message;
    let incoming = Incoming {
        body: body.clone(),
        routing_key,
        message_id: Some(message_id.clone()),
        reply_to: reply_to.clone(),
        ..Incoming::default()
    };
    // As the intake names it: of a rejected message it keeps no more.
    let incoming = incoming.bounded(MAX_BODY);
    let own = REJECTIONS.map(|reason| rejection_uid(reason, requester, &incoming));
    let unknown = rejection_uid(Reason::Invalid, &Requester::anonymous(), &incoming);
    own.into_iter().chain([unknown]).collect()
}
