//! Jobs and messages to test with.

use super::super::outbox::WholeOutbox as _;
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crossgrant::domain::{
    AccountUid, Attachments, BatchId, BatchTerms, Cen, CenId, Instance, InstanceId, InstanceType, Job, JobId, JobUid,
    Kind, Mode, OnFailure, OrderType, Reason, Region, Requester,
};
use crossgrant::engine::batch::Batch;
use crossgrant::engine::ports::mail::Outgoing;
use crossgrant::engine::ports::store::{
    Arrival, Change, Claimed, Committed, EventKey, Lease, LeaseUse, Message, NewBatch, OutboundMessage, Rejection,
    Store, Taken,
};
use crossgrant::engine::record::{Ending, Origin, Phase, Record, State, Turn, Wait};

/// A new store.
pub struct Fresh {
    pub store: Arc<dyn Store>,
    /// What must live as long as the store, such as its directory.
    pub guard: Box<dyn Any>,
}

/// An instant, in seconds after the one at which tests begin.
pub fn at(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-11-03T10:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

pub fn uid(n: u32) -> JobUid {
    JobUid(Uuid::from_u128(n.into()))
}

pub fn instance(n: u32) -> InstanceId {
    InstanceId::parse(format!("vpc-{n:010}")).unwrap()
}

/// Job `n`, accepted at second `n`, on an instance of its own: queued, and due from the start.
pub fn record(n: u32) -> Record {
    let job = Job {
        id: JobId::parse(format!("job-{n}")).unwrap(),
        kind: Kind::PayerChange,
        instance: Instance {
            kind: InstanceType::VPC,
            id: instance(n),
            region: Region::parse("cn-hangzhou").unwrap(),
            owner: AccountUid::parse("1688000000000001").unwrap(),
        },
        cen: Cen {
            id: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            owner: AccountUid::parse("1250123456123456").unwrap(),
        },
        order_type: Some(OrderType::PayByResourceOwner),
        attachments: Attachments::Refuse,
        not_before: None,
        not_after: None,
        mode: Mode::Apply,
        batch: None,
        labels: BTreeMap::new(),
    };
    let mut record = Record::new(uid(n), Requester::parse("tickets").unwrap(), job, "d1", "look", at(n.into()));
    record.phase.rest_until(at(0));
    record
}

/// Job `n` on the instance of job `other`.
pub fn record_on(n: u32, other: u32) -> Record {
    let mut record = record(n);
    record.job.instance.id = instance(other);
    record
}

pub fn with_reply(mut record: Record, reply_to: &str, correlation: &str) -> Record {
    record.origin.reply_to = Some(reply_to.into());
    record.origin.correlation_id = Some(correlation.into());
    record
}

/// The record as it waits for the hour, due to be swept at `due`.
pub fn waiting(mut record: Record, due: Timestamp) -> Record {
    record.phase = Phase::Waiting { due };
    record.wait = Some(Wait {
        goal: OrderType::PayByResourceOwner,
        expected_at: due,
        since: at(0),
        last_pending: None,
        unmet_since: None,
        doubt: false,
        overdue: false,
    });
    record
}

/// The record as it is in `state`, outside the queue and at rest.
pub fn at_rest(mut record: Record, state: State) -> Record {
    let ending = Ending { reason: Reason::Done, message: "done".into(), findings: vec![] };
    record.phase = match state {
        State::Parked => Phase::Parked { ending, half_done: false },
        _ => Phase::Ended { state, ending, at: at(60) },
    };
    record.wait = None;
    record
}

/// A failed job that ended at `seconds`.
pub fn ended_at(record: Record, seconds: i64) -> Record {
    let mut record = at_rest(record, State::Failed);
    if let Phase::Ended { at: end, .. } = &mut record.phase {
        *end = at(seconds);
    }
    record
}

pub fn outgoing(message_id: &str, to: &str) -> Outgoing {
    Outgoing {
        message_id: message_id.into(),
        exchange: "crossgrant.events".into(),
        routing_key: to.into(),
        correlation_id: Some("first".into()),
        content_type: "application/cloudevents+json".into(),
        headers: [("traceparent", "00-1"), ("requester", "tickets")].map(|(k, v)| (k.into(), v.into())).into(),
        body: Bytes::from(format!("{{\"id\":\"{message_id}\"}}")),
    }
}

/// Event `sequence` of job `n`.
pub fn event(n: u32, sequence: u32, terminal: bool) -> OutboundMessage {
    OutboundMessage {
        outgoing: outgoing(&format!("{}.{sequence}", uid(n)), if terminal { "job.completed" } else { "job.accepted" }),
        event: Some(EventKey { uid: uid(n), sequence, terminal }),
    }
}

/// A rejection, with the copy for the dead-letter queue and the event.
pub fn rejection(n: u32) -> Rejection {
    let mut copy = outgoing(&format!("copy-{n}"), "");
    copy.exchange = "crossgrant.dead".into();
    Rejection {
        uid: uid(n),
        at: at(n.into()),
        requester: Requester::parse("tickets").unwrap(),
        job_id: Some("bad".into()),
        batch_id: None,
        faults_not_listed: 0,
        reasons: "[]".into(),
        origin: Origin::default(),
        outbound: vec![OutboundMessage { outgoing: copy, event: None }, event(n, 1, false)],
        kept: Some(Outgoing {
            body: Bytes::from_static(b"{\"no\": \"job\\0\xff"),
            ..outgoing(&format!("message-{n}"), "job.grant")
        }),
    }
}

/// The message that `record` comes from. If its key was used for another request, the rejection is number `uid + 1000`.
pub fn arrival(record: &Record) -> Message {
    let n = u32::try_from(record.uid.0.as_u128()).unwrap();
    Message::Arrival(Box::new(Arrival {
        record: Box::new(record.clone()),
        digest: record.job.digest(),
        outbound: vec![event(n, 1, false)],
        reused: rejection(n + 1000),
        most_unbegun: None,
        batch: new_batch(record).map(Box::new),
    }))
}

/// The batch of a record, as the record makes it.
pub fn new_batch(record: &Record) -> Option<NewBatch> {
    let terms = record.job.batch.clone()?;
    let batch = Batch::new(record.requester.clone(), terms, record.origin.clone(), record.accepted_at);
    let outbound = vec![batch_event(&batch, 1, false)];
    Some(NewBatch { batch: Batch { sequence: 1, ..batch }, outbound })
}

/// Event `sequence` of a batch.
pub fn batch_event(batch: &Batch, sequence: u32, terminal: bool) -> OutboundMessage {
    let key = if terminal { "batch.ended" } else { "batch.accepted" };
    OutboundMessage {
        outgoing: outgoing(&format!("{}.{sequence}", batch.uid), key),
        event: Some(EventKey { uid: batch.uid, sequence, terminal }),
    }
}

/// The record as a job of batch `id` of `size` jobs, which takes jobs until second 100.
pub fn in_batch(mut record: Record, id: &str, size: u32) -> Record {
    let id = BatchId::parse(id).unwrap();
    record.job.batch = Some(BatchTerms { id, size, on_failure: OnFailure::GoOn, not_after: Some(at(100)) });
    record
}

/// The same, where a requester may have `most` jobs on an instance that have not begun.
pub fn arrival_among(record: &Record, most: u32) -> Message {
    match arrival(record) {
        Message::Arrival(arrival) => Message::Arrival(Box::new(Arrival { most_unbegun: Some(most), ..*arrival })),
        rejection => rejection,
    }
}

/// Takes records in as new jobs.
pub async fn take(store: &dyn Store, records: &[Record]) {
    let taken = store.take(records.iter().map(arrival).collect()).await.unwrap();
    assert_eq!(taken, records.iter().map(|r| Taken::New(r.uid)).collect::<Vec<_>>());
}

/// Claims at `seconds`, for 100 seconds.
pub async fn claim(store: &dyn Store, seconds: i64) -> Vec<Claimed> {
    store.claim("w1", at(seconds), at(seconds + 100), 1000, &[]).await.unwrap()
}

/// The uids of a claim.
pub async fn claimed(store: &dyn Store, seconds: i64) -> Vec<JobUid> {
    claim(store, seconds).await.into_iter().map(|c| c.record.uid).collect()
}

/// The record as it is committed.
pub fn next_of(record: Record) -> Arc<Record> {
    Arc::new(Record { revision: record.revision + 1, ..record })
}

/// A change of one job, without outbound.
pub fn change(record: Record, lease: LeaseUse) -> Change {
    Change { record: next_of(record), lease, outbound: Vec::new(), also: Vec::new(), admission: None, intends: false }
}

/// The job as it is stored.
pub async fn load(store: &dyn Store, n: u32) -> Record {
    store.load(uid(n)).await.unwrap().unwrap()
}

/// Changes job `n` as `edit` says, holding no lease.
pub async fn set(store: &dyn Store, n: u32, edit: impl FnOnce(Record) -> Record) {
    let record = edit(load(store, n).await);
    assert_eq!(store.commit(change(record, LeaseUse::None)).await.unwrap(), Committed::Done);
}

/// A queued record taken up.
pub fn running(record: Record) -> Record {
    let due = record.phase.due().unwrap_or(at(0));
    Record { phase: Phase::Running(Turn::Due(due)), ..record }
}

/// Brings job `n` from queued to waiting, due at `seconds`.
pub async fn let_wait(store: &dyn Store, n: u32, seconds: i64) {
    set(store, n, running).await;
    set(store, n, |r| waiting(r, at(seconds))).await;
}

/// Ends job `n`, from queued.
pub async fn fail(store: &dyn Store, n: u32) {
    set(store, n, |r| at_rest(r, State::Failed)).await;
}

/// What the outbox holds: message id, exchange, routing key, correlation id.
pub async fn outbox(store: &dyn Store) -> Vec<(String, String, String, Option<String>)> {
    let rows = store.queued(0, 1000).await;
    rows.into_iter()
        .map(|q| (q.outgoing.message_id, q.outgoing.exchange, q.outgoing.routing_key, q.outgoing.correlation_id))
        .collect()
}

/// Marks all messages as published.
pub async fn empty_outbox(store: &dyn Store) {
    let numbers: Vec<i64> = store.queued(0, 10_000).await.iter().map(|q| q.number).collect();
    store.mark(&numbers, &[]).await;
}

pub fn lease_of(claimed: &[Claimed], n: u32) -> Lease {
    claimed.iter().find(|c| c.record.uid == uid(n)).unwrap().lease.clone()
}
