//! The intake: each message becomes a job, a repetition or a rejection, and that is committed before it is acknowledged.

mod named;
mod refusal;
mod rejection;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use uuid::{ContextV7, Uuid};

use self::named::Named;
use self::refusal::{MISFITS, given_up, not_allowed, refusal};
pub use self::rejection::{BODY_LENGTH, KEPT_BODY, rejection_uid};
use crate::domain::contract::{self, Envelope, Fault, FaultList, MAX_BATCH_BODY, MAX_BODY};
use crate::domain::{BatchTerms, Code, EventType, Job, JobTrace, JobUid, Reason, Requester, TraceContext};
use crate::engine::batch::Batch;
use crate::engine::decide::door::reused;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Incoming, Intake, IntakeError, WholeBody};
use crate::engine::ports::store::{Arrival, Message, NewBatch, StoreError, Taken, Whole};
use crate::engine::ports::trace::{Span, during};
use crate::engine::record::{Origin, Record};
use crate::engine::spans::taken;

/// After a store that could not be written, before trying it again.
const PROBE_PAUSE: Duration = Duration::from_secs(1);

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
            during(self.tell_taken(*uid, incoming, taken), || {
                tracing::debug!(job.uid = %uid, message.id = incoming.message_id, taken = what, "took a message");
            });
        }
        if fresh {
            self.engine.work.notify_one();
        }
        self.engine.ring();
        Ok(taken)
    }

    /// Tells of a message as the first span of its job, or of its rejection. Returns that. The jobs of a batch have one each.
    fn tell_taken(&self, uid: JobUid, incoming: &Incoming, what: &Taken) -> Option<TraceContext> {
        let of = self.engine.announcer.sampling?;
        let trace = JobTrace::new(uid, incoming.traceparent.as_deref(), of);
        let refused = matches!(what, Taken::Rejected(_) | Taken::Reused(_));
        if !refused && is_whole(incoming) {
            return None;
        }
        // The worker may have ended before it could tell of the first delivery.
        let again = matches!(what, Taken::Repeated(_)) && incoming.redelivered;
        if trace.accepted.sampled && (refused || again || matches!(what, Taken::New(_))) {
            let queue = format!("{}.jobs", self.reserved);
            let span = taken(uid, incoming, trace, queue, self.engine.clock.now());
            self.engine.observer.span(Span { error: refused.then(|| "rejected".into()), ..span });
        }
        Some(trace.accepted)
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
                let faults = read.err().unwrap_or_default().and(refused);
                return self.reject_whole(Reason::Invalid, &faults, incoming, now).await;
            }
        };
        // It is accepted or rejected as a whole, so a job that no rule allows is a fault of the message. A single job that none allows is
        // accepted and ends refused, because the rules may be others by the time at which it begins.
        let policy = self.engine.policy.get();
        let not_allowed = |(place, job)| Some(not_allowed(place, policy.refuses(&requester, job)?.1));
        let not_allowed = contract::listed(jobs.iter().enumerate().filter_map(not_allowed));
        let batch = jobs.first().and_then(|job| Some(job.batch.as_ref()?.uid(&requester)));
        if !not_allowed.is_empty() && !self.is_known(batch).await? {
            return self.reject_whole(Reason::Invalid, &not_allowed, incoming, now).await;
        }
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
                for what in &taken {
                    if let Taken::New(uid) = what {
                        self.tell_taken(*uid, &alone, what);
                    }
                }
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

    /// Whether a batch was accepted before: its message is then one that comes again, whatever the rules have become.
    async fn is_known(&self, batch: Option<JobUid>) -> Result<bool, StoreError> {
        let Some(uid) = batch else { return Ok(false) };
        Ok(self.engine.store.batch(uid).await?.is_some())
    }

    async fn reject_whole(
        &self,
        reason: Reason,
        faults: &FaultList,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Result<Taken, StoreError> {
        let batch = contract::batch_of(&incoming.body);
        let rejection = |incoming: &Incoming| {
            let (requester, named) = (requester(incoming), Named { job: None, batch: batch.clone() });
            Message::Rejection(Box::new(self.rejection(reason, named, faults, requester, incoming, now)))
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
        let (named, faults) = (Named::of(&job), vec![fault].into());
        Message::Rejection(Box::new(self.rejection(reason, named, &faults, requester, incoming, now)))
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
        let faults: FaultList = vec![Fault {
            at: String::new(),
            code: Code::JobNotStorable,
            message: format!(
                "the store of the worker refuses the message for what is in it, and the log of the worker says why; its \
                 body has {length} bytes and the SHA-256 {sha256}"
            ),
        }]
        .into();
        let (requester, envelope) = (requester(incoming), self.envelope(incoming));
        let named = Named::read(&incoming.body, &envelope);
        let rejection = self.rejection(Reason::Invalid, named, &faults, requester, incoming, now);
        match store.take(vec![Message::Rejection(Box::new(rejection))]).await {
            Err(StoreError::Refused(_)) => {}
            taken => return taken,
        }
        let bare = Incoming { body: incoming.body.clone(), whole: incoming.whole.clone(), ..Incoming::default() };
        let rejection = self.rejection(Reason::Invalid, Named::default(), &faults, Requester::anonymous(), &bare, now);
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
            let named = Named::read(&incoming.body, &envelope);
            let faults = vec![given_up(dead_lettered)].into();
            let rejection = self.rejection(Reason::DeadLettered, named, &faults, requester, incoming, now);
            return Message::Rejection(Box::new(rejection));
        }
        let refused = self.refused(incoming, &requester);
        match contract::parse(&incoming.body, &envelope) {
            Ok(job) if refused.is_empty() => Message::Arrival(Box::new(self.arrival(job, requester, incoming, now))),
            read => {
                let faults = read.err().unwrap_or_default().and(refused);
                let named = Named::read(&incoming.body, &envelope);
                Message::Rejection(Box::new(self.rejection(Reason::Invalid, named, &faults, requester, incoming, now)))
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
        let (named, digest) = (Named::of(&job), job.digest());
        let (uid, step) = ((self.uids)(now), &definition.first().name);
        let mut record = Record::new(uid, requester.clone(), job, definition.digest(), step, now);
        record.origin = origin(incoming);
        let message = self.engine.announcer.message(&mut record, EventType::Accepted, now);
        let fault = reused(&requester, &record.job);
        let reused = self.rejection(Reason::IdReused, named, &vec![fault].into(), requester, incoming, now);
        let most_unbegun = self.engine.policy.get().unbegun();
        let batch = record.job.batch.clone().map(|terms| Box::new(self.batch(terms, &record, now)));
        Arrival { record: Box::new(record), digest, outbound: vec![message], reused, most_unbegun, batch }
    }

    fn batch(&self, terms: BatchTerms, first: &Record, now: Timestamp) -> NewBatch {
        let mut batch = Batch::new(first.requester.clone(), terms, first.origin.clone(), now);
        let accepted = self.engine.announcer.batch_accepted(&mut batch);
        NewBatch { batch, outbound: vec![accepted] }
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
