//! What the intake hands to the store, and what the store makes of it.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{BatchId, JobUid, Requester};
use crate::engine::batch::Batch;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::outbox::OutboundMessage;
use crate::engine::record::{Origin, Record};

/// A valid request.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The job it becomes if its idempotency key, (`requester`, `job.id`), is new.
    pub record: Box<Record>,
    /// The digest of what is asked: tells a repetition from another request under the same key.
    pub digest: String,
    /// Published if the key is new.
    pub outbound: Vec<OutboundMessage>,
    /// Stored and published if the key was used before for another request.
    pub reused: Rejection,
    /// How many jobs of its requester on its instance may be there that have not begun to write; `None` for any number.
    pub most_unbegun: Option<u32>,
    /// The batch that it belongs to.
    pub batch: Option<Box<NewBatch>>,
}

/// The batch of a job, as the job makes it if it is the first one of it.
#[derive(Debug, Clone)]
pub struct NewBatch {
    /// The batch.
    pub batch: Batch,
    /// Published if it is new.
    pub outbound: Vec<OutboundMessage>,
}

/// Why a job does not get into the batch that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misfit {
    /// The batch was begun with another size, or other terms.
    Differs,
    /// The batch has all its jobs.
    Full,
    /// The batch has ended, or takes no further job.
    Closed,
}

/// What became of messages that are taken all together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// All of them are taken, as new jobs or as repetitions; in order.
    Taken(Vec<Taken>),
    /// None of them is, because of these: their places, and what they would have become.
    Refused(Vec<(usize, Taken)>),
}

/// A message that does not become a job.
///
/// Its uid is derived from the message. The same message again is therefore the same rejection: its event is published
/// again, unchanged, and no second copy goes to the dead-letter queue.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// Derived from the message.
    pub uid: JobUid,
    /// When the message arrived.
    pub at: Timestamp,
    /// The sender, as the broker verified.
    pub requester: Requester,
    /// The job id in the message; `None` if it has none that can be read.
    pub job_id: Option<String>,
    /// The batch that the message names, if that can be read.
    pub batch_id: Option<BatchId>,
    /// How many faults there are besides those in `reasons`.
    pub faults_not_listed: u32,
    /// A JSON array of everything that is wrong with the message.
    pub reasons: String,
    /// The event also goes to its `reply_to`.
    pub origin: Origin,
    /// The copy for the dead-letter queue and the `rejected` event.
    pub outbound: Vec<OutboundMessage>,
    /// The message as far as it is kept, with its properties as headers. It is never published.
    pub kept: Option<Outgoing>,
}

/// A rejection as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rejected {
    /// Derived from the message.
    pub uid: JobUid,
    /// When the message first arrived.
    pub at: Timestamp,
    /// The sender, as the broker verified.
    pub requester: Requester,
    /// The job id in the message; `None` if it has none that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
    /// The batch that the message names, if that can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<BatchId>,
    /// An array of everything that is wrong with the message, each with `at`, `code` and `message`.
    pub reasons: Value,
    /// How many faults there are besides those in `reasons`.
    #[serde(default)]
    pub faults_not_listed: u32,
}

/// A rejection with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedMessage {
    /// The rejection.
    pub rejected: Rejected,
    /// [`Rejection::kept`]; `None` if the rejection is from before messages were kept.
    pub kept: Option<Outgoing>,
}

/// A message that was delivered, after it was checked.
#[derive(Debug, Clone)]
pub enum Message {
    /// It is a valid request.
    Arrival(Box<Arrival>),
    /// It is not.
    Rejection(Box<Rejection>),
}

/// What a message has become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// A new job.
    New(JobUid),
    /// A repetition of the request for this job, which does not run twice. The job's latest event is sent again: to the
    /// new `reply_to` if there is one, else to where it was sent first. The terminal event will also go to the new
    /// `reply_to`.
    Repeated(JobUid),
    /// A rejection under this uid, because the key was used before for another request.
    Reused(JobUid),
    /// A rejection under this uid.
    Rejected(JobUid),
    /// Nothing yet: it would be a new job, and its requester has as many on the instance that have not begun as it may. It is
    /// to be rejected.
    TooMany,
    /// Nothing yet: it would be a new job, and does not get into the batch that it names. It is to be rejected.
    Misfit(Misfit),
}
