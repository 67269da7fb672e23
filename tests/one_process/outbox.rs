//! The outbox: it keeps up with what comes, and what cannot be published holds up nothing else.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::clock::{Clock as _, ManualClock, later};
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::loops::outbox;
use crossgrant::engine::policy::{Allow, Policy};
use crossgrant::engine::ports::mail::{Delivered, Incoming, Intake, Lane, Outgoing, PublishError, Publisher};
use crossgrant::engine::ports::store::Taken;
use crossgrant::store::Sqlite;
use jiff::Timestamp;
use tokio::sync::{mpsc, watch};

use crate::support::idle::Counted;
use crate::support::plant::{Plant, grant};

/// Enough for each of the moments between two reads of the outbox to be met by a message that comes just then.
const MESSAGES: usize = 1_000;

struct Sent(mpsc::UnboundedSender<usize>);

#[async_trait]
impl Publisher for Sent {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.0.send(batch.len()).unwrap();
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}

/// On a clock that stands still, so that a pause would never end.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_while_the_last_one_leaves_goes_out_without_a_pause() {
    let plant = Plant::new().await;
    let (sender, mut sent) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    let publishing =
        tokio::spawn(outbox::publish(Arc::clone(&plant.engine), Arc::new(Sent(sender)), Lane::Events, stopped));
    let all = async {
        for n in 0..MESSAGES {
            plant.send(&grant(&format!("g{n}"), "vpc-bp1h8vbrbcgohcju50001")).await;
        }
        let mut published = 0;
        while published < MESSAGES {
            published += sent.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nothing waits for a pause");
    publishing.abort();
}

/// Refuses what goes to the queue `full` for as long as it is told so, and counts every attempt.
struct Broker {
    full: AtomicBool,
    /// How often each message was published, by correlation id.
    published: Mutex<BTreeMap<String, usize>>,
    /// The messages that it has taken, in order.
    taken: Mutex<Vec<String>>,
}

impl Broker {
    fn new(full: bool) -> Arc<Self> {
        Arc::new(Self { full: AtomicBool::new(full), published: Mutex::default(), taken: Mutex::default() })
    }

    fn attempts(&self) -> usize {
        self.published.lock().unwrap().values().sum()
    }

    fn took(&self) -> Vec<String> {
        self.taken.lock().unwrap().clone()
    }
}

#[async_trait]
impl Publisher for Broker {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        let mut verdicts = Vec::new();
        for outgoing in batch {
            let id = outgoing.correlation_id.clone().unwrap_or_else(|| outgoing.message_id.clone());
            *self.published.lock().unwrap().entry(id.clone()).or_default() += 1;
            let refused = outgoing.routing_key == "full" && self.full.load(SeqCst);
            verdicts.push(if refused { Delivered::Refused } else { Delivered::Confirmed });
            if !refused {
                self.taken.lock().unwrap().push(id);
            }
        }
        Ok(verdicts)
    }
}

/// Publishes what is due in a lane now.
async fn publish_due(plant: &Plant, broker: &Arc<Broker>, lane: Lane) {
    let (_stop, stopped) = watch::channel(true);
    outbox::publish(Arc::clone(&plant.engine), Arc::clone(broker) as _, lane, stopped).await;
}

/// Has answers to one request sent to a queue, under these correlation ids.
async fn answers(plant: &Plant, queue: &str, ids: impl Iterator<Item = usize>) {
    plant.inbox.accept(ids.map(|n| answer(queue, n)).collect()).await.unwrap();
}

/// A request whose answer goes to a queue, under a correlation id.
fn answer(queue: &str, n: usize) -> Incoming {
    Incoming {
        body: grant("g", "vpc-bp1h8vbrbcgohcju50001").to_string().into(),
        routing_key: "crossgrant.jobs".into(),
        reply_to: Some(queue.into()),
        correlation_id: Some(format!("{queue}{n:04}")),
        ..Incoming::default()
    }
}

fn named(queue: &str, ids: std::ops::Range<usize>) -> Vec<String> {
    ids.map(|n| format!("{queue}{n:04}")).collect()
}

#[tokio::test]
async fn a_queue_that_refuses_is_tried_less_and_less_and_then_given_up() {
    const REPLIES: usize = 1_500;
    let (plant, broker) = (Plant::new().await, Broker::new(true));
    plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
    answers(&plant, "full", 0..REPLIES).await;
    publish_due(&plant, &broker, Lane::Replies).await;
    let first = broker.attempts();
    assert!(first <= 2 * 512, "what was on its way when the queue refused: {first}");
    answers(&plant, "good", 0..1).await;
    publish_due(&plant, &broker, Lane::Replies).await;
    assert_eq!((broker.took(), broker.attempts()), (named("good", 0..1), first + 1), "only the other queue is tried");

    let began = plant.clock.now();
    let mut rounds = 0;
    while let Some(due) = plant.store().next_retry(Lane::Replies).await.unwrap() {
        plant.clock.advance_to(due);
        publish_due(&plant, &broker, Lane::Replies).await;
        rounds += 1;
        assert!(rounds < 100, "it ends");
    }
    let took = plant.clock.now().duration_since(began);
    assert!(took.as_hours() >= 4 && took.as_hours() < 8, "{took:?}");
    let attempts = broker.attempts() - first - 1;
    assert!(attempts <= 40 + REPLIES, "one for each round, and one more for each message: {attempts}");
    let aside = plant.store().undeliverable(0, 9_999).await.unwrap();
    assert!(aside.len() == REPLIES && aside.iter().all(|row| row.tries == 40 && row.reason.contains("refused it")));
    let counts = plant.store().counts().await.unwrap();
    assert_eq!((counts.refused, counts.undeliverable), (0, REPLIES as u64));
}

#[tokio::test]
async fn a_queue_with_room_again_gets_its_messages_in_order() {
    let (plant, broker) = (Plant::new().await, Broker::new(true));
    plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
    answers(&plant, "full", 0..1_200).await;
    publish_due(&plant, &broker, Lane::Replies).await;
    broker.full.store(false, SeqCst);
    answers(&plant, "full", 1_200..1_300).await;
    publish_due(&plant, &broker, Lane::Replies).await;
    assert_eq!(broker.took(), Vec::<String>::new(), "none overtakes the one that was refused");
    plant.clock.advance(Duration::from_secs(1));
    publish_due(&plant, &broker, Lane::Replies).await;
    assert_eq!(broker.took(), named("full", 0..1_300));
}

/// Takes nothing and never answers.
struct Silent;

#[async_trait]
impl Publisher for Silent {
    async fn publish(&self, _: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn replies_that_go_nowhere_hold_up_no_event() {
    let (plant, broker) = (Plant::new().await, Broker::new(false));
    plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
    answers(&plant, "q", 0..600).await;
    let (stop, stopped) = watch::channel(false);
    let engine = || Arc::clone(&plant.engine);
    let replies = tokio::spawn(outbox::publish(engine(), Arc::new(Silent), Lane::Replies, stopped.clone()));
    let events = tokio::spawn(outbox::publish(engine(), broker.clone(), Lane::Events, stopped));
    let out = async {
        plant.send(&grant("h", "vpc-bp1h8vbrbcgohcju50002")).await;
        while broker.took().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), out).await.expect("both events are out");
    assert!(!replies.is_finished());
    stop.send_replace(true);
    events.await.unwrap();
    replies.abort();
}

#[tokio::test]
async fn what_was_confirmed_is_published_once_however_long_the_store_cannot_be_written() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(include_str!("../../examples/world.toml"), store.clone(), None).await;
    let broker = Broker::new(false);
    for n in 0..100 {
        plant.send(&grant(&format!("g{n}"), "vpc-bp1h8vbrbcgohcju50001")).await;
    }
    store.settles(false);
    let (stop, stopped) = watch::channel(false);
    let publishing = tokio::spawn(outbox::publish(Arc::clone(&plant.engine), broker.clone(), Lane::Events, stopped));
    store.idle().await;
    // More comes, and nothing of it goes out before the store can be written.
    plant.send(&grant("later", "vpc-bp1h8vbrbcgohcju50001")).await;
    let (began, mut tries) = (plant.clock.now(), 0);
    while plant.clock.now().duration_since(began).as_mins() < 30 {
        let Some(next) = plant.clock.next_wake() else { panic!("it tries again") };
        plant.clock.advance_to(next);
        store.idle().await;
        tries += 1;
    }
    assert!(tries < 80, "the waits grow: {tries} in half an hour");
    assert_eq!(broker.attempts(), 100, "each once");

    store.settles(true);
    plant.clock.advance(Duration::from_secs(30));
    store.idle().await;
    assert_eq!((broker.attempts(), broker.took().len()), (101, 101));
    assert_eq!(plant.store().counts().await.unwrap().outbox, 0);
    stop.send_replace(true);
    publishing.await.unwrap();
}

/// Confirms all but what goes to queues named `asleep…`, for which it waits as long as a broker is waited for: it blames
/// those before the last that was confirmed, and the first others.
struct Patient {
    clock: Arc<ManualClock>,
    /// When each of the others was published, by correlation id.
    published: Mutex<BTreeMap<String, Vec<Timestamp>>>,
}

#[async_trait]
impl Publisher for Patient {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        let asleep = |outgoing: &Outgoing| outgoing.routing_key.starts_with("asleep");
        for outgoing in batch.iter().filter(|outgoing| !asleep(outgoing)) {
            let id = outgoing.correlation_id.clone().unwrap_or_default();
            self.published.lock().unwrap().entry(id).or_default().push(self.clock.now());
        }
        let verdict = |outgoing| if asleep(outgoing) { Delivered::Unconfirmed } else { Delivered::Confirmed };
        let mut verdicts: Vec<Delivered> = batch.iter().map(verdict).collect();
        if verdicts.contains(&Delivered::Unconfirmed) {
            self.clock.sleep(Duration::from_secs(30)).await;
            let last = verdicts.iter().rposition(|verdict| *verdict == Delivered::Confirmed);
            verdicts.truncate(last.map_or(0, |last| last + 1).max(64));
        }
        Ok(verdicts)
    }
}

#[tokio::test]
async fn a_fresh_reply_waits_once_for_old_ones_that_no_queue_confirms() {
    const WINDOW: Duration = Duration::from_secs(30);
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(include_str!("../../examples/world.toml"), store.clone(), None).await;
    let broker = Arc::new(Patient { clock: plant.clock.clone(), published: Mutex::default() });
    plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
    for n in 0..300 {
        answers(&plant, &format!("asleep{n}-"), 0..2).await;
    }
    let (stop, stopped) = watch::channel(false);
    let publishing = tokio::spawn(outbox::publish(Arc::clone(&plant.engine), broker.clone(), Lane::Replies, stopped));
    let put_off = async || plant.store().counts().await.unwrap().refused == 600;
    while !put_off().await {
        store.idle().await;
        plant.clock.advance_to(plant.clock.next_wake().expect("it goes on"));
    }
    let run_for = async |span| {
        let until = later(plant.clock.now(), span);
        store.idle().await;
        while let Some(wake) = plant.clock.next_wake().filter(|wake| *wake <= until) {
            plant.clock.advance_to(wake);
            store.idle().await;
        }
        plant.clock.advance_to(until);
        store.idle().await;
    };
    // One every seven seconds, while the old ones are tried again and again.
    let mut sent = BTreeMap::new();
    for n in 0..400 {
        answers(&plant, "good", n..n + 1).await;
        plant.engine.ring();
        sent.insert(format!("good{n:04}"), plant.clock.now());
        run_for(Duration::from_secs(7)).await;
    }
    run_for(WINDOW).await;
    let published = broker.published.lock().unwrap().clone();
    assert_eq!(published.len(), sent.len());
    for (id, at) in sent {
        let [published] = published[&id][..] else { panic!("{id} was published at {:?}", published[&id]) };
        let waited = Duration::try_from(published.duration_since(at)).unwrap();
        assert!(waited <= WINDOW, "{id} waited for {waited:?}");
    }
    let counts = plant.store().counts().await.unwrap();
    // The first of each queue is tried, the second stays behind it; and the event is in the other lane.
    assert_eq!((counts.outbox, counts.refused), (601, 600));
    stop.send_replace(true);
    publishing.abort();
}

/// Refuses what goes to `full`, and has more to do with each call.
struct Endless {
    inbox: Arc<dyn Intake>,
    calls: AtomicUsize,
    refused: AtomicUsize,
}

#[async_trait]
impl Publisher for Endless {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.inbox.take(vec![answer("good", self.calls.fetch_add(1, SeqCst))]).await.unwrap();
        let verdict = |outgoing: &Outgoing| match outgoing.routing_key.as_str() {
            "full" => {
                self.refused.fetch_add(1, SeqCst);
                Delivered::Refused
            }
            _ => Delivered::Confirmed,
        };
        Ok(batch.iter().map(verdict).collect())
    }
}

#[tokio::test]
async fn what_was_refused_is_tried_again_though_there_is_always_something_fresh() {
    let plant = Plant::new().await;
    plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
    answers(&plant, "full", 0..1).await;
    publish_due(&plant, &Broker::new(true), Lane::Replies).await;
    plant.clock.advance(Duration::from_secs(1));
    let inbox = Inbox::new(Arc::clone(&plant.engine), "crossgrant", "crossgrant.dead");
    let broker =
        Arc::new(Endless { inbox: Arc::new(inbox), calls: AtomicUsize::default(), refused: AtomicUsize::default() });
    answers(&plant, "good", 0..1).await;
    let (_stop, stopped) = watch::channel(false);
    let publishing = tokio::spawn(outbox::publish(Arc::clone(&plant.engine), broker.clone(), Lane::Replies, stopped));
    while broker.refused.load(SeqCst) == 0 {
        assert!(broker.calls.load(SeqCst) < 100, "it is tried now and then");
        tokio::task::yield_now().await;
    }
    publishing.abort();
}

async fn governed(rules: Vec<Allow>) -> Plant {
    let policy = Policy::new(rules, BTreeMap::new());
    Plant::new().await.restarted(policy, || Arc::new(Sqlite::in_memory().unwrap())).await
}

#[tokio::test]
async fn answers_go_only_where_the_policy_lets_them() {
    let mut rule = Allow {
        requesters: vec!["*".into(), "anonymous".into()],
        kinds: None,
        resource_accounts: None,
        cens: None,
        order_types: None,
        reply_to: Some(vec!["tickets.*".into()]),
        webhook_hosts: vec![],
    };
    let (plant, broker) = (governed(vec![rule.clone()]).await, Broker::new(false));
    let send = async |plant: &Plant, body: &str, queue: &str| {
        let incoming = Incoming {
            body: body.to_owned().into(),
            reply_to: Some(queue.into()),
            correlation_id: Some(format!("{queue} {}", body.len())),
            ..Incoming::default()
        };
        plant.inbox.accept(vec![incoming]).await.unwrap()[0]
    };
    let good = grant("g", "vpc-bp1h8vbrbcgohcju50001").to_string();
    for body in ["{}", good.as_str()] {
        assert!(matches!(send(&plant, body, "payments.in").await, Taken::Rejected(_)), "{body}");
        let rejected = plant.store().rejections(1, None).await.unwrap();
        assert!(rejected[0].reasons.to_string().contains("job-reply-to-not-allowed"), "{rejected:?}");
    }
    assert!(matches!(send(&plant, &good, "tickets.a").await, Taken::New(_)));
    assert!(matches!(send(&plant, &good, "tickets.b").await, Taken::Repeated(_)));
    publish_due(&plant, &broker, Lane::Replies).await;
    let replies: Vec<String> = broker.took().into_iter().filter(|id| id.starts_with("tickets")).collect();
    assert_eq!(replies, [format!("tickets.b {}", good.len())]);
    let copies = broker.took().len() - replies.len();
    assert_eq!(copies, 2, "the two rejected messages, to the queue of dead letters: {:?}", broker.took());

    rule.reply_to = None;
    let open = governed(vec![rule]).await;
    assert!(matches!(send(&open, &good, "payments.in").await, Taken::New(_)), "a rule without the list allows all");
}
