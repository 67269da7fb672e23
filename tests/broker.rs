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
    Submitter, Topology, consume,
};
use crossgrant::clock::{Clock, SystemClock};
use crossgrant::engine::mail::{Delivered, Incoming, Intake, IntakeError, Outgoing, Publisher};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicRejectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use secrecy::SecretString;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::support::rabbit::Rabbit;
use crate::support::{scratch, shared_rabbit};

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
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let state = Arc::new(BrokerState::new(clock.clone()));
        let stop = watch::Sender::new(false);
        let task =
            tokio::spawn(consume(Arc::new(settings.clone()), journal.clone(), clock, state.clone(), stop.subscribe()));
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
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let state = Arc::new(BrokerState::new(clock.clone()));
    (AmqpPublisher::new(Arc::new(settings.clone()), clock, state.clone()), state)
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

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_acknowledged_and_a_clean_stop_leaves_nothing_behind() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..1000).await;
    journal.has(1000).await;
    let state = consuming.state.clone();
    let report = consuming.stop().await;
    assert_eq!(report, ConsumeReport { sessions: 1, taken: 1000, clean: true });
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
    assert_eq!(journal.ids(), ids(0..1000));
    assert_eq!((state.counts().delivered, state.counts().acked), (1000, 1000));
    assert!(journal.batches.lock().unwrap().len() < 1000, "many deliveries share one commit");
    assert_eq!(state.consuming().link, Link::Down);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_takes_what_was_already_delivered() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { batch: 10, ..settings(&rabbit) };
    let journal = Journal::new(true);
    journal.gate.forget_permits(Semaphore::MAX_PERMITS);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..50).await;
    // The first batch hangs in the store; the rest is prefetched.
    soon("the first delivery", async {
        while consuming.state.counts().delivered == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    consuming.stop.send_replace(true);
    journal.gate.add_permits(100);
    let report = consuming.stop().await;
    assert!(report.clean);
    let left = depth(&rabbit, &settings.topology.jobs_queue()).await;
    assert_eq!(u64::from(left) + report.taken, 50);
    assert_eq!(journal.taken.borrow().len() as u64, report.taken);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_written_loses_nothing_and_burns_no_delivery() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..300).await;
    let held = consuming.is("held", |status| matches!(status.link, Link::Held { .. })).await;
    assert_eq!(held.link, Link::Held { reason: "disk full".into() });
    assert_eq!(consuming.state.counts().acked, 0);
    journal.writable.send_replace(true);
    journal.has(300).await;
    consuming.connected().await;
    assert_eq!(consuming.state.counts().redelivered, 0, "held, not returned");
    let report = consuming.stop().await;
    assert_eq!(report, ConsumeReport { sessions: 1, taken: 300, clean: true });
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_held_too_long_are_given_back_once_and_come_again() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { hold: Duration::from_millis(50), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..20).await;
    let status = consuming
        .is("waiting for the store", |status| status.link == Link::Held { reason: "waiting for the store".into() })
        .await;
    assert!(status.last_error.unwrap().contains("given back"));
    let sessions = consuming.state.counts().consumer_sessions;
    assert_eq!(sessions, 1, "no new session before the store can be written");
    journal.writable.send_replace(true);
    journal.has(20).await;
    assert_eq!(journal.ids(), ids(0..20));
    assert!(consuming.stop().await.clean);
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_the_store_is_away_gives_the_messages_back() {
    let rabbit = shared_rabbit();
    let settings = BrokerSettings { drain: Duration::from_millis(50), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    journal.writable.send_replace(false);
    submit(&settings, 0..5).await;
    consuming.is("held", |status| matches!(status.link, Link::Held { .. })).await;
    let report = consuming.stop().await;
    assert_eq!((report.taken, report.clean), (0, false));

    journal.writable.send_replace(true);
    let again = Consuming::start(&settings, &journal);
    journal.has(5).await;
    assert!(again.stop().await.clean);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_arrives_with_its_properties_and_any_size() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    let mut submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let body = Bytes::from(vec![b' '; 200 * 1024]);
    let job = Submission {
        routing_key: "job.payer-change".into(),
        message_id: "NET-1/1".into(),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        app_id: Some("a".into()),
        traceparent: Some("00-1".into()),
        body: body.clone(),
    };
    submitter.submit(&job).await.unwrap();
    journal.has(1).await;
    let expected = Incoming {
        body,
        routing_key: "job.payer-change".into(),
        redelivered: false,
        message_id: Some("NET-1/1".into()),
        correlation_id: Some("c".into()),
        reply_to: Some("r".into()),
        user_id: Some("crossgrant".into()),
        app_id: Some("a".into()),
        content_type: Some("application/json".into()),
        traceparent: Some("00-1".into()),
    };
    assert_eq!(*journal.taken.borrow(), [expected]);
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_accepts_and_another_takes_over() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (one, two) = (Journal::new(true), Journal::new(true));
    let first = Consuming::start(&settings, &one);
    first.connected().await;
    let second = Consuming::start(&settings, &two);
    second.connected().await;
    submit(&settings, 0..100).await;
    one.has(100).await;
    assert!(two.ids().is_empty());
    assert!(first.stop().await.clean);
    submit(&settings, 100..200).await;
    two.has(100).await;
    assert_eq!((one.ids(), two.ids()), (ids(0..100), ids(100..200)));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_differs_is_named_with_what_to_do_and_can_be_used_as_it_is() {
    let rabbit = shared_rabbit();
    let mut settings = settings(&rabbit);
    // A classic queue in the place of the dead queue.
    let (_conn, channel) = channel(&rabbit).await;
    let name = settings.topology.dead_queue();
    let options = QueueDeclareOptions::durable();
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await.unwrap();

    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    let error = consuming.is("an error", |status| status.last_error.is_some()).await.last_error.unwrap();
    for part in [name.as_str(), "x-queue-type", "declare = false", "delete it"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    consuming.stop().await;

    // Everything else was declared all the same, so the topology is complete.
    settings.declare = false;
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_for_operators_fit_what_the_worker_declares() {
    let rabbit = Rabbit::start(scratch()).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/rabbitmq/definitions.json");
    rabbit.ctl(&["import_definitions", path]).unwrap();
    let settings = BrokerSettings { topology: Topology::new("crossgrant"), ..settings(&rabbit) };
    let journal = Journal::new(true);
    let consuming = Consuming::start(&settings, &journal);
    consuming.connected().await;
    submit(&settings, 0..3).await;
    journal.has(3).await;
    assert_eq!(consuming.state.consuming().last_error, None);
    consuming.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn submitting_without_a_taker_is_a_clear_error() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let error = Submitter::connect(Arc::new(settings.clone())).await.err().unwrap();
    assert!(matches!(error, BrokerError::Topology { .. }), "{error}");

    publisher(&settings).0.publish(&[]).await.unwrap(); // declares
    let mut submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let job = Submission { routing_key: "grant".into(), message_id: "m".into(), ..Submission::default() };
    let error = submitter.submit(&job).await.unwrap_err();
    assert!(matches!(error, BrokerError::NoQueue { .. }), "{error}");
    submitter.submit(&Submission { routing_key: "job.grant".into(), ..job }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_nobody_takes_is_told_from_the_others_of_its_batch() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, state) = publisher(&settings);
    let events = settings.topology.events_exchange();
    let mut tap = EventTap::open(&settings, "job.completed").await.unwrap();
    // The same message id goes to a taken and to an untaken address: the address tells them apart.
    let address = |i: usize| match i % 3 {
        0 => (events.as_str(), "job.completed"),
        1 => (events.as_str(), "job.waiting"),
        _ => ("", "no-such-reply-queue"),
    };
    let batch: Vec<_> = (0..900).map(|i| event(&format!("e{}", i / 3), address(i).0, address(i).1)).collect();
    for _ in 0..5 {
        let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
        for (i, verdict) in verdicts.iter().enumerate() {
            let expected = if i % 3 == 0 { Delivered::Confirmed } else { Delivered::Undeliverable };
            assert_eq!(*verdict, expected, "message {i}");
        }
        for i in 0..300 {
            let got = soon("event", tap.next()).await.unwrap();
            assert_eq!(got.message_id, Some(format!("e{i}")));
            assert_eq!(got.traceparent.as_deref(), Some("00-1"));
            assert_eq!(got.correlation_id, Some(format!("c-e{i}")));
        }
    }
    assert_eq!((state.counts().confirmed, state.counts().undeliverable), (1500, 3000));
    assert_eq!(state.counts().publisher_sessions, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_reply_queue_refuses_only_its_own_messages() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    let (publisher, _) = publisher(&settings);
    let (_conn, channel) = channel(&rabbit).await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions::exclusive();
    let full = channel.queue_declare("".into(), options, arguments).await.unwrap().name().to_string();
    publisher.publish(&[event("first", "", &full)]).await.unwrap();
    let submitter = Submitter::connect(Arc::new(settings.clone())).await.unwrap();
    let mut replies = submitter.replies().await.unwrap();
    let batch = [event("a", "", &full), event("b", "", replies.queue()), event("c", "", "nowhere")];
    let verdicts = soon("publish", publisher.publish(&batch)).await.unwrap();
    assert_eq!(verdicts, [Delivered::Refused, Delivered::Confirmed, Delivered::Undeliverable]);
    assert_eq!(soon("reply", replies.next()).await.unwrap().message_id.as_deref(), Some("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_in_mid_consumption_costs_no_message() {
    let rabbit = Arc::new(Rabbit::start(scratch()).unwrap());
    let settings = settings(&rabbit);
    let journal = Journal::new(true);
    journal.gate.forget_permits(Semaphore::MAX_PERMITS);
    journal.gate.add_permits(3);
    let consuming = Consuming::start(&BrokerSettings { batch: 20, ..settings.clone() }, &journal);
    consuming.connected().await;
    submit(&settings, 0..500).await;
    // Some batches are committed, one hangs in the store with its deliveries unacknowledged.
    soon("three batches", async {
        let mut taken = journal.taken.subscribe();
        let three = || journal.batches.lock().unwrap().len() == 3;
        taken.wait_for(|_| three()).await.unwrap();
    })
    .await;
    rabbit.sync().unwrap();
    rabbit.kill9();
    consuming.is("down", |status| status.link == Link::Down && status.last_error.is_some()).await;
    journal.gate.add_permits(1_000_000);
    tokio::task::spawn_blocking({
        let rabbit = rabbit.clone();
        move || rabbit.restart().unwrap()
    })
    .await
    .unwrap();
    journal.has(500).await;
    assert_eq!(journal.ids(), ids(0..500));
    assert!(consuming.state.counts().redelivered > 0);
    let report = consuming.stop().await;
    assert!(report.sessions >= 2 && report.clean, "{report:?}");
    assert_eq!(depth(&rabbit, &settings.topology.jobs_queue()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publisher_finds_the_broker_again_and_an_idle_one_notices_its_loss() {
    let rabbit = Arc::new(Rabbit::start(scratch()).unwrap());
    let mut settings = settings(&rabbit);
    // The first of the list never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("amqp://u:p@{}/%2f", silent.local_addr().unwrap());
    settings.urls.insert(0, SecretString::from(url));
    settings.connect_timeout = Duration::from_secs(1);
    let (publisher, state) = publisher(&settings);
    let publisher = Arc::new(publisher);
    let (stop, stopping) = watch::channel(false);
    let keeping = tokio::spawn({
        let publisher = publisher.clone();
        async move { publisher.stay_connected(stopping).await }
    });
    let mut status = state.watch_publishing();
    soon("connected", status.wait_for(|s| s.link == Link::Connected)).await.unwrap();
    let message = [event("e", "", &settings.topology.dead_queue())];
    assert_eq!(publisher.publish(&message).await.unwrap(), [Delivered::Confirmed]);

    rabbit.sync().unwrap();
    rabbit.kill9();
    soon("down", status.wait_for(|s| s.link == Link::Down)).await.unwrap();
    assert!(publisher.publish(&message).await.is_err());
    let restarting = rabbit.clone();
    tokio::task::spawn_blocking(move || restarting.restart().unwrap()).await.unwrap();
    soon("connected again", status.wait_for(|s| s.link == Link::Connected)).await.unwrap();
    assert_eq!(publisher.publish(&message).await.unwrap(), [Delivered::Confirmed]);
    assert_eq!(depth(&rabbit, &settings.topology.dead_queue()).await, 2);

    let stopping = rabbit.clone();
    tokio::task::spawn_blocking(move || stopping.stop().unwrap()).await.unwrap();
    soon("down after an orderly stop", status.wait_for(|s| s.link == Link::Down)).await.unwrap();
    stop.send_replace(true);
    soon("the keeper's end", keeping).await.unwrap();
    assert_eq!(state.publishing().link, Link::Down);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocked_broker_is_visible_and_publishing_waits_for_it() {
    let rabbit = Rabbit::start(scratch()).unwrap();
    let mut settings = settings(&rabbit);
    settings.confirm_timeout = Duration::from_secs(5);
    let (publisher, state) = publisher(&settings);
    let publisher = Arc::new(publisher);
    let to_dead = [event("e", "", &settings.topology.dead_queue())];
    publisher.publish(&to_dead).await.unwrap();
    rabbit.ctl(&["set_vm_memory_high_watermark", "absolute", "1MB"]).unwrap();
    let publishing = tokio::spawn({
        let (publisher, message) = (publisher.clone(), to_dead.clone());
        async move { publisher.publish(&message).await }
    });
    let mut status = state.watch_publishing();
    soon("blocked", status.wait_for(|s| matches!(s.link, Link::Blocked { .. }))).await.unwrap();
    assert!(!publishing.is_finished());
    rabbit.ctl(&["set_vm_memory_high_watermark", "absolute", "1GB"]).unwrap();
    assert_eq!(soon("publish", publishing).await.unwrap().unwrap(), [Delivered::Confirmed]);
    assert_eq!(state.publishing().link, Link::Connected);
    assert_eq!(depth(&rabbit, &settings.topology.dead_queue()).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_the_broker_gives_up_on_is_in_the_dead_queue() {
    let rabbit = shared_rabbit();
    let settings = settings(&rabbit);
    publisher(&settings).0.publish(&[]).await.unwrap();
    submit(&settings, 0..1).await;
    let (_conn, channel) = channel(&rabbit).await;
    let take = async |queue: String| {
        let options = BasicConsumeOptions::default();
        channel.basic_consume(queue.as_str().into(), "".into(), options, FieldTable::default()).await.unwrap()
    };
    let mut jobs = take(settings.topology.jobs_queue()).await;
    let poisonous = soon("the job", jobs.next()).await.unwrap().unwrap();
    poisonous.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    let mut dead = take(settings.topology.dead_queue()).await;
    let letter = soon("the dead letter", dead.next()).await.unwrap().unwrap();
    assert_eq!(letter.properties.message_id().as_ref().map(|id| id.as_str()), Some("m00000"));
}
