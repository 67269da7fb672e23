//! The schemas of events: the attributes that all have, and the data of each type.

use serde_json::{Value, json};

use super::generate::{named, of};
use crate::domain::{BatchEventType, Event, EventType, Topic, schema_uri};
use crate::engine::batch_events::{self, BatchData};
use crate::engine::events::{self, Data, RejectedData};

/// The attributes of every event.
pub(super) fn envelope() -> Value {
    let mut schema = of::<Event>("event");
    schema["properties"]["type"]["enum"] = json!(Topic::all().map(Topic::name).collect::<Vec<_>>());
    schema["properties"]["data"] =
        json!({"type": "object", "description": "The job or batch as it is after what happened; see `dataschema`."});
    let required = schema["required"].as_array_mut().expect("a struct has required fields");
    if !required.contains(&json!("dataschema")) {
        required.push("dataschema".into());
    }
    let pairs = Topic::all().map(|topic| {
        json!({
            "if": {"properties": {"type": {"const": topic.name()}}},
            "then": {"properties": {"dataschema": {"const": schema_uri(&topic.schema())}}},
        })
    });
    schema["allOf"] = pairs.collect();
    schema
}

/// The data of the events of a type.
pub(super) fn data(topic: Topic) -> Value {
    let name = topic.schema();
    let mut schema = match topic {
        Topic::Job(EventType::Rejected) => of::<RejectedData<'_>>(&name),
        Topic::Job(_) => of::<Data<'_>>(&name),
        Topic::Batch(_) => of::<BatchData<'_>>(&name),
    };
    schema["title"] = format!("data of {}", topic.name()).into();
    schema["description"] = says(topic).into();
    let required = schema["required"].as_array_mut().expect("a struct has required fields");
    required.extend(always(topic).into_iter().map(Value::from));
    named(&name, schema)
}

/// The fields that the data of such an event always has, besides those that all have.
pub(super) fn always(topic: Topic) -> Vec<&'static str> {
    match topic {
        Topic::Job(kind) => events::always(kind),
        Topic::Batch(kind) => batch_events::always(kind),
    }
}

/// What an event of this type says.
pub(super) fn says(topic: Topic) -> &'static str {
    match topic {
        Topic::Job(kind) => of_job(kind),
        Topic::Batch(BatchEventType::Accepted) => {
            "The first job of the batch is stored, and the batch will end in exactly one last event."
        }
        Topic::Batch(BatchEventType::Progress) => "Jobs of the batch have moved on. At most once a minute.",
        Topic::Batch(BatchEventType::Ended) => "What became of all jobs of the batch. A last event.",
    }
}

fn of_job(kind: EventType) -> &'static str {
    match kind {
        EventType::Accepted => "The job is stored, and will end in exactly one of the last events.",
        EventType::Rejected => "The message is not a valid job, or the broker gave it up. Nothing begins.",
        EventType::Waiting => {
            "Both sides carry the new payer, which takes effect at `expected_at`; with `half_done`, one side."
        }
        EventType::Overdue => "The new payer is not in force hours after `expected_at`.",
        EventType::Parked => "The job needs a person.",
        EventType::Overtaken => "The job is parked, and one that was asked for later has begun on the same instance.",
        EventType::Approved => "An operator approved the job, which an hourly limit had parked.",
        EventType::Resumed => "An operator let the parked job go on.",
        EventType::Cancelling => "An operator cancels the job, and what it wrote is being put back.",
        EventType::Completed => "The cloud, read back, shows the result. A last event.",
        EventType::Planned => "The calls that would follow. A last event.",
        EventType::Failed => "The job ended without the result, and nothing is left half done. A last event.",
        EventType::Superseded => "A newer job on the same grant took over. A last event.",
        EventType::Cancelled => "An operator cancelled the job; what it wrote is put back. A last event.",
    }
}
