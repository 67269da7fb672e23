//! The events of a job, made of its record.

use bytes::Bytes;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::contract::Fault;
use crate::domain::{
    AccountUid, BatchId, CONTENT_TYPE, Event, EventType, Hour, InstanceId, InstanceType, Job, JobUid, Kind, Operation,
    OrderType, REASONS_VERSION, Reason, Requester, Sampling, Topic,
};
use crate::engine::decide::command::Command;
use crate::engine::ports::mail::{Outgoing, TIMESTAMP, TYPE};
use crate::engine::ports::store::{EventKey, OutboundMessage};
use crate::engine::record::{Commanded, Image, Outcome, Overtaker, PlannedCall, Record, State, Write};
use crate::engine::spans::event_context;

/// Makes events and addresses them.
#[derive(Debug, Clone, PartialEq)]
pub struct Announcer {
    /// The topic exchange of events.
    pub exchange: String,
    /// Who says them, as [`event_source`](crate::domain::event_source) makes it.
    pub source: String,
    /// The billing hour, to tell at which boundary a change took effect.
    pub hour: Hour,
    /// Which traces begin here. Without traces an event repeats the `traceparent` of the publisher.
    pub sampling: Option<Sampling>,
}

impl Announcer {
    /// The next event of a job, as a message; raises `sequence` of the record.
    pub fn message(&self, record: &mut Record, kind: EventType, now: Timestamp) -> OutboundMessage {
        record.sequence += 1;
        let record = &*record;
        let mut event = Event::new(&self.source, kind, record.uid, record.sequence, now, self.data(record, kind));
        event.subject = Some(record.job.instance.id.to_string());
        event.traceparent = match self.sampling {
            // What takes a message in makes its first event.
            Some(of) if kind == EventType::Accepted => Some(record.trace(of).accepted.to_string()),
            Some(of) => Some(event_context(record.trace(of).accepted, record.sequence).to_string()),
            None => record.origin.traceparent.clone(),
        };
        let key = EventKey { uid: record.uid, sequence: record.sequence, terminal: kind.is_terminal() };
        let Job { kind: of, cen, .. } = &record.job;
        let about = [("kind", of.as_str()), ("requester", record.requester.as_str()), ("cen", cen.id.as_str())];
        self.post(&event, kind, &about, record.origin.correlation_id.clone(), Some(key))
    }

    /// An event as a message to the exchange of events. `about` are headers by which a headers exchange can choose: names of the
    /// field, which are printable and have at most 255 bytes.
    pub fn post<D: Serialize>(
        &self,
        event: &Event<D>,
        kind: impl Into<Topic>,
        about: &[(&str, &str)],
        correlation: Option<String>,
        key: Option<EventKey>,
    ) -> OutboundMessage {
        let properties = [(TYPE, event.kind.clone()), (TIMESTAMP, event.time.as_second().max(0).to_string())];
        let about = about.iter().map(|(name, text)| (*name, (*text).to_owned()));
        let traceparent = event.traceparent.iter().map(|parent| ("traceparent", parent.clone()));
        let headers = properties.into_iter().chain(about).chain(traceparent);
        let body = serde_json::to_vec(event).expect("an event is plain data and always serializes");
        OutboundMessage {
            outgoing: Outgoing {
                message_id: event.id.clone(),
                exchange: self.exchange.clone(),
                routing_key: kind.into().routing_key(),
                correlation_id: correlation,
                content_type: CONTENT_TYPE.to_owned(),
                headers: headers.map(|(name, text)| (name.to_owned(), text)).collect(),
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

/// The fields that every event after the first has.
const PROGRESS: &[&str] = &["attempts", "api_calls", "before", "after", "writes"];
/// The fields of the event of a job that has ended or is parked.
const REASON: &[&str] = &["reason", "reasons_version"];

/// The fields that the data of such an event always has, besides those that all have.
pub(crate) fn always(kind: EventType) -> Vec<&'static str> {
    match kind {
        EventType::Accepted | EventType::Rejected => vec![],
        EventType::Waiting => PROGRESS.to_vec(),
        EventType::Overdue => [PROGRESS, &["expected_at", "waiting_for"]].concat(),
        EventType::Parked => [PROGRESS, REASON, &["half_done"]].concat(),
        EventType::Overtaken => [PROGRESS, REASON, &["half_done", "overtaken_by"]].concat(),
        EventType::Approved | EventType::Resumed | EventType::Cancelling => [PROGRESS, &["command"]].concat(),
        EventType::Completed => [PROGRESS, REASON, &["verified_at"]].concat(),
        EventType::Planned => [PROGRESS, REASON, &["plan", "effective_from"]].concat(),
        EventType::Failed | EventType::Superseded | EventType::Cancelled => [PROGRESS, REASON].concat(),
    }
}

/// The `data` of a `rejected` event.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RejectedData<'a> {
    /// Derived from the message: the same message again is the same rejection.
    pub uid: JobUid,
    /// Who has sent it.
    pub requester: &'a Requester,
    /// The id in the message; null if it has none that can be read.
    pub job_id: Option<&'a str>,
    /// The batch in the message, whether it brings all jobs of it or one; absent if it has none that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<&'a BatchId>,
    /// Why it is no job: `invalid`, `id-reused`, `too-many` or `dead-lettered`.
    pub reason: Reason,
    /// Version of the list of reasons.
    pub reasons_version: u32,
    /// The faults as one text, for people.
    pub message: &'a str,
    /// What is wrong with the message.
    pub faults: &'a [Fault],
    /// How many faults there are besides those in `faults`.
    pub faults_not_listed: u32,
}

/// The `data` of every event but `rejected`: the job, its state, and what this event adds.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Data<'a> {
    /// The id of the job here.
    uid: JobUid,
    /// Who asked for it.
    requester: &'a Requester,
    /// The job as it was asked for, with its defaults.
    job: &'a Job,
    /// Its state after what happened.
    state: State,
    /// When it was stored.
    accepted_at: Timestamp,
    /// What happened, in one sentence for people.
    message: &'a str,
    /// Why it ended or is parked: a reason of the closed list.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    /// Version of the list of reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons_version: Option<u32>,
    /// Each obstacle that was found, if there is more to say than `message`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [String],
    #[serde(flatten)]
    progress: Option<Progress<'a>>,
    /// The top of the hour at which the new payer should be in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_at: Option<Timestamp>,
    /// The new payer.
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<OrderType>,
    #[serde(flatten)]
    plan: Option<Planned<'a>>,
    #[serde(flatten)]
    end: Option<Completed<'a>>,
    /// Whether it wrote something and not everything is as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    half_done: Option<bool>,
    /// The operator's command that this tells of.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a Commanded>,
    /// The job that has begun on the same instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    overtaken_by: Option<&'a Overtaker>,
}

/// The fields of every event but the first.
#[derive(Serialize, JsonSchema)]
struct Progress<'a> {
    /// Tries of all its steps together.
    attempts: u32,
    /// Calls of the API made for this job. One that several jobs shared is counted once.
    api_calls: u32,
    /// What the cloud showed before the first write; null if that is not known.
    before: Option<&'a Image>,
    /// What the cloud showed last; of a plan, what it would show once everything is in force.
    after: Option<&'a Image>,
    /// Every write, in order.
    writes: Vec<Written<'a>>,
}

#[derive(Serialize, JsonSchema)]
struct Planned<'a> {
    /// The writes that would be made, in order.
    plan: &'a [PlannedCall],
    /// When the new payer would be in force if the job began now; null if nothing waits for an hour.
    effective_from: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
struct Completed<'a> {
    /// When the read began that showed the result.
    verified_at: Option<Timestamp>,
    /// The other CENs that the instance is granted to, where they were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_to: Option<&'a Vec<String>>,
    /// What the owner of the CEN needs to attach the instance. After a grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<Attach<'a>>,
    /// The last moment at which the change was not in force, and the first at which it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_between: Option<[Timestamp; 2]>,
    /// The top of the hour at which it came into force, if only one is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    effective_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
struct Attach<'a> {
    #[serde(rename = "type")]
    kind: InstanceType,
    id: &'a InstanceId,
    owner: &'a AccountUid,
}

/// A write, as events show it.
#[derive(Serialize, JsonSchema)]
struct Written<'a> {
    /// Name of the step that wanted it.
    step: &'a str,
    /// The operation that was called.
    operation: Operation,
    /// The account it was made in.
    account: &'a AccountUid,
    /// Id of the instance or the attachment it changes.
    resource: &'a str,
    /// Whether it puts back what was there before the job.
    undo: bool,
    /// How often it was sent.
    sends: u32,
    /// When it was decided on.
    intended_at: Timestamp,
    /// The payer it sets, if it sets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    order_type: Option<OrderType>,
    #[serde(flatten)]
    outcome: WrittenOutcome<'a>,
}

/// What is known of the effect of a write, as events show it.
#[derive(Serialize, JsonSchema)]
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
