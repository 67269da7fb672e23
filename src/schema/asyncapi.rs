//! The messages as AsyncAPI 3.0 with AMQP bindings: where jobs go, where events and answers come from, and what is in each.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::events::{envelope, says};
use super::generate::{generator, tidy};
use crate::broker::Topology;
use crate::config::DEFAULT_PREFIX;
use crate::domain::contract::{self, BEYOND, Beyond, MAX_BODY};
use crate::domain::{CONTENT_TYPE, EventType, Kind, schema_uri};
use crate::engine::events::{Data, RejectedData, always};

/// Version of the AMQP binding.
const BINDING: &str = "0.3.0";

pub(super) fn document() -> Value {
    let names = Topology::new(DEFAULT_PREFIX);
    let event_messages =
        EventType::ALL.map(|kind| (kind.name(), json!({"$ref": format!("#/components/messages/{kind}")})));
    let events: Map<String, Value> = event_messages.into_iter().collect();
    let last =
        |(name, _): &(&String, &Value)| EventType::ALL.iter().any(|kind| kind.is_terminal() && kind.name() == **name);
    let answers: Map<String, Value> =
        events.iter().filter(last).map(|(name, message)| (name.clone(), message.clone())).collect();
    let rejected = json!({"$ref": format!("#/components/messages/{}", EventType::Rejected)});
    let answers: Map<String, Value> = answers.into_iter().chain([(EventType::Rejected.name(), rejected)]).collect();
    let refs = |channel: &str, messages: &Map<String, Value>| {
        let of = |name: &String| json!({"$ref": format!("#/channels/{channel}/messages/{name}")});
        messages.keys().map(of).collect::<Vec<_>>()
    };
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
            "jobsQueue": {
                "address": names.jobs_queue(),
                "title": "Where the worker takes jobs from",
                "messages": {"job": {"$ref": "#/components/messages/job"}},
                "bindings": {"amqp": queue(&names.jobs_queue())},
            },
            "events": {
                "address": "job.{event}",
                "title": "Where events are published to",
                "description": "Bind a queue of yours: by routing key, or through a headers exchange that is bound to this one.",
                "parameters": {"event": {"description": "The type of the event.", "enum": EventType::ALL.map(EventType::as_str)}},
                "messages": events,
                "bindings": {"amqp": routing_key(&names.events_exchange())},
            },
            "answers": {
                "address": null,
                "title": "The `reply_to` of a job: a queue, or direct reply-to",
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
            "sendEvent": {
                "action": "send",
                "channel": {"$ref": "#/channels/events"},
                "summary": "The worker tells what happened to a job; at least once, with the same id.",
                "messages": refs("events", &events),
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
        "headers": {
            "type": "object",
            "properties": {
                "traceparent": {"type": "string", "description": "W3C trace context, repeated in every event."},
                "x-crossgrant-signature": {"type": "string", "description": "The requester and its signature; see docs/security.md."},
                "reply_to": {"type": "string", "description": "AMQP property: a queue that gets the last event too."},
                "correlation_id": {"type": "string", "description": "AMQP property: repeated with every message about the job."},
                "message_id": {"type": "string", "description": "AMQP property: the id of a job that has none in its body."},
                "user_id": {"type": "string", "description": "AMQP property: the requester."},
            },
        },
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
    let events = EventType::ALL.map(|kind| (kind.to_string(), event(kind)));
    events.into_iter().chain([("job".to_owned(), job), ("rejectedCopy".to_owned(), copy)]).collect()
}

fn event(kind: EventType) -> Value {
    let mut headers = json!({
        "type": "object",
        "properties": {
            "requester": {"type": "string", "description": "Who asked for the job."},
            "traceparent": {"type": "string", "description": "W3C trace context of the job."},
        },
        "required": ["requester"],
    });
    if kind != EventType::Rejected {
        headers["properties"]["kind"] =
            json!({"type": "string", "enum": Kind::ALL.map(Kind::as_str), "description": "The kind of the job."});
        headers["properties"]["cen"] = json!({"type": "string", "description": "The CEN of the job."});
        headers["required"] = json!(["cen", "kind", "requester"]);
    }
    let data = if kind == EventType::Rejected { RejectedData::schema_name() } else { Data::schema_name() };
    let data = json!({"allOf": [{"$ref": format!("#/components/schemas/{data}")}], "required": always(kind)});
    let of_type = json!({"properties": {
        "type": {"const": kind.name()},
        "dataschema": {"const": schema_uri(&kind.schema())},
        "data": data,
    }});
    json!({
        "name": kind.name(),
        "title": kind.name(),
        "summary": says(kind),
        "contentType": CONTENT_TYPE,
        "headers": headers,
        "bindings": {"amqp": {"messageType": kind.name(), "bindingVersion": BINDING}},
        "payload": {"allOf": [{"$ref": "#/components/schemas/Event"}, of_type]},
    })
}

/// The schemas that the messages share.
fn schemas() -> Map<String, Value> {
    let mut generator = generator("/components/schemas");
    generator.subschema_for::<Data<'_>>();
    generator.subschema_for::<RejectedData<'_>>();
    let mut schemas = generator.take_definitions(true);
    schemas.values_mut().for_each(tidy);
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
