//! The events of a batch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::domain::{BatchEventType, BatchTerms, Event, JobId, JobUid, REASONS_VERSION, Reason, Requester};
use crate::engine::batch::{Batch, Stopped, Tally, failed};
use crate::engine::events::Announcer;
use crate::engine::ports::store::{EventKey, OutboundMessage};
use crate::engine::record::{Record, State};

/// What the end of a batch lists of the jobs that did not complete, in bytes of JSON. All of them are a query away.
const LISTED_BYTES: usize = 64 << 10;

/// The jobs of a batch as its end tells of them, added one by one.
#[derive(Debug, Default)]
pub struct Summary {
    jobs: BTreeMap<State, BTreeMap<Reason, u64>>,
    listed: Vec<NotCompleted>,
    bytes: usize,
    left_out: u64,
    api_calls: u64,
    effective: Option<[Timestamp; 2]>,
}

impl Summary {
    /// Adds a job that has ended.
    pub fn add(&mut self, record: &Record, announcer: &Announcer) {
        let Some(ending) = record.phase.ending() else { return };
        *self.jobs.entry(record.state()).or_default().entry(ending.reason).or_default() += 1;
        self.api_calls += u64::from(record.calls);
        if let Some(at) = announcer.effective_at(record) {
            let [first, last] = self.effective.unwrap_or([at, at]);
            self.effective = Some([first.min(at), last.max(at)]);
        }
        if !failed(record.state()) {
            return;
        }
        let job = NotCompleted {
            uid: record.uid,
            id: record.job.id.clone(),
            state: record.state(),
            reason: ending.reason,
            message: ending.message.clone(),
            findings: ending.findings.clone(),
        };
        let bytes = json!(job).to_string().len();
        if self.bytes + bytes > LISTED_BYTES {
            self.left_out += 1;
        } else {
            self.bytes += bytes;
            self.listed.push(job);
        }
    }
}

/// A job of a batch that ended without its result.
#[derive(Debug, Serialize, JsonSchema)]
struct NotCompleted {
    /// The id of the job here.
    uid: JobUid,
    /// The requester's id of it.
    id: JobId,
    /// How it ended.
    state: State,
    /// Why: a reason of the closed list.
    reason: Reason,
    /// The same in one sentence for people.
    message: String,
    /// Each obstacle that was found, if there is more to say than `message`.
    findings: Vec<String>,
}

/// The `data` of every event of a batch: what its jobs say of it, and what this event adds.
#[derive(Serialize, JsonSchema)]
pub(crate) struct BatchData<'a> {
    /// The id of the batch here.
    uid: JobUid,
    /// Who has sent its jobs.
    requester: &'a Requester,
    /// What all its jobs say of it.
    batch: &'a BatchTerms,
    /// When its first job was accepted.
    accepted_at: Timestamp,
    /// Jobs that come later are rejected.
    closes_at: Timestamp,
    /// Why none of its jobs begins any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'a Stopped>,
    #[serde(flatten)]
    progress: Option<BatchProgress<'a>>,
    #[serde(flatten)]
    end: Option<BatchEnd<'a>>,
}

/// How far it has come.
#[derive(Serialize, JsonSchema)]
struct BatchProgress<'a> {
    /// Jobs that were accepted.
    accepted: u32,
    /// How many of them are in which state.
    #[schemars(with = "BTreeMap<String, u64>")]
    states: &'a BTreeMap<State, u64>,
}

/// What became of it.
#[derive(Serialize, JsonSchema)]
struct BatchEnd<'a> {
    /// Version of the list of reasons.
    reasons_version: u32,
    /// Jobs that never came.
    missing: u32,
    /// How many jobs ended in which state for which reason.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, u64>>")]
    jobs: &'a BTreeMap<State, BTreeMap<Reason, u64>>,
    /// The jobs that ended without their result.
    not_completed: &'a [NotCompleted],
    /// How many of these are not listed, because the list would be too long.
    not_listed: u64,
    /// Calls of the API made for all jobs together.
    api_calls: u64,
    /// The first hour at which the change of a job came into force, as far as that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_effective_at: Option<Timestamp>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_effective_at: Option<Timestamp>,
}

/// The fields of every event of a batch but the first.
const PROGRESS: &[&str] = &["accepted", "states"];
/// The fields of its last event.
const END: &[&str] = &["reasons_version", "missing", "jobs", "not_completed", "not_listed", "api_calls"];

/// The fields that the data of such an event always has, besides those that all have.
pub(crate) fn always(kind: BatchEventType) -> Vec<&'static str> {
    match kind {
        BatchEventType::Accepted => vec![],
        BatchEventType::Progress => PROGRESS.to_vec(),
        BatchEventType::Ended => [PROGRESS, END].concat(),
    }
}

impl Announcer {
    /// The event of a batch whose first job has come; raises `sequence` of the batch.
    pub fn batch_accepted(&self, batch: &mut Batch) -> OutboundMessage {
        let at = batch.accepted_at;
        self.of_batch(batch, BatchEventType::Accepted, at, None, None)
    }

    /// The event that tells how far a batch has come.
    pub fn batch_progress(&self, batch: &mut Batch, tally: &Tally, now: Timestamp) -> OutboundMessage {
        self.of_batch(batch, BatchEventType::Progress, now, Some(tally), None)
    }

    /// The one event that tells what became of a batch.
    pub fn batch_ended(&self, batch: &mut Batch, tally: &Tally, summary: &Summary, now: Timestamp) -> OutboundMessage {
        self.of_batch(batch, BatchEventType::Ended, now, Some(tally), Some(summary))
    }

    fn of_batch(
        &self,
        batch: &mut Batch,
        kind: BatchEventType,
        now: Timestamp,
        tally: Option<&Tally>,
        summary: Option<&Summary>,
    ) -> OutboundMessage {
        batch.sequence += 1;
        let batch = &*batch;
        let missing = tally.map_or(0, |tally| batch.terms.size.saturating_sub(tally.members));
        let data = BatchData {
            uid: batch.uid,
            requester: &batch.requester,
            batch: &batch.terms,
            accepted_at: batch.accepted_at,
            closes_at: batch.closes_at,
            stopped: batch.stopped.as_ref(),
            progress: tally.map(|tally| BatchProgress { accepted: tally.members, states: &tally.states }),
            end: summary.map(|summary| BatchEnd {
                reasons_version: REASONS_VERSION,
                missing,
                jobs: &summary.jobs,
                not_completed: &summary.listed,
                not_listed: summary.left_out,
                api_calls: summary.api_calls,
                first_effective_at: summary.effective.map(|[first, _]| first),
                last_effective_at: summary.effective.map(|[_, last]| last),
            }),
        };
        let mut event = Event::new(&self.source, kind, batch.uid, batch.sequence, now, data);
        event.subject = Some(batch.terms.id.to_string());
        event.traceparent.clone_from(&batch.origin.traceparent);
        let key = EventKey { uid: batch.uid, sequence: batch.sequence, terminal: kind == BatchEventType::Ended };
        let about = [("requester", batch.requester.as_str()), ("batch", batch.terms.id.as_str())];
        self.post(&event, kind, &about, batch.origin.correlation_id.clone(), Some(key))
    }
}
