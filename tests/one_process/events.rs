//! Events that no queue takes stay with their jobs, and are published again from there.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::clock::{Clock as _, earlier};
use crossgrant::domain::{BatchEventType, EventType, JobUid};
use crossgrant::engine::loops::outbox;
use crossgrant::engine::loops::replay::{ChosenEvents, EventChoice};
use crossgrant::engine::ports::mail::{Delivered, Incoming, Lane, Outgoing, PublishError, Publisher};
use crossgrant::engine::ports::store::Taken;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use crate::support::plant::{NOT_GRANTED, Plant, grant, with};

/// A broker with a queue for every answer but those to `gone`, and with one for events only when it is told so.
#[derive(Default)]
struct Broker {
    listens: AtomicBool,
    /// The ids of the messages that it was sent, in order.
    sent: Mutex<Vec<String>>,
}

impl Broker {
    fn sent(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.lock().unwrap())
    }
}

#[async_trait]
impl Publisher for Broker {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.sent.lock().unwrap().extend(batch.iter().map(|outgoing| outgoing.message_id.clone()));
        let verdict = |outgoing: &Outgoing| match Lane::of(&outgoing.exchange) {
            Lane::Events if self.listens.load(SeqCst) => Delivered::Confirmed,
            Lane::Replies if outgoing.routing_key != "gone" => Delivered::Confirmed,
            _ => Delivered::Undeliverable,
        };
        Ok(batch.iter().map(verdict).collect())
    }
}

async fn publish(plant: &Plant, broker: &Arc<Broker>) {
    for lane in Lane::ALL {
        let (_stop, stopped) = watch::channel(true);
        outbox::publish(Arc::clone(&plant.engine), Arc::clone(broker) as _, lane, stopped).await;
    }
}

fn everything(plant: &Plant) -> EventChoice {
    let now = plant.clock.now();
    let until = crossgrant::clock::later(now, Duration::from_secs(1));
    EventChoice { since: Timestamp::UNIX_EPOCH, until, job: None, kind: None }
}

async fn chosen(plant: &Plant, choice: &EventChoice) -> ChosenEvents {
    plant.engine.choose_events(choice).await.unwrap().unwrap()
}

fn ids(chosen: &ChosenEvents) -> Vec<String> {
    chosen.events.iter().map(|(uid, sequence)| format!("{uid}.{sequence}")).collect()
}

async fn rejected(plant: &Plant, body: &str) -> JobUid {
    let incoming = Incoming { body: body.to_owned().into(), ..Incoming::default() };
    let taken = plant.inbox.accept(vec![incoming]).await.unwrap();
    let [Taken::Rejected(uid)] = taken[..] else { panic!("{taken:?}") };
    uid
}

#[tokio::test]
async fn an_event_that_no_queue_takes_is_kept_with_its_job_and_a_reply_is_dead() {
    let (plant, broker) = (Plant::new().await, Arc::new(Broker::default()));
    for (id, queue) in [("a", "answers"), ("b", "gone")] {
        let incoming = Incoming {
            body: grant(id, NOT_GRANTED).to_string().into(),
            routing_key: "job.grant".into(),
            reply_to: Some(queue.into()),
            ..Incoming::default()
        };
        plant.inbox.accept(vec![incoming]).await.unwrap();
    }
    plant.run().await;
    publish(&plant, &broker).await;
    let aside = plant.store().undeliverable(0, 99).await.unwrap();
    let dead: Vec<_> = aside.iter().map(|row| (row.outgoing.routing_key.as_str(), row.reason.as_str())).collect();
    assert_eq!(dead, [("gone", "no queue takes it")]);
    assert_eq!(plant.store().counts().await.unwrap().outbox, 0);
    let said = plant.engine.routes().unrouted("x");
    assert!(said.as_ref().is_some_and(|said| said.starts_with("no queue is bound to x; ")), "{said:?}");

    // With a queue they are all there again, under the same ids.
    broker.sent();
    broker.listens.store(true, SeqCst);
    let all = chosen(&plant, &everything(&plant)).await;
    assert_eq!((all.about, all.events.len()), (2, 4), "{all:?}");
    assert_eq!(plant.engine.publish_again(&all).await.unwrap(), 4);
    publish(&plant, &broker).await;
    assert_eq!(broker.sent(), ids(&all));
    assert_eq!(plant.engine.routes().unrouted("x"), None);
}

#[tokio::test]
async fn events_that_are_published_again_keep_no_fresh_one_waiting() {
    const EVENTS: usize = 1_500;
    let (plant, broker) = (Plant::new().await, Arc::new(Broker::default()));
    for n in 0..EVENTS {
        plant.send(&grant(&format!("g{n}"), NOT_GRANTED)).await;
    }
    publish(&plant, &broker).await;
    let first = broker.sent();
    let all = chosen(&plant, &everything(&plant)).await;
    assert_eq!(plant.engine.publish_again(&all).await.unwrap(), EVENTS);
    let counts = plant.store().counts().await.unwrap();
    assert_eq!((counts.outbox, counts.refused), (EVENTS as u64, 0));
    plant.send(&grant("fresh", NOT_GRANTED)).await;
    publish(&plant, &broker).await;
    let again = broker.sent();
    assert_eq!((again.len(), &again[1..]), (EVENTS + 1, &first[..]), "the fresh one goes first");
    assert_eq!(plant.store().counts().await.unwrap().outbox, 0);
}

#[tokio::test]
async fn events_are_chosen_by_time_type_and_job() {
    let plant = Plant::new().await;
    let began = plant.clock.now();
    let first = plant.job(grant("first", NOT_GRANTED)).await;
    plant.run().await;
    plant.clock.advance(Duration::from_secs(3600));
    let between = plant.clock.now();
    let bad = rejected(&plant, "{}").await;
    let batch = json!({"id": "b", "size": 1});
    let second = plant.job(with(grant("second", "vpc-bp1h8vbrbcgohcju50001"), "batch", batch)).await;
    plant.run().await;
    let all = everything(&plant);
    let found = async |choice: &EventChoice| ids(&chosen(&plant, choice).await);
    let of_first: Vec<String> = (1..=plant.said(first).await.len()).map(|n| format!("{first}.{n}")).collect();
    let of_second: Vec<String> = (1..=plant.said(second).await.len()).map(|n| format!("{second}.{n}")).collect();
    let of_bad = [format!("{bad}.1")];
    let [batch] = &plant.store().batches(false, None, 9).await.unwrap()[..] else { panic!("there is one batch") };
    let of_batch = [format!("{}.1", batch.uid), format!("{}.2", batch.uid)];
    assert!(of_first.len() > 1 && of_second.len() > 1);
    assert_eq!(
        found(&all).await,
        [&of_first[..], &of_second, &of_batch, &of_bad].concat(),
        "jobs, batches, rejections"
    );
    let late = EventChoice { since: between, ..all.clone() };
    assert_eq!(found(&late).await, [&of_second[..], &of_batch, &of_bad].concat());
    let early = EventChoice { until: between, ..all.clone() };
    assert_eq!(found(&early).await, of_first);
    assert_eq!(found(&EventChoice { since: between, until: between, ..all.clone() }).await, Vec::<String>::new());
    assert_eq!(found(&EventChoice { job: Some(second), ..all.clone() }).await, of_second);
    assert_eq!(found(&EventChoice { job: Some(second), ..early.clone() }).await, Vec::<String>::new());
    let accepted = EventChoice { kind: Some(EventType::Accepted.into()), ..all.clone() };
    assert_eq!(found(&accepted).await, [format!("{first}.1"), format!("{second}.1")]);
    let refused = EventChoice { kind: Some(EventType::Rejected.into()), ..all.clone() };
    assert_eq!(found(&refused).await, of_bad);
    assert_eq!(found(&EventChoice { until: between, ..refused }).await, Vec::<String>::new());
    let ended = EventChoice { kind: Some(BatchEventType::Ended.into()), ..all.clone() };
    assert_eq!(found(&ended).await, of_batch[1..]);
    assert_eq!(found(&EventChoice { until: between, ..ended }).await, Vec::<String>::new());
    let times = chosen(&plant, &all).await;
    assert!(times.first.is_some_and(|at| at >= began && at < between), "{times:?}");
    assert!(
        times.last.is_some_and(|at| at >= between && at > earlier(plant.clock.now(), Duration::from_secs(86_400 * 9)))
    );
}
