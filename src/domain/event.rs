//! Events: CloudEvents 1.0 in structured JSON, over the AMQP binding.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use jiff::Timestamp;

use super::ids::JobUid;

/// The content type of a structured CloudEvent.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";
/// What every event type begins with; the rest of the type is the routing key.
pub const TYPE_PREFIX: &str = "crossgrant.";

/// What happened to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// Committed; it will end in exactly one of the terminal events.
    Accepted,
    /// Not a valid job, or an id used before for another one. Nothing was begun.
    Rejected,
    /// A payer change is written and waits for the top of an hour.
    Waiting,
    /// It still waits, hours after it should have taken effect. Said once.
    Overdue,
    /// Needs a person.
    Parked,
    /// The cloud, read back, shows the result.
    Completed,
    /// What a plan would do.
    Planned,
    /// Ended without the result; nothing of it is left half done.
    Failed,
    /// A newer job on the same grant took over.
    Superseded,
    /// Cancelled by a person.
    Cancelled,
}

impl EventType {
    /// The routing key: the type without its prefix, such as `job.completed`.
    pub fn routing_key(self) -> &'static str {
        match self {
            Self::Accepted => "job.accepted",
            Self::Rejected => "job.rejected",
            Self::Waiting => "job.waiting",
            Self::Overdue => "job.overdue",
            Self::Parked => "job.parked",
            Self::Completed => "job.completed",
            Self::Planned => "job.planned",
            Self::Failed => "job.failed",
            Self::Superseded => "job.superseded",
            Self::Cancelled => "job.cancelled",
        }
    }

    /// The CloudEvents `type`, such as `crossgrant.job.completed`.
    pub fn name(self) -> String {
        format!("{TYPE_PREFIX}{}", self.routing_key())
    }

    /// Whether a job has exactly one of these, as its last.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Planned | Self::Failed | Self::Superseded | Self::Cancelled)
    }
}

/// One event. Its id is made of the job's uid and the event's place in the job, so it is the same however often and
/// from wherever it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event<D = Value> {
    /// `1.0`.
    pub specversion: String,
    /// The same for every delivery of this event.
    pub id: String,
    /// Who says it: `crossgrant`.
    pub source: String,
    /// `crossgrant.job.…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The instance id, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened.
    pub time: Timestamp,
    /// Its place among the events of its job, counting from 1 (CloudEvents sequence extension: a string).
    pub sequence: String,
    /// W3C trace context of the request (CloudEvents distributed tracing extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// `application/json`.
    pub datacontenttype: String,
    /// What happened, in full.
    pub data: D,
}

impl<D> Event<D> {
    /// The event of `kind` that is number `sequence` of job `uid`.
    pub fn new(kind: EventType, uid: JobUid, sequence: u32, time: Timestamp, data: D) -> Self {
        Self {
            specversion: "1.0".into(),
            id: format!("{uid}.{sequence}"),
            source: "crossgrant".into(),
            kind: kind.name(),
            subject: None,
            time,
            sequence: sequence.to_string(),
            traceparent: None,
            datacontenttype: "application/json".into(),
            data,
        }
    }
}
