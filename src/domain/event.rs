//! Events: CloudEvents 1.0 in structured JSON, over the AMQP binding.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use jiff::Timestamp;

use super::ids::JobUid;
use super::words::words;

/// The content type of a structured CloudEvent.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// Prefix of every event type; the rest of the type is the routing key.
pub const TYPE_PREFIX: &str = "crossgrant.";

words! {
    /// What happened to a job.
    pub enum EventType {
        /// The job is stored, and will end in exactly one of the terminal events.
        Accepted = "accepted",
        /// The message is not a valid job, or its id was used for another one. Nothing begins.
        Rejected = "rejected",
        /// A payer change is written and waits for the top of an hour.
        Waiting = "waiting",
        /// A payer change still waits, hours after it should have taken effect. Published once.
        Overdue = "overdue",
        /// The job waits for an operator.
        Parked = "parked",
        /// Another job began to write to the instance while this one, which was asked for earlier, is parked.
        Overtaken = "overtaken",
        /// An operator approved the job, which an hourly limit had parked.
        Approved = "approved",
        /// An operator let the parked job go on.
        Resumed = "resumed",
        /// An operator cancels the job, and what it has written is being put back.
        Cancelling = "cancelling",
        /// The cloud was read back and shows the result.
        Completed = "completed",
        /// A plan was answered: the writes that would be made.
        Planned = "planned",
        /// The job ended without the result, and nothing is left half done.
        Failed = "failed",
        /// A newer job on the same grant took over before the change took effect.
        Superseded = "superseded",
        /// An operator cancelled the job; what it had written is put back.
        Cancelled = "cancelled",
    }
}

impl EventType {
    /// The routing key: the type without its prefix, such as `job.completed`.
    pub fn routing_key(self) -> String {
        format!("job.{self}")
    }

    /// The CloudEvents `type`, such as `crossgrant.job.completed`.
    pub fn name(self) -> String {
        format!("{TYPE_PREFIX}{}", self.routing_key())
    }

    /// Whether it is the last event of its job. A job has exactly one such event.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Planned | Self::Failed | Self::Superseded | Self::Cancelled)
    }
}

words! {
    /// What happened to a batch.
    pub enum BatchEventType {
        /// Its first job is stored. It will end in exactly one `ended`.
        Accepted = "accepted",
        /// Jobs have moved on. At most once a minute.
        Progress = "progress",
        /// All its jobs have ended.
        Ended = "ended",
    }
}

/// The type of any event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// Of a job.
    Job(EventType),
    /// Of a batch.
    Batch(BatchEventType),
}

impl Topic {
    /// The routing key: the type without its prefix, such as `batch.ended`.
    pub fn routing_key(self) -> String {
        match self {
            Self::Job(kind) => kind.routing_key(),
            Self::Batch(kind) => format!("batch.{kind}"),
        }
    }

    /// The CloudEvents `type`, such as `crossgrant.batch.ended`.
    pub fn name(self) -> String {
        format!("{TYPE_PREFIX}{}", self.routing_key())
    }
}

impl From<EventType> for Topic {
    fn from(kind: EventType) -> Self {
        Self::Job(kind)
    }
}

impl From<BatchEventType> for Topic {
    fn from(kind: BatchEventType) -> Self {
        Self::Batch(kind)
    }
}

/// One event. Its id is made of the job's uid and the number of the event, so a repetition has the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event<D = Value> {
    /// Version of CloudEvents: `1.0`.
    pub specversion: String,
    /// `<uid>.<number>`; a receiver tells a repetition by it.
    pub id: String,
    /// The producer: `crossgrant`.
    pub source: String,
    /// The event type, `crossgrant.job.…` or `crossgrant.batch.…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The instance id, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the decision it tells of was made.
    pub time: Timestamp,
    /// Its place among the events of its job, counting from 1 (CloudEvents sequence extension: a string).
    pub sequence: String,
    /// W3C trace context of the request (CloudEvents distributed tracing extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Media type of `data`: `application/json`.
    pub datacontenttype: String,
    /// The job as it is after what happened.
    pub data: D,
}

impl<D> Event<D> {
    /// The event of `kind` that is number `sequence` of the job or batch `uid`.
    pub fn new(kind: impl Into<Topic>, uid: JobUid, sequence: u32, time: Timestamp, data: D) -> Self {
        Self {
            specversion: "1.0".into(),
            id: format!("{uid}.{sequence}"),
            source: "crossgrant".into(),
            kind: kind.into().name(),
            subject: None,
            time,
            sequence: sequence.to_string(),
            traceparent: None,
            datacontenttype: "application/json".into(),
            data,
        }
    }
}
