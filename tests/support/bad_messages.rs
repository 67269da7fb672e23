//! What requesters send by mistake or on purpose: every message of it is wrong in its own way, and each says where.

mod envelopes;
mod extras;
mod fields;
mod unreadable;

use serde_json::{Value, json};

/// A message that is no job.
#[derive(Debug, Clone)]
pub struct Bad {
    /// What is wrong with it, in one word or two; no two have the same.
    pub name: &'static str,
    pub body: Vec<u8>,
    pub routing_key: String,
    pub message_id: Option<String>,
    pub reply_to: Option<String>,
    /// Where its faults are, sorted: JSON Pointers, or `amqp:` and a property.
    pub at: Vec<&'static str>,
}

impl Bad {
    /// With the body that gets no further than to be read.
    fn raw(name: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let routing_key = "job.grant".to_owned();
        Self { name, body: body.into(), routing_key, message_id: None, reply_to: None, at: vec![""] }
    }

    fn json(name: &'static str, body: &Value, at: &[&'static str]) -> Self {
        let mut at = at.to_vec();
        at.sort_unstable();
        let routing_key = body["kind"].as_str().filter(|kind| KINDS.contains(kind)).unwrap_or("grant");
        let routing_key = format!("job.{routing_key}");
        Self { routing_key, at, ..Self::raw(name, body.to_string()) }
    }

    fn found(self, at: &[&'static str]) -> Self {
        Self { at: at.to_vec(), ..self }
    }

    fn keyed(self, routing_key: &str) -> Self {
        Self { routing_key: routing_key.into(), ..self }
    }

    fn named(self, message_id: impl Into<String>) -> Self {
        Self { message_id: Some(message_id.into()), ..self }
    }

    fn answered(self, reply_to: impl Into<String>) -> Self {
        Self { reply_to: Some(reply_to.into()), ..self }
    }
}

const KINDS: [&str; 3] = ["grant", "revoke", "payer-change"];

/// A grant of which everything is right.
pub fn good() -> Value {
    json!({
        "id": "NET-4312/1",
        "kind": "grant",
        "instance": {
            "type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50003", "region": "cn-hangzhou", "owner": "1688000000000001"
        },
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
    })
}

/// The good job with `value` at `pointer`, where there may have been nothing.
pub fn with(pointer: &str, value: Value) -> Value {
    let mut job = good();
    set(&mut job, pointer, value);
    job
}

fn set(job: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    job.pointer_mut(parent).expect("the parent is there")[name] = value;
}

fn both(changes: &[(&str, Value)]) -> Value {
    let mut job = good();
    changes.iter().for_each(|(pointer, value)| set(&mut job, pointer, value.clone()));
    job
}

fn without(pointer: &str) -> Value {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer to a member");
    let mut job = good();
    job.pointer_mut(parent).and_then(Value::as_object_mut).expect("the parent is there").remove(name);
    job
}

fn labels(count: usize) -> Value {
    Value::Object((0..count).map(|n| (format!("label-{n}"), json!("value"))).collect())
}

/// All of them. `prefix` is what the names of the worker's queues begin with.
pub fn corpus(prefix: &str) -> Vec<Bad> {
    let fields = [fields::ids(), fields::kinds(), fields::names(), fields::owners(), fields::payers(), fields::times()];
    [unreadable::unreadable(), fields.concat(), fields::batches(), extras::extras(), envelopes::envelopes(prefix)]
        .concat()
}
