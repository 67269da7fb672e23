//! The messages as AsyncAPI 3.0 with AMQP bindings: where jobs go, where events and answers come from, and what is in each.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::events::{always, envelope, says};
use super::generate::{generator, leave_open, tidy};
use crate::broker::{BATCH_KEY, Topology};
use crate::config::DEFAULT_PREFIX;
use crate::domain::contract::{self, BEYOND, Beyond, MAX_BATCH_BODY, MAX_BODY};
use crate::domain::{BatchEventType, CONTENT_TYPE, EventType, Kind, Topic, schema_uri};
use crate::engine::batch_events::BatchData;
use crate::engine::events::{Data, RejectedData};

/// Version of the AMQP binding.
const BINDING: &str = "0.3.0";

pub(super) fn document() -> Value {
    let names = Topology::new(DEFAULT_PREFIX);
    let messages_of = |topics: &dyn Fn(&Topic) -> bool| -> Map<String, Value> {
        let message = |topic| json!({"$ref": format!("#/components/messages/{}", name_of(topic))});
        Topic::all().filter(topics).map(|topic| (topic.name(), message(topic))).collect()
    };
    let events = messages_of(&|topic| matches!(topic, Topic::Job(_)));
    let batch_events = messages_of(&|topic| matches!(topic, Topic::Batch(_)));
    let answers = messages_of(&|topic| topic.is_terminal() || *topic == Topic::Job(EventType::Rejected));
    let taken = json!({"job": {"$ref": "#/components/messages/job"}, "batch": {"$ref": "#/components/messages/batch"}});
    let refs = |channel: &str, messages: &Map<String, Value>| {
        let of = |name: &String| json!({"$ref": format!("#/channels/{channel}/messages/{name}")});
        messages.keys().map(of).collect::<Vec<_>>()
    };
    // The jobs of such a message are answered together.
    let of_batch = [Topic::Batch(BatchEventType::Ended), Topic::Job(EventType::Rejected)].map(Topic::name);
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Crossgrant",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Jobs in, events out, over AMQP 0-9-1. The names are those of the default `[broker] prefix`. Written \
                            from the side of the worker: it receives jobs and sends events.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "jobs": {
                "address": "job.{kind}",
                "title": "Where jobs are published to",
                "description": format!("Or straight to the queue `{}`.", names.jobs_queue()),
                "parameters": {"kind": {"description": "The kind of the job.", "enum": Kind::ALL.map(Kind::as_str)}},
                "messages": {"job": {"$ref": "#/components/messages/job"}},
                "bindings": {"amqp": routing_key(&names.jobs_exchange())},
            },
            "batches": {
                "address": BATCH_KEY,
                "title": "Where all jobs of a batch are published to, in one message",
                "description": format!("Or straight to the queue `{}`.", names.batches_queue()),
                "messages": {"batch": {"$ref": "#/components/messages/batch"}},
                "bindings": {"amqp": routing_key(&names.jobs_exchange())},
            },
            "jobsQueue": {
                "address": names.jobs_queue(),
                "title": "Where the worker takes jobs from",
                "messages": taken,
                "bindings": {"amqp": queue(&names.jobs_queue())},
            },
            "batchesQueue": {
                "address": names.batches_queue(),
                "title": "Where the worker takes messages with all jobs of a batch from",
                "messages": taken,
                "bindings": {"amqp": queue(&names.batches_queue())},
            },
            "events": {
                "address": "job.{event}",
                "title": "Where events are published to",
                "description": "Bind a queue of yours: by routing key, or through a headers exchange that is bound to this one.",
                "parameters": {"event": {"description": "The type of the event.", "enum": EventType::ALL.map(EventType::as_str)}},
                "messages": events,
                "bindings": {"amqp": routing_key(&names.events_exchange())},
            },
            "batchEvents": {
                "address": "batch.{event}",
                "title": "Where events of batches are published to",
                "parameters": {
                    "event": {"description": "The type of the event.", "enum": BatchEventType::ALL.map(BatchEventType::as_str)},
                },
                "messages": batch_events,
                "bindings": {"amqp": routing_key(&names.events_exchange())},
            },
            "answers": {
                "address": null,
                "title": "The `reply_to` of a job or batch: a queue, direct reply-to, or the URL of a webhook",
                "messages": answers,
            },
            "dead": {
                "address": names.dead_queue(),
                "title": "Copies of the messages that were rejected",
                "messages": {"rejectedCopy": {"$ref": "#/components/messages/rejectedCopy"}},
                "bindings": {"amqp": queue(&names.dead_queue())},
            },
        },
        "operations": {
            "takeJob": {
                "action": "receive",
                "channel": {"$ref": "#/channels/jobs"},
                "summary": "The worker takes a job.",
                "messages": [{"$ref": "#/channels/jobs/messages/job"}],
                "bindings": {"amqp": {"userId": "ticketing", "deliveryMode": 2, "ack": true, "bindingVersion": BINDING}},
                "reply": {
                    "address": {"location": "$message.header#/reply_to", "description": "AMQP `reply_to`, which a policy can limit."},
                    "channel": {"$ref": "#/channels/answers"},
                    "messages": refs("answers", &answers),
                },
            },
            "takeBatch": {
                "action": "receive",
                "channel": {"$ref": "#/channels/batches"},
                "summary": "The worker takes all jobs of a batch, or none.",
                "messages": [{"$ref": "#/channels/batches/messages/batch"}],
                "bindings": {"amqp": {"userId": "ticketing", "deliveryMode": 2, "ack": true, "bindingVersion": BINDING}},
                "reply": {
                    "address": {"location": "$message.header#/reply_to", "description": "AMQP `reply_to`, which a policy can limit."},
                    "channel": {"$ref": "#/channels/answers"},
                    "messages": of_batch.map(|name| json!({"$ref": format!("#/channels/answers/messages/{name}")})),
                },
            },
            "sendEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "The worker tells what happened to a job; at least once, with the same id.",
                "messages": refs("events", &events),
                "bindings": {"amqp": {"deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": BINDING}},
            },
            "sendBatchEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/batchEvents"},
                "summary": "The worker tells how a batch stands; at least once, with the same id.",
                "messages": refs("batchEvents", &batch_events),
                "bindings": {"amqp": {"deliveryMode": 2, "mandatory": true, "timestamp": true, "bindingVersion": BINDING}},
            },
            "copyRejected": {
                "action": "send",
                "channel": {"$ref": "#/channels/dead"},
                "summary": "The worker keeps a copy of a message that is no job.",
                "messages": [{"$ref": "#/channels/dead/messages/rejectedCopy"}],
            },
        },
        "components": {"messages": messages(), "schemas": schemas()},
    })
}

fn messages() -> Map<String, Value> {
    let beyond: Vec<String> =
        BEYOND.iter().map(|Beyond { code, at, rule }| format!("- `{code}` at `{at}`: {rule}")).collect();
    let headers = json!({
        "type": "object",
        "properties": {
            "traceparent": {"type": "string", "description": "W3C trace context, repeated in every event."},
            "x-crossgrant-signature": {"type": "string", "description": "The requester and its signature; see docs/security.md."},
            "reply_to": {"type": "string", "description": "AMQP property: a queue or a webhook that gets the last event too."},
            "correlation_id": {"type": "string", "description": "AMQP property: repeated with every message about the job."},
            "message_id": {"type": "string", "description": "AMQP property: the id of a job that has none in its body."},
            "user_id": {"type": "string", "description": "AMQP property: the requester."},
        },
    });
    let mut of_batch = headers.clone();
    of_batch["properties"].as_object_mut().expect("they are an object").remove("message_id");
    let batch = json!({
        "name": "batch",
        "title": "All jobs of a batch",
        "summary": "Jobs that are accepted together or not at all.",
        "description": format!(
            "At most {MAX_BATCH_BODY} bytes. The rules of a job hold for each of them; faults have pointers such as \
             `/jobs/17/instance/id`."
        ),
        "contentType": "application/json",
        "headers": of_batch,
        "bindings": {"amqp": {"messageType": "batch", "bindingVersion": BINDING}},
        "payload": inside(contract::whole_schema()),
    });
    let job = json!({
        "name": "job",
        "title": "A job",
        "summary": "What is asked for.",
        "description": format!(
            "At most {MAX_BODY} bytes. The requester is AMQP `user_id`, which the broker verifies, or who has signed the message. \
             Besides the schema a job has to keep these rules:\n\n{}",
            beyond.join("\n")
        ),
        "contentType": "application/json",
        "headers": headers,
        "bindings": {"amqp": {"messageType": "job", "bindingVersion": BINDING}},
        "payload": inside(contract::schema()),
    });
    let copy = json!({
        "name": "rejectedCopy",
        "title": "A copy of a rejected message",
        "summary": "The message as it came, with everything that is wrong with it.",
        "headers": {
            "type": "object",
            "properties": {
                "x-crossgrant-reasons": {"type": "string", "description": "The faults, as JSON."},
                "x-crossgrant-uid": {"type": "string", "description": "The uid of the rejection."},
            },
        },
        "payload": {},
    });
    let events = Topic::all().map(|topic| (name_of(topic), event(topic)));
    let others = [("job", job), ("batch", batch), ("rejectedCopy", copy)];
    events.chain(others.map(|(name, message)| (name.to_owned(), message))).collect()
}

/// The name of the message of an event, within this document.
fn name_of(topic: Topic) -> String {
    match topic {
        Topic::Job(kind) => kind.to_string(),
        Topic::Batch(kind) => format!("batch-{kind}"),
    }
}

fn event(topic: Topic) -> Value {
    let mut headers = json!({
        "type": "object",
        "properties": {
            "requester": {"type": "string", "description": "Who asked for the job, or sent the jobs of the batch."},
            "traceparent": {"type": "string", "description": "W3C trace context of the job; of a batch, of its first job."},
        },
        "required": ["requester"],
    });
    let data = match topic {
        Topic::Job(EventType::Rejected) => RejectedData::schema_name(),
        Topic::Job(_) => {
            headers["properties"]["kind"] =
                json!({"type": "string", "enum": Kind::ALL.map(Kind::as_str), "description": "The kind of the job."});
            headers["properties"]["cen"] = json!({"type": "string", "description": "The CEN of the job."});
            headers["required"] = json!(["cen", "kind", "requester"]);
            Data::schema_name()
        }
        Topic::Batch(_) => {
            headers["properties"]["batch"] = json!({"type": "string", "description": "The id of the batch."});
            headers["required"] = json!(["batch", "requester"]);
            BatchData::schema_name()
        }
    };
    let data = json!({"allOf": [{"$ref": format!("#/components/schemas/{data}")}], "required": always(topic)});
    let of_type = json!({"properties": {
        "type": {"const": topic.name()},
        "dataschema": {"const": schema_uri(&topic.schema())},
        "data": data,
    }});
    json!({
        "name": topic.name(),
        "title": topic.name(),
        "summary": says(topic),
        "contentType": CONTENT_TYPE,
        "headers": headers,
        "bindings": {"amqp": {"messageType": topic.name(), "bindingVersion": BINDING}},
        "payload": {"allOf": [{"$ref": "#/components/schemas/Event"}, of_type]},
    })
}

/// The schemas that the messages share.
fn schemas() -> Map<String, Value> {
    let mut generator = generator("/components/schemas");
    generator.subschema_for::<Data<'_>>();
    generator.subschema_for::<RejectedData<'_>>();
    generator.subschema_for::<BatchData<'_>>();
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(tidy);
    leave_open(&mut schemas);
    let mut envelope = inside(envelope());
    // These pairs are in each message.
    envelope.as_object_mut().expect("a schema of a struct").remove("allOf");
    schemas.insert("Event".into(), envelope);
    schemas
}

/// A schema inside of this document: without a URI of its own.
fn inside(mut schema: Value) -> Value {
    for key in ["$id", "$schema"] {
        schema.as_object_mut().expect("a schema is an object").remove(key);
    }
    schema
}

fn routing_key(exchange: &str) -> Value {
    json!({
        "is": "routingKey",
        "exchange": {"name": exchange, "type": "topic", "durable": true, "autoDelete": false, "vhost": "/"},
        "bindingVersion": BINDING,
    })
}

fn queue(name: &str) -> Value {
    json!({
        "is": "queue",
        "queue": {"name": name, "durable": true, "exclusive": false, "autoDelete": false, "vhost": "/"},
        "bindingVersion": BINDING,
    })
}
