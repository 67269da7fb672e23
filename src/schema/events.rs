//! The schemas of events: the attributes that all have, and the data of each type.

use serde_json::{Value, json};

use super::generate::{named, of};
use crate::domain::{Event, EventType, schema_uri};
use crate::engine::events::{Data, RejectedData, always};

/// The attributes of every event.
pub(super) fn envelope() -> Value {
    let mut schema = of::<Event>("event");
    schema["properties"]["type"]["enum"] = json!(EventType::ALL.map(EventType::name));
    schema["properties"]["data"] =
        json!({"type": "object", "description": "The job as it is after what happened; see `dataschema`."});
    let required = schema["required"].as_array_mut().expect("a struct has required fields");
    if !required.contains(&json!("dataschema")) {
        required.push("dataschema".into());
    }
    let pairs = EventType::ALL.map(|kind| {
        json!({
            "if": {"properties": {"type": {"const": kind.name()}}},
            "then": {"properties": {"dataschema": {"const": schema_uri(&kind.schema())}}},
        })
    });
    schema["allOf"] = json!(pairs.as_slice());
    schema
}

/// The data of the events of a type.
pub(super) fn data(kind: EventType) -> Value {
    let mut schema = match kind {
        EventType::Rejected => of::<RejectedData<'_>>(&kind.schema()),
        _ => of::<Data<'_>>(&kind.schema()),
    };
    schema["title"] = format!("data of {}", kind.name()).into();
    schema["description"] = says(kind).into();
    let required = schema["required"].as_array_mut().expect("a struct has required fields");
    required.extend(always(kind).into_iter().map(Value::from));
    named(&kind.schema(), schema)
}

/// What an event of this type says.
pub(super) fn says(kind: EventType) -> &'static str {
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
