//! Taking and sending mail over a real broker, with the broker dying at the worst time.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::broker::{
    AmqpPublisher, BrokerError, BrokerSettings, BrokerState, ConsumeReport, EventTap, Link, LinkStatus, Submission,
    Submitter, Topology, consume, count_dead_lettered, put_back,
};
use crossgrant::clock::{Clock, SystemClock};
use crossgrant::engine::ports::mail::{
    DeadLettered, Delivered, Incoming, Intake, IntakeError, Lane, Outgoing, Publisher, WholeBody,
};
use futures_util::StreamExt;
use lapin::BasicProperties;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use secrecy::SecretString;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::support::rabbit::Rabbit;
use crate::support::raw_amqp::{self, header, long, nested, short};
use crate::support::{scratch, shared_rabbit};

mod amazonmq;
mod apsaramq;
mod consuming;
mod door;
mod inspecting;
mod poison;
mod publishing;
mod rights;
mod unconfirmed;

/// An upper bound, never the reason that something passes.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.unwrap_or_else(|_| panic!("too late: {what}"))
}

fn settings(rabbit: &Rabbit) -> BrokerSettings {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let prefix = format!("test{}-{}", std::process::id(), COUNT.fetch_add(1, SeqCst));
    BrokerSettings {
        urls: vec![SecretString::from(rabbit.amqp_url())],
        topology: Topology::new(prefix),
        ..BrokerSettings::default()
    }
}

/// Commits to memory; writable as long as it is told so.
struct Journal {
    taken: watch::Sender<Vec<Incoming>>,
    batches: Mutex<Vec<usize>>,
    writable: watch::Sender<bool>,
    refused: watch::Sender<usize>,
    /// One permit for each batch that may be committed.
    gate: Semaphore,
}

impl Journal {
    fn new(writable: bool) -> Arc<Self> {
        Arc::new(Self {
            taken: watch::Sender::default(),
            batches: Mutex::default(),
            writable: watch::Sender::new(writable),
            refused: watch::Sender::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
        })
    }

    fn ids(&self) -> BTreeSet<String> {
        self.taken.borrow().iter().filter_map(|m| m.message_id.clone()).collect()
    }

    async fn has(&self, count: usize) {
        let distinct = |all: &Vec<Incoming>| all.iter().map(|m| &m.message_id).collect::<BTreeSet<_>>().len();
        let mut taken = self.taken.subscribe();
        soon("messages taken", taken.wait_for(|all| distinct(all) >= count)).await.unwrap();
    }
}

#[async_trait]
impl Intake for Journal {
    async fn take(&self, batch: Vec<Incoming>) -> Result<(), IntakeError> {
        self.gate.acquire().await.unwrap().forget();
        if !*self.writable.borrow() {
            self.refused.send_modify(|n| *n += 1);
            return Err(IntakeError { why: "disk full".into() });
        }
        self.batches.lock().unwrap().push(batch.len());
        self.taken.send_modify(|taken| taken.extend(batch));
        Ok(())
    }

    async fn ready(&self) {
        self.writable.subscribe().wait_for(|writable| *writable).await.unwrap();
    }
}

struct Consuming {
    state: Arc<BrokerState>,
    stop: watch::Sender<bool>,
    task: JoinHandle<ConsumeReport>,
}

impl Consuming {
    fn start(settings: &BrokerSettings, journal: &Arc<Journal>) -> Self {
        Self::into(settings, journal.clone())
    }

    fn into(settings: &BrokerSettings, intake: Arc<dyn Intake>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let state = Arc::new(BrokerState::new(clock.clone()));
        let stop = watch::Sender::new(false);
        let task = tokio::spawn(consume(Arc::new(settings.clone()), intake, clock, state.clone(), stop.subscribe()));
        Self { state, stop, task }
    }

    async fn is(&self, what: &str, wanted: impl Fn(&LinkStatus) -> bool) -> LinkStatus {
        soon(what, self.state.watch_consuming().wait_for(|status| wanted(status))).await.unwrap().clone()
    }

    async fn connected(&self) {
        self.is("consuming", |status| status.link == Link::Connected).await;
    }

    async fn stop(self) -> ConsumeReport {
        self.stop.send_replace(true);
        soon("the consumer's end", self.task).await.unwrap()
    }
}

fn publisher(settings: &BrokerSettings) -> (AmqpPublisher, Arc<BrokerState>) {
    publisher_of(Lane::Events, settings)
}

fn publisher_of(lane: Lane, settings: &BrokerSettings) -> (AmqpPublisher, Arc<BrokerState>) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(BrokerState::new(clock.clone()));
    (AmqpPublisher::new(lane, Arc::new(settings.clone()), clock, state.clone()), state)
}

fn jobs(range: std::ops::Range<usize>) -> Vec<Submission> {
    let job = |i| Submission {
        routing_key: "job.grant".into(),
        message_id: format!("m{i:05}"),
        body: Bytes::from(format!("{{\"id\":{i}}}")),
        ..Submission::default()
    };
    range.map(job).collect()
}

fn ids(range: std::ops::Range<usize>) -> BTreeSet<String> {
    range.map(|i| format!("m{i:05}")).collect()
}

async fn submit(settings: &BrokerSettings, range: std::ops::Range<usize>) {
    let mut submitter = soon("connect", Submitter::connect(Arc::new(settings.clone()))).await.unwrap();
    let verdicts = soon("submit", submitter.submit_all(&jobs(range))).await.unwrap();
    assert!(verdicts.iter().all(|v| *v == Delivered::Confirmed), "{verdicts:?}");
    submitter.close().await;
}

fn event(id: &str, exchange: &str, routing_key: &str) -> Outgoing {
    Outgoing {
        message_id: id.into(),
        exchange: exchange.into(),
        routing_key: routing_key.into(),
        correlation_id: Some(format!("c-{id}")),
        content_type: "application/cloudevents+json".into(),
        headers: BTreeMap::from([("traceparent".into(), "00-1".into())]),
        body: Bytes::from_static(b"{}"),
    }
}

async fn channel(rabbit: &Rabbit) -> (lapin::Connection, lapin::Channel) {
    let conn = lapin::Connection::connect(&rabbit.amqp_url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = conn.create_channel().await.unwrap();
    (conn, channel)
}

/// How many messages are ready in a queue. Those that a consumer left unacknowledged are among them once it is gone.
async fn depth(rabbit: &Rabbit, queue: &str) -> u32 {
    let (_conn, channel) = channel(rabbit).await;
    let options = QueueDeclareOptions::durable().passive();
    channel.queue_declare(queue.into(), options, FieldTable::default()).await.unwrap().message_count()
}
