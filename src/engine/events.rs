//! The events of a job, made of its record.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;

use crate::domain::{
    AccountUid, CONTENT_TYPE, Event, EventType, Hour, InstanceId, InstanceType, Job, JobUid, Kind, Operation,
    OrderType, REASONS_VERSION, Reason, Requester, Topic,
};
use crate::engine::decide::command::Command;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{EventKey, OutboundMessage};
use crate::engine::record::{Commanded, Image, Outcome, Overtaker, PlannedCall, Record, State, Write};

/// Makes events and addresses them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcer {
    /// The topic exchange of events.
    pub exchange: String,
    /// The billing hour, to tell at which boundary a change took effect.
    pub hour: Hour,
}

impl Announcer {
    /// The next event of a job, as a message; raises `sequence` of the record.
    pub fn message(&self, record: &mut Record, kind: EventType, now: Timestamp) -> OutboundMessage {
        record.sequence += 1;
        let record = &*record;
        let mut event = Event::new(kind, record.uid, record.sequence, now, self.data(record, kind));
        event.subject = Some(record.job.instance.id.to_string());
        event.traceparent.clone_from(&record.origin.traceparent);
        let key = EventKey { uid: record.uid, sequence: record.sequence, terminal: kind.is_terminal() };
        self.post(&event, kind, record.origin.correlation_id.clone(), Some(key))
    }

    /// An event as a message to the exchange of events.
    pub fn post<D: Serialize>(
        &self,
        event: &Event<D>,
        kind: impl Into<Topic>,
        correlation: Option<String>,
        key: Option<EventKey>,
    ) -> OutboundMessage {
        let body = serde_json::to_vec(event).expect("an event is plain data and always serializes");
        OutboundMessage {
            outgoing: Outgoing {
                message_id: event.id.clone(),
                exchange: self.exchange.clone(),
                routing_key: kind.into().routing_key(),
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

    fn data<'a>(&self, record: &'a Record, kind: EventType) -> Data<'a> {
        let mut data = Data {
            uid: record.uid,
            requester: &record.requester,
            job: &record.job,
            state: record.state(),
            accepted_at: record.accepted_at,
            message: &record.why,
            reason: None,
            reasons_version: None,
            findings: &[],
            progress: None,
            expected_at: None,
            waiting_for: None,
            plan: None,
            end: None,
            half_done: None,
            command: None,
            overtaken_by: None,
        };
        if kind == EventType::Accepted {
            return data;
        }
        data.command = commanded(record, kind);
        data.overtaken_by = record.overtaken_by.as_ref().filter(|_| kind == EventType::Overtaken);
        data.progress = Some(Progress {
            attempts: record.attempts,
            api_calls: record.calls,
            before: record.before.as_ref(),
            after: record.after.as_ref(),
            writes: record.writes.iter().map(Written::of).collect(),
        });
        if let Some(ending) = record.phase.ending() {
            data.reason = Some(ending.reason);
            data.reasons_version = Some(REASONS_VERSION);
            data.message = &ending.message;
            data.findings = &ending.findings;
        }
        if let Some(wait) = &record.wait {
            data.expected_at = Some(wait.expected_at);
            data.waiting_for = Some(wait.goal);
        }
        if let Some(plan) = &record.plan {
            data.plan = Some(Planned { plan: &plan.calls, effective_from: plan.effective_from });
        }
        match record.state() {
            State::Parked => data.half_done = Some(record.is_half_done()),
            // Half of it is written, and the cloud does not accept the other half yet.
            _ if kind == EventType::Waiting && record.wait.is_none() => data.half_done = Some(true),
            State::Completed => data.end = Some(self.completed(record)),
            _ => {}
        }
        data
    }

    fn completed<'a>(&self, record: &'a Record) -> Completed<'a> {
        let granted_to = !record.granted_to.is_empty() || record.job.kind == Kind::Revoke;
        let instance = &record.job.instance;
        Completed {
            verified_at: record.after.as_ref().map(|after| after.at),
            granted_to: granted_to.then_some(&record.granted_to),
            // What the other account needs to attach it.
            attach: (record.job.kind == Kind::Grant).then_some(Attach {
                kind: instance.kind,
                id: &instance.id,
                owner: &instance.owner,
            }),
            effective_between: self.took_effect(record),
            effective_at: self.effective_at(record),
        }
    }

    /// The hour at which the change of a completed job took effect, if that is known.
    pub fn effective_at(&self, record: &Record) -> Option<Timestamp> {
        let [pending, seen] = self.took_effect(record)?;
        self.instant(record, pending, seen)
    }

    /// When a change took effect: the only boundary between the last moment at which it was pending for certain and the first
    /// read that showed it in force. `None` if it was still pending after the expected hour: it either showed late or missed
    /// that hour, and no read tells which.
    fn instant(&self, record: &Record, pending: Timestamp, seen: Timestamp) -> Option<Timestamp> {
        let in_time = record.wait.as_ref().is_none_or(|wait| pending < wait.expected_at);
        in_time.then(|| self.hour.only_boundary_between(pending, seen)).flatten()
    }

    /// Between when a change came to show: the last read that showed it pending, or the first intent where it was never
    /// waited for, and the first read that showed it in force.
    fn took_effect(&self, record: &Record) -> Option<[Timestamp; 2]> {
        let pending = match &record.wait {
            Some(wait) => wait.last_pending,
            None => record.ineffective_at,
        };
        Some([pending?, record.effective_seen?])
    }
}

/// The command that an event tells of: the latest with its word.
fn commanded(record: &Record, kind: EventType) -> Option<&Commanded> {
    let command = match kind {
        EventType::Approved => Command::Approve,
        EventType::Resumed => Command::Resume,
        EventType::Cancelling | EventType::Cancelled => Command::Cancel,
        _ => return None,
    };
    record.commands.iter().rev().find(|commanded| commanded.command == command.as_str())
}

/// The `data` of every event but `rejected`: the job, its state, and what this event adds.
#[derive(Serialize)]
struct Data<'a> {
    uid: JobUid,
    requester: &'a Requester,
    job: &'a Job,
    state: State,
    accepted_at: Timestamp,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons_version: Option<u32>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [String],
    #[serde(flatten)]
    progress: Option<Progress<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<OrderType>,
    #[serde(flatten)]
    plan: Option<Planned<'a>>,
    #[serde(flatten)]
    end: Option<Completed<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    half_done: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a Commanded>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overtaken_by: Option<&'a Overtaker>,
}

/// The fields of every event but the first.
#[derive(Serialize)]
struct Progress<'a> {
    attempts: u32,
    api_calls: u32,
    before: Option<&'a Image>,
    after: Option<&'a Image>,
    writes: Vec<Written<'a>>,
}

#[derive(Serialize)]
struct Planned<'a> {
    plan: &'a [PlannedCall],
    effective_from: Option<Timestamp>,
}

#[derive(Serialize)]
struct Completed<'a> {
    verified_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_to: Option<&'a Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<Attach<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_between: Option<[Timestamp; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Attach<'a> {
    #[serde(rename = "type")]
    kind: InstanceType,
    id: &'a InstanceId,
    owner: &'a AccountUid,
}

/// A write, as events show it.
#[derive(Serialize)]
struct Written<'a> {
    step: &'a str,
    operation: Operation,
    account: &'a AccountUid,
    resource: &'a str,
    undo: bool,
    sends: u32,
    intended_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    order_type: Option<OrderType>,
    #[serde(flatten)]
    outcome: WrittenOutcome<'a>,
}

/// What is known of the effect of a write, as events show it.
#[derive(Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
enum WrittenOutcome<'a> {
    Unknown,
    Accepted { request_id: &'a str, answered_at: Timestamp },
    Refused { code: &'a str, request_id: Option<&'a str>, answered_at: Timestamp },
    Seen { seen_at: Timestamp },
}

impl<'a> Written<'a> {
    fn of(write: &'a Write) -> Self {
        let outcome = match &write.outcome {
            Outcome::Unknown => WrittenOutcome::Unknown,
            Outcome::Accepted { request_id, at, .. } => WrittenOutcome::Accepted { request_id, answered_at: *at },
            Outcome::Refused { code, request_id, at, .. } => {
                WrittenOutcome::Refused { code, request_id: request_id.as_deref(), answered_at: *at }
            }
            Outcome::Seen { at } => WrittenOutcome::Seen { seen_at: *at },
        };
        let Write { step, operation, account, resource, order_type, undo, sends, intended_at, .. } = write;
        Self {
            step,
            operation: *operation,
            account,
            resource,
            undo: *undo,
            sends: *sends,
            intended_at: *intended_at,
            order_type: *order_type,
            outcome,
        }
    }
}
