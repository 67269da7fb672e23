//! The intake: each message becomes a job, a repetition or a rejection, and that is committed before it is acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use uuid::{ContextV7, Uuid};

use crate::domain::contract::{self, Envelope, Fault, MAX_BATCH_BODY, MAX_BODY};
use crate::domain::reply_to::reply_to_fault;
use crate::domain::{BatchTerms, Code, Event, EventType, Job, JobUid, REASONS_VERSION, Reason, Requester};
use crate::engine::batch::Batch;
use crate::engine::decide::door::reused;
use crate::engine::events::RejectedData;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{DeadLettered, Incoming, Intake, IntakeError, Outgoing, WholeBody};
use crate::engine::ports::store::{
    Arrival, EventKey, Message, Misfit, NewBatch, OutboundMessage, Rejection, StoreError, Taken, Whole,
};
use crate::engine::record::{Origin, Record};

/// After a store that could not be written, before trying it again.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

/// How much of the body of a rejected message is kept in the store, in bytes, so that an operator can see and mend it. A job has some
/// hundred. The copy for the dead-letter queue has all that came in.
pub const KEPT_BODY: usize = 4 << 10;

/// The header with the length of a body that is not there whole.
pub const BODY_LENGTH: &str = "x-crossgrant-body-length";

/// The intake of a worker.
pub struct Inbox {
    engine: Arc<Engine>,
    /// Queues whose names begin with this and a dot belong to the worker; no answer may go there.
    reserved: String,
    /// The queue for copies of rejected messages.
    dead: String,
    uids: Box<dyn Fn(Timestamp) -> JobUid + Send + Sync>,
}

impl Inbox {
    /// An intake that copies rejected messages to the queue `dead` and sends no answers to queues named `reserved.…`.
    pub fn new(engine: Arc<Engine>, reserved: impl Into<String>, dead: impl Into<String>) -> Self {
        let uids = Box::new(ascending_uids());
        Self { engine, reserved: reserved.into(), dead: dead.into(), uids }
    }

    /// The same, with other uids. They ascend.
    #[must_use]
    pub fn with_uids(self, uids: impl Fn(Timestamp) -> JobUid + Send + Sync + 'static) -> Self {
        Self { uids: Box::new(uids), ..self }
    }

    /// Commits a batch of messages as jobs, repetitions or rejections. Returns what became of each, in order.
    pub async fn accept(&self, batch: Vec<Incoming>) -> Result<Vec<Taken>, IntakeError> {
        let now = self.engine.clock.now();
        let bounded = |incoming: Incoming| {
            let longest = if is_whole(&incoming) { MAX_BATCH_BODY } else { MAX_BODY };
            incoming.bounded(longest)
        };
        let batch: Vec<Incoming> = batch.into_iter().map(bounded).collect();
        let held = |error: StoreError| IntakeError { why: error.to_string() };
        let taken = self.take_in_order(&batch, now).await.map_err(held)?;
        let mut fresh = false;
        for (incoming, taken) in batch.iter().zip(&taken) {
            let (what, uid) = match taken {
                Taken::New(uid) => ("new", uid),
                Taken::Repeated(uid) => ("repeated", uid),
                Taken::Reused(uid) => ("reused", uid),
                Taken::Rejected(uid) => ("rejected", uid),
                Taken::TooMany | Taken::Misfit(_) => continue,
            };
            fresh |= matches!(taken, Taken::New(_));
            self.engine.observer.took(what);
            match taken {
                Taken::New(_) => self.engine.observer.said(EventType::Accepted),
                Taken::Reused(_) | Taken::Rejected(_) => self.engine.observer.said(EventType::Rejected),
                Taken::Repeated(_) | Taken::TooMany | Taken::Misfit(_) => {}
            }
            tracing::debug!(job.uid = %uid, message.id = incoming.message_id, taken = what, "took a message");
        }
        if fresh {
            self.engine.work.notify_one();
        }
        self.engine.ring();
        Ok(taken)
    }

    /// Commits messages in their order: those of one job together, and each that brings a whole batch for itself.
    async fn take_in_order(&self, batch: &[Incoming], now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        let mut taken = Vec::with_capacity(batch.len());
        for run in batch.chunk_by(|one, next| !is_whole(one) && !is_whole(next)) {
            match run {
                [whole] if is_whole(whole) => taken.push(self.take_whole(whole, now).await?),
                run => {
                    let all: Vec<&Incoming> = run.iter().collect();
                    let of_run = self.commit(&all, now, |incoming| self.read(incoming, now)).await?;
                    taken.extend(self.reject_misfits(run, of_run, now).await?);
                }
            }
        }
        Ok(taken)
    }

    /// Commits all jobs of a message that brings a batch, or rejects the message. Answers with the uid of the batch.
    async fn take_whole(&self, incoming: &Incoming, now: Timestamp) -> Result<Taken, StoreError> {
        let (envelope, requester) = (self.envelope(incoming), requester(incoming));
        let refused = self.refused(incoming, &requester);
        let jobs = match contract::parse_whole(&incoming.body, &envelope) {
            Ok(jobs) if refused.is_empty() => jobs,
            read => {
                let faults = [read.err().unwrap_or_default(), refused].concat();
                return self.reject_whole(Reason::Invalid, &faults, incoming, now).await;
            }
        };
        // What answers the batch answers it once, and not for each job.
        let alone = Incoming { body: Bytes::new(), reply_to: None, ..incoming.clone() };
        let arrivals = jobs.into_iter().map(|job| {
            let mut arrival = self.arrival(job, requester.clone(), &alone, now);
            if let Some(new) = &mut arrival.batch {
                new.batch.origin = origin(incoming);
            }
            arrival
        });
        let arrivals: Vec<Arrival> = arrivals.collect();
        let messages = arrivals.iter().cloned().map(|arrival| Message::Arrival(Box::new(arrival)));
        match self.engine.store.take_whole(messages.collect()).await {
            Ok(Whole::Taken(taken)) => {
                let new = taken.iter().filter(|taken| matches!(taken, Taken::New(_))).count();
                // The message itself is counted where all are.
                (1..new).for_each(|_| self.engine.observer.said(EventType::Accepted));
                let uid =
                    arrivals.first().and_then(|arrival| arrival.record.batch()).expect("each of them has a batch");
                Ok(if new > 0 { Taken::New(uid) } else { Taken::Repeated(uid) })
            }
            Ok(Whole::Refused(refused)) => {
                let faults = refused.into_iter().map(|(place, taken)| {
                    let (reason, fault) = refusal(&arrivals[place], taken);
                    // What is wrong with the batch, the message says once.
                    let within = if fault.at.starts_with("/batch") { String::new() } else { format!("/jobs/{place}") };
                    (reason, Fault { at: format!("{within}{}", fault.at), ..fault })
                });
                let (reasons, mut faults): (Vec<Reason>, Vec<Fault>) = faults.unzip();
                faults.dedup();
                let reason = reasons.first().copied().unwrap_or(Reason::Invalid);
                self.reject_whole(reason, &contract::listed(faults), incoming, now).await
            }
            Err(StoreError::Refused(why)) => {
                self.not_storable(&why, &incoming.clone().bounded(MAX_BODY), now).await.map(only)
            }
            Err(error) => Err(error),
        }
    }

    async fn reject_whole(
        &self,
        reason: Reason,
        faults: &[Fault],
        incoming: &Incoming,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let rejection = |incoming: &Incoming| {
            let requester = requester(incoming);
            Message::Rejection(Box::new(self.rejection(reason, None, faults, requester, incoming, now)))
        };
        // Its copy is no longer than that of any other message.
        self.commit(&[&incoming.clone().bounded(MAX_BODY)], now, rejection).await.map(only)
    }

    /// Commits messages together, each as what `made` makes of it; or each for itself if the store refuses one for what is in
    /// it.
    async fn commit(
        &self,
        batch: &[&Incoming],
        now: Timestamp,
        made: impl Fn(&Incoming) -> Message,
    ) -> Result<Vec<Taken>, StoreError> {
        match self.engine.store.take(batch.iter().map(|incoming| made(incoming)).collect()).await {
            Err(StoreError::Refused(_)) => {}
            taken => return taken,
        }
        let mut taken = Vec::with_capacity(batch.len());
        for incoming in batch {
            taken.extend(self.commit_alone(made(incoming), incoming, now).await?);
        }
        Ok(taken)
    }

    /// Rejects what would be one job too many, or does not get into its batch. Nothing is acknowledged before that, so that none
    /// is lost in between.
    async fn reject_misfits(
        &self,
        batch: &[Incoming],
        mut taken: Vec<Taken>,
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreError> {
        for misfit in MISFITS {
            let of = batch.iter().zip(&taken).enumerate().filter(|(_, (_, taken))| **taken == misfit);
            let (places, messages): (Vec<usize>, Vec<&Incoming>) =
                of.map(|(place, (incoming, _))| (place, incoming)).unzip();
            if places.is_empty() {
                continue;
            }
            let rejected = self.commit(&messages, now, |incoming| self.misfit(incoming, misfit, now)).await?;
            for (place, rejected) in places.into_iter().zip(rejected) {
                taken[place] = rejected;
            }
        }
        Ok(taken)
    }

    fn misfit(&self, incoming: &Incoming, misfit: Taken, now: Timestamp) -> Message {
        let Message::Arrival(arrival) = self.read(incoming, now) else {
            unreachable!("what is no valid request is not counted");
        };
        let (reason, fault) = refusal(&arrival, misfit);
        let Record { requester, job, .. } = *arrival.record;
        let id = Some(job.id.to_string());
        Message::Rejection(Box::new(self.rejection(reason, id, &[fault], requester, incoming, now)))
    }

    /// Commits one message. If the store refuses it, it becomes a rejection, and if the store refuses even that, a rejection
    /// without any of its texts.
    async fn commit_alone(
        &self,
        message: Message,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Result<Vec<Taken>, StoreError> {
        let store = &self.engine.store;
        let why = match store.take(vec![message]).await {
            Err(StoreError::Refused(why)) => why,
            taken => return taken,
        };
        self.not_storable(&why, incoming, now).await
    }

    async fn not_storable(&self, why: &str, incoming: &Incoming, now: Timestamp) -> Result<Vec<Taken>, StoreError> {
        let store = &self.engine.store;
        let WholeBody { length, sha256 } = incoming.whole.clone().unwrap_or_else(|| WholeBody::of(&incoming.body));
        tracing::error!(
            error = why,
            body.length = length,
            body.sha256 = sha256,
            "the store refuses a message; rejects it"
        );
        let faults = [Fault {
            at: String::new(),
            code: Code::JobNotStorable,
            message: format!(
                "the store of the worker refuses the message for what is in it, and the log of the worker says why; its \
                 body has {length} bytes and the SHA-256 {sha256}"
            ),
        }];
        let (requester, envelope) = (requester(incoming), self.envelope(incoming));
        let id = contract::id_of(&incoming.body, &envelope);
        let rejection = self.rejection(Reason::Invalid, id, &faults, requester, incoming, now);
        match store.take(vec![Message::Rejection(Box::new(rejection))]).await {
            Err(StoreError::Refused(_)) => {}
            taken => return taken,
        }
        let bare = Incoming { body: incoming.body.clone(), whole: incoming.whole.clone(), ..Incoming::default() };
        let rejection = self.rejection(Reason::Invalid, None, &faults, Requester::anonymous(), &bare, now);
        store.take(vec![Message::Rejection(Box::new(rejection))]).await
    }

    fn envelope<'a>(&'a self, incoming: &'a Incoming) -> Envelope<'a> {
        Envelope {
            message_id: incoming.message_id.as_deref(),
            routing_key: &incoming.routing_key,
            reply_to: incoming.reply_to.as_deref(),
            content_encoding: incoming.content_encoding.as_deref(),
            whole_length: incoming.whole.as_ref().map(|whole| whole.length),
            unreadable: &incoming.unreadable,
            reserved: &self.reserved,
        }
    }

    fn read(&self, incoming: &Incoming, now: Timestamp) -> Message {
        let (envelope, requester) = (self.envelope(incoming), requester(incoming));
        if let Some(dead_lettered) = &incoming.dead_lettered {
            let id = contract::id_of(&incoming.body, &envelope);
            let faults = [given_up(dead_lettered)];
            let rejection = self.rejection(Reason::DeadLettered, id, &faults, requester, incoming, now);
            return Message::Rejection(Box::new(rejection));
        }
        let refused = self.refused(incoming, &requester);
        match contract::parse(&incoming.body, &envelope) {
            Ok(job) if refused.is_empty() => Message::Arrival(Box::new(self.arrival(job, requester, incoming, now))),
            read => {
                let faults = [read.err().unwrap_or_default(), refused].concat();
                let id = contract::id_of(&incoming.body, &envelope);
                Message::Rejection(Box::new(self.rejection(Reason::Invalid, id, &faults, requester, incoming, now)))
            }
        }
    }

    /// What is wrong with who sent a message, and with where its answers shall go.
    fn refused(&self, incoming: &Incoming, requester: &Requester) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut refuse = |at: &str, code, message| faults.push(Fault { at: at.into(), code, message });
        if let Some(Fault { at, code, message }) = &incoming.unproven {
            refuse(at, *code, message.clone());
        }
        if let Some(Err(bad)) = incoming.user_id.as_deref().map(Requester::parse) {
            refuse("amqp:user_id", Code::JobBadUser, bad.to_string());
        }
        let refused = |reply_to| self.engine.policy.get().refuses_answers(requester, reply_to);
        if let Some(why) = incoming.reply_to.as_deref().and_then(refused) {
            refuse("amqp:reply_to", Code::JobReplyToNotAllowed, why);
        }
        faults
    }

    fn arrival(&self, job: Job, requester: Requester, incoming: &Incoming, now: Timestamp) -> Arrival {
        let definition = self.engine.catalog.definition(job.kind);
        let (id, digest) = (job.id.to_string(), job.digest());
        let (uid, step) = ((self.uids)(now), &definition.first().name);
        let mut record = Record::new(uid, requester.clone(), job, definition.digest(), step, now);
        record.origin = origin(incoming);
        let message = self.engine.announcer.message(&mut record, EventType::Accepted, now);
        let fault = reused(&requester, &record.job);
        let reused = self.rejection(Reason::IdReused, Some(id), &[fault], requester, incoming, now);
        let most_unbegun = self.engine.policy.get().unbegun();
        let batch = record.job.batch.clone().map(|terms| Box::new(self.batch(terms, &record, now)));
        Arrival { record: Box::new(record), digest, outbound: vec![message], reused, most_unbegun, batch }
    }

    fn batch(&self, terms: BatchTerms, first: &Record, now: Timestamp) -> NewBatch {
        let mut batch = Batch::new(first.requester.clone(), terms, first.origin.clone(), now);
        let accepted = self.engine.announcer.batch_accepted(&mut batch);
        NewBatch { batch, outbound: vec![accepted] }
    }

    fn rejection(
        &self,
        reason: Reason,
        id: Option<String>,
        faults: &[Fault],
        requester: Requester,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Rejection {
        let reasons = json!(faults);
        let message = contract::summary(faults);
        let uid = rejection_uid(reason, &requester, incoming);
        let data = RejectedData {
            uid,
            requester: &requester,
            job_id: id.as_deref(),
            reason,
            reasons_version: REASONS_VERSION,
            message: &message,
            faults,
        };
        let mut event = Event::new(&self.engine.announcer.source, EventType::Rejected, uid, 1, now, data);
        event.traceparent.clone_from(&incoming.traceparent);
        let key = EventKey { uid, sequence: 1, terminal: false };
        let correlation = incoming.correlation_id.clone();
        let about = [("requester", requester.as_str())];
        let said = self.engine.announcer.post(&event, EventType::Rejected, &about, correlation, Some(key));
        // The broker keeps what it has dead-lettered.
        let copy = incoming.dead_lettered.is_none().then(|| self.dead_copy(uid, &reasons.to_string(), incoming));
        let outbound = copy.into_iter().chain([said]).collect();
        let kept = Some(kept(uid, incoming));
        let answers = |reply_to: &String| {
            reply_to_fault(reply_to, &self.reserved).is_none()
                && self.engine.policy.get().refuses_answers(&requester, reply_to).is_none()
        };
        let reply_to = incoming.reply_to.clone().filter(answers);
        let origin = Origin { reply_to, ..origin(incoming) };
        Rejection { uid, at: now, requester, job_id: id, reasons: reasons.to_string(), origin, outbound, kept }
    }

    fn dead_copy(&self, uid: JobUid, reasons: &str, incoming: &Incoming) -> OutboundMessage {
        let mut headers = properties(incoming, incoming.whole.as_ref());
        headers.insert("x-crossgrant-reasons".into(), reasons.to_owned());
        headers.insert("x-crossgrant-uid".into(), uid.to_string());
        OutboundMessage {
            outgoing: Outgoing {
                message_id: format!("{uid}.dead"),
                exchange: String::new(),
                routing_key: self.dead.clone(),
                correlation_id: incoming.correlation_id.clone(),
                content_type: content_type(incoming),
                headers,
                body: Bytes::clone(&incoming.body),
            },
            event: None,
        }
    }
}

/// UUIDv7 by the clock of the worker, so that uids ascend in the order of acceptance.
fn ascending_uids() -> impl Fn(Timestamp) -> JobUid + Send + Sync {
    let order = std::sync::Mutex::new(ContextV7::new());
    move |now| {
        let order = order.lock().expect("no holder of this lock panics");
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanos = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        JobUid(Uuid::new_v7(uuid::Timestamp::from_unix(&*order, seconds, nanos)))
    }
}

/// The uid of the rejection of a message. It is made of the message and of everything it is judged by, so that a second delivery of
/// it is the same rejection.
pub(super) fn rejection_uid(reason: Reason, requester: &Requester, incoming: &Incoming) -> JobUid {
    let properties =
        json!([requester, incoming.routing_key, incoming.message_id, incoming.reply_to, reason]).to_string();
    let body = incoming.whole.as_ref().map_or(&*incoming.body, |whole| whole.sha256.as_bytes());
    let name = [properties.as_bytes(), body].join(&0);
    JobUid(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
}

/// The message of a rejection, as the store keeps it.
fn kept(uid: JobUid, incoming: &Incoming) -> Outgoing {
    let cut = incoming.body.len() > KEPT_BODY;
    let whole = incoming.whole.clone().or_else(|| cut.then(|| WholeBody::of(&incoming.body)));
    Outgoing {
        message_id: format!("{uid}.message"),
        exchange: String::new(),
        routing_key: incoming.routing_key.clone(),
        correlation_id: incoming.correlation_id.clone(),
        content_type: content_type(incoming),
        headers: properties(incoming, whole.as_ref()),
        body: incoming.body.slice(..incoming.body.len().min(KEPT_BODY)),
    }
}

/// The properties of a message as headers. `whole` is what its body was, where that is not there whole.
fn properties(incoming: &Incoming, whole: Option<&WholeBody>) -> BTreeMap<String, String> {
    let properties = [
        ("x-crossgrant-routing-key", Some(incoming.routing_key.clone())),
        ("x-crossgrant-message-id", incoming.message_id.clone()),
        ("x-crossgrant-user-id", incoming.user_id.clone()),
        ("x-crossgrant-reply-to", incoming.reply_to.clone()),
        ("x-crossgrant-app-id", incoming.app_id.clone()),
        ("x-crossgrant-type", incoming.kind.clone()),
        ("x-crossgrant-content-encoding", incoming.content_encoding.clone()),
        ("x-crossgrant-timestamp", incoming.timestamp.map(|seconds| seconds.to_string())),
        ("x-crossgrant-priority", incoming.priority.map(|priority| priority.to_string())),
        (BODY_LENGTH, whole.map(|whole| whole.length.to_string())),
        ("x-crossgrant-body-sha256", whole.map(|whole| whole.sha256.clone())),
    ];
    properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn content_type(incoming: &Incoming) -> String {
    incoming.content_type.clone().unwrap_or_else(|| "application/octet-stream".into())
}

/// What the store answers of a request that is no new job and no repetition, and that it has not rejected itself.
const MISFITS: [Taken; 4] =
    [Taken::TooMany, Taken::Misfit(Misfit::Differs), Taken::Misfit(Misfit::Full), Taken::Misfit(Misfit::Closed)];

/// Why a valid request is rejected for what the store holds already.
fn refusal(arrival: &Arrival, taken: Taken) -> (Reason, Fault) {
    let Record { requester, job, .. } = &*arrival.record;
    let fault = |at: &str, code, message| Fault { at: at.into(), code, message };
    let batch = || job.batch.as_ref().map(|terms| format!("the batch {} of {requester}", terms.id)).unwrap_or_default();
    match taken {
        Taken::TooMany => {
            let message = format!(
                "{requester} has {most} jobs on {id} that have not begun to write, and `[limits] unbegun_per_instance` \
                 allows no more; submit this one again when one of them has begun or ended",
                most = arrival.most_unbegun.unwrap_or_default(),
                id = job.instance.id,
            );
            (Reason::TooMany, fault("/instance/id", Code::JobTooMany, message))
        }
        Taken::Reused(_) => (Reason::IdReused, reused(requester, job)),
        Taken::Misfit(Misfit::Full) => {
            let message = format!("{} has all its jobs; take a new batch id", batch());
            (Reason::Invalid, fault("/batch/id", Code::JobBatchFull, message))
        }
        Taken::Misfit(Misfit::Closed) => {
            let message = format!(
                "{} takes no job any more: its `not_after` has passed, or it has ended; take a new batch id",
                batch()
            );
            (Reason::Invalid, fault("/batch/id", Code::JobBatchClosed, message))
        }
        _ => {
            let message = format!("{} was begun with other terms; all its jobs say the same in `batch`", batch());
            (Reason::Invalid, fault("/batch", Code::JobBatchDiffers, message))
        }
    }
}

/// Whether a message brings the jobs of a batch. One that the broker has given up is only told of.
fn is_whole(incoming: &Incoming) -> bool {
    incoming.dead_lettered.is_none() && contract::is_whole(&incoming.body)
}

/// What became of one message that was taken alone.
fn only(taken: Vec<Taken>) -> Taken {
    taken.into_iter().next().expect("there is an answer for each message")
}

/// Who sent it, as far as that is proven.
fn requester(incoming: &Incoming) -> Requester {
    let named = incoming.user_id.as_deref().map(Requester::parse);
    named.and_then(Result::ok).unwrap_or_else(Requester::anonymous)
}

fn given_up(dead_lettered: &DeadLettered) -> Fault {
    let why = match dead_lettered.reason.as_str() {
        "expired" => "it waited in the queue for longer than its `expiration`, or the queue's, allows".to_owned(),
        "delivery_limit" => {
            "the broker delivered it as often as the queue allows, and no worker acknowledged it".to_owned()
        }
        other => format!("the broker's reason is {other:?}"),
    };
    Fault {
        at: "amqp:x-death".into(),
        code: Code::JobDeadLettered,
        message: format!("the broker gave the message up: {why}. Send it again, or have it put back"),
    }
}

fn origin(incoming: &Incoming) -> Origin {
    Origin {
        correlation_id: incoming.correlation_id.clone(),
        reply_to: incoming.reply_to.clone(),
        app_id: incoming.app_id.clone(),
        traceparent: incoming.traceparent.clone(),
    }
}

#[async_trait]
impl Intake for Inbox {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        self.accept(batch).await.map(drop)
    }

    async fn ready(&self) {
        while let Err(error) = self.engine.store.probe().await {
            tracing::error!(%error, "the store cannot be written; takes no messages until it can");
            self.engine.clock.sleep(PROBE_PAUSE).await;
        }
    }

    async fn lead(&self) -> bool {
        // A worker that cannot tell does not.
        self.engine.store.lead_intake().await.unwrap_or(false)
    }

    async fn resign(&self) {
        if let Err(error) = self.engine.store.resign_intake().await {
            tracing::debug!(%error, "cannot let another worker consume; it can when this connection ends");
        }
    }
}
