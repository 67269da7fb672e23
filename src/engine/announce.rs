//! What is said of a job: its record as an event. Pure.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::mail::Outgoing;
use super::state::{Outcome, Record, State, Write};
use super::store::{EventKey, Letter};
use crate::domain::{CONTENT_TYPE, Event, EventType, Hour, Kind, REASONS_VERSION};

/// Where events are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcer {
    /// The topic exchange of events.
    pub exchange: String,
    /// The billing hour, to tell when a change must have taken effect.
    pub hour: Hour,
}

impl Announcer {
    /// Counts the event into the record and puts it into a letter.
    pub fn letter(&self, record: &mut Record, kind: EventType, now: Timestamp) -> Letter {
        record.sequence += 1;
        let mut event = Event::new(kind, record.uid, record.sequence, now, self.data(record, kind));
        event.subject = Some(record.job.instance.id.to_string());
        event.traceparent.clone_from(&record.origin.traceparent);
        let key = EventKey { uid: record.uid, sequence: record.sequence, terminal: kind.is_terminal() };
        self.post(&event, kind, record.origin.correlation_id.clone(), Some(key))
    }

    /// An event as a message to the events exchange.
    pub fn post(&self, event: &Event, kind: EventType, correlation: Option<String>, key: Option<EventKey>) -> Letter {
        let body = serde_json::to_vec(event).expect("an event is plain data and always serializes");
        Letter {
            outgoing: Outgoing {
                message_id: event.id.clone(),
                exchange: self.exchange.clone(),
                routing_key: kind.routing_key().to_owned(),
                correlation_id: correlation,
                content_type: CONTENT_TYPE.to_owned(),
                headers: event
                    .traceparent
                    .iter()
                    .map(|t| ("traceparent".to_owned(), t.clone()))
                    .collect::<BTreeMap<_, _>>(),
                body: Bytes::from(body),
            },
            event: key,
        }
    }

    fn data(&self, record: &Record, kind: EventType) -> Value {
        let mut data = json!({
            "uid": record.uid,
            "requester": record.requester,
            "job": record.job,
            "state": record.state,
            "accepted_at": record.accepted_at,
            "message": record.why,
        });
        let mut put = |name: &str, value: Value| {
            data[name] = value;
        };
        if kind == EventType::Accepted {
            return data;
        }
        put("attempts", json!(record.attempts));
        put("api_calls", json!(record.calls));
        put("before", json!(record.before));
        put("after", json!(record.after));
        put("writes", Value::Array(record.writes.iter().map(write).collect()));
        if let Some(ending) = &record.ending {
            put("reason", json!(ending.reason));
            put("reasons_version", json!(REASONS_VERSION));
            put("message", json!(ending.message));
            if !ending.findings.is_empty() {
                put("findings", json!(ending.findings));
            }
        }
        if let Some(wait) = &record.wait {
            put("expected_at", json!(wait.expected_at));
            put("waiting_for", json!(wait.goal));
        }
        if let Some(plan) = &record.plan {
            put("plan", json!(plan.calls));
            put("effective_from", json!(plan.effective_from));
        }
        match record.state {
            State::Parked => put("half_done", json!(record.is_half_done())),
            State::Completed => {
                put("verified_at", json!(record.after.as_ref().map(|after| after.at)));
                if !record.granted_to.is_empty() || record.job.kind == Kind::Revoke {
                    put("granted_to", json!(record.granted_to));
                }
                if record.job.kind == Kind::Grant {
                    // What the other account needs to attach it.
                    let instance = &record.job.instance;
                    put("attach", json!({"type": instance.kind, "id": instance.id, "owner": instance.owner}));
                }
                self.took_effect(record, &mut put);
            }
            _ => {}
        }
        data
    }

    /// The two reads a change took effect between, and the instant itself when only one top of an hour lies between.
    fn took_effect(&self, record: &Record, put: &mut impl FnMut(&str, Value)) {
        let (Some(wait), Some(seen)) = (&record.wait, record.effective_seen) else { return };
        let Some(pending) = wait.last_pending else { return };
        put("effective_between", json!([pending, seen]));
        if let Some(at) = self.hour.only_boundary_between(pending, seen) {
            put("effective_at", json!(at));
        }
    }
}

fn write(write: &Write) -> Value {
    let mut value = json!({
        "step": write.step,
        "operation": write.operation,
        "account": write.account,
        "resource": write.resource,
        "undo": write.undo,
        "sends": write.sends,
        "intended_at": write.intended_at,
    });
    if let Some(order_type) = write.order_type {
        value["order_type"] = json!(order_type);
    }
    match &write.outcome {
        Outcome::Unknown => value["outcome"] = json!("unknown"),
        Outcome::Accepted { request_id, at, .. } => {
            value["outcome"] = json!("accepted");
            value["request_id"] = json!(request_id);
            value["answered_at"] = json!(at);
        }
        Outcome::Refused { code, request_id, at, .. } => {
            value["outcome"] = json!("refused");
            value["code"] = json!(code);
            value["request_id"] = json!(request_id);
            value["answered_at"] = json!(at);
        }
        Outcome::Seen { at } => {
            value["outcome"] = json!("seen");
            value["seen_at"] = json!(at);
        }
    }
    value
}
