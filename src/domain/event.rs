//! Events: CloudEvents 1.0 in structured JSON, over the AMQP binding.
use schemars::JsonSchema;

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

    /// The name of the schema of its `data`, such as `event.completed`.
    pub fn schema(self) -> String {
        format!("event.{self}")
    }

    /// Whether it is the last event of its job. A job has exactly one such event.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Planned | Self::Failed | Self::Superseded | Self::Cancelled)
    }
}

/// Version of the schemas of jobs, events, answers and the configuration. Raised with the first change that is not an addition.
pub const SCHEMA_VERSION: u32 = 1;

/// The URI of a schema: a name, since it must stay the same wherever the document lies. `crossgrant schema` prints the document.
pub fn schema_uri(name: &str) -> String {
    format!("urn:crossgrant:schema:{name}:v{SCHEMA_VERSION}")
}

/// The CloudEvents `source` of an installation: `/crossgrant/` and its name, as a URI reference (RFC 3986 section 3.3).
pub fn event_source(installation: &str) -> String {
    let mut source = "/crossgrant/".to_owned();
    for byte in installation.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            source.push(char::from(byte));
        } else {
            source.push_str(&format!("%{byte:02X}"));
        }
    }
    source
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

impl BatchEventType {
    /// The name of the schema of its `data`, such as `event.batch-ended`.
    pub fn schema(self) -> String {
        format!("event.batch-{self}")
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
    /// Every one: those of jobs, then those of batches.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_jobs = EventType::ALL.into_iter().map(Self::Job);
        of_jobs.chain(BatchEventType::ALL.into_iter().map(Self::Batch))
    }

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

    /// The name of the schema of its `data`.
    pub fn schema(self) -> String {
        match self {
            Self::Job(kind) => kind.schema(),
            Self::Batch(kind) => kind.schema(),
        }
    }

    /// Whether it is the last event of its job or batch, which has exactly one such.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Job(kind) => kind.is_terminal(),
            Self::Batch(kind) => kind == BatchEventType::Ended,
        }
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

/// One event. Its id is made of the uid of the job or batch and the number of the event, so a repetition has the same id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Event<D = Value> {
    /// Version of CloudEvents: `1.0`.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: String,
    /// `<uid>.<number>`; a receiver tells a repetition by it.
    pub id: String,
    /// The producer: an installation of this program, that is the workers which share a store; see [`event_source`].
    #[schemars(regex(pattern = "^/crossgrant/.+$"))]
    pub source: String,
    /// The event type, `crossgrant.job.…` or `crossgrant.batch.…`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The instance id, where one is known; of a batch its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When the decision it tells of was made.
    pub time: Timestamp,
    /// Its place among the events of its job or batch, counting from 1, in ten digits, as many as the largest number has: receivers
    /// sort it as text (CloudEvents sequence extension).
    #[schemars(regex(pattern = "^[0-9]{10}$"))]
    pub sequence: String,
    /// W3C trace context of the request (CloudEvents distributed tracing extension).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Media type of `data`: `application/json`.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: String,
    /// Which schema `data` has: `urn:crossgrant:schema:event.<type>:v1`. `crossgrant schema event.<type>` prints it.
    #[serde(default)]
    pub dataschema: String,
    /// The job or batch as it is after what happened.
    pub data: D,
}

impl<D> Event<D> {
    /// The event of `kind` that is number `sequence` of the job or batch `uid`, said by `source`.
    pub fn new(source: &str, kind: impl Into<Topic>, uid: JobUid, sequence: u32, time: Timestamp, data: D) -> Self {
        let kind = kind.into();
        Self {
            specversion: "1.0".into(),
            id: format!("{uid}.{sequence}"),
            source: source.to_owned(),
            kind: kind.name(),
            subject: None,
            time,
            sequence: format!("{sequence:010}"),
            traceparent: None,
            datacontenttype: "application/json".into(),
            dataschema: schema_uri(&kind.schema()),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_event_is_greater_as_text_too() {
        let sequence = |number| {
            let (uid, time) = (JobUid(uuid::Uuid::nil()), Timestamp::UNIX_EPOCH);
            let event = Event::new("/crossgrant/x", EventType::Waiting, uid, number, time, ());
            assert_eq!(event.id, format!("{uid}.{number}"), "the id is not padded");
            event.sequence
        };
        let numbers = [1, 2, 9, 10, 11, 99, 100, 4_294_967_295];
        let texts: Vec<String> = numbers.into_iter().map(sequence).collect();
        assert!(texts.is_sorted() && texts.iter().all(|text| text.len() == 10), "{texts:?}");
    }

    #[test]
    fn a_source_is_a_path_whatever_the_name() {
        assert_eq!(event_source("prod-1"), "/crossgrant/prod-1");
        assert_eq!(event_source("a b/ü?#%"), "/crossgrant/a%20b%2F%C3%BC%3F%23%25");
    }
}
