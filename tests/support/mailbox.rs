//! A requester: publishes messages of any shape, and keeps whatever comes back: events, answers and the copies of rejected messages.
//!
//! Its queues are durable and it acknowledges, so that what a worker says while the broker or the worker dies is seen
//! all the same; a message may therefore be seen twice, as by any requester.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crossgrant::broker::Topology;
use crossgrant::clock::{Clock, SystemClock};
use futures_util::StreamExt;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio::runtime::Runtime;

use super::process::LIMIT;

/// A message to publish.
#[derive(Debug, Clone, Default)]
pub struct Post {
    /// To the jobs exchange; empty: straight to the jobs queue.
    pub routing_key: String,
    pub message_id: Option<String>,
    pub correlation_id: Option<String>,
    pub reply_to: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    pub body: Vec<u8>,
}

/// Where a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Event,
    Answer,
    Dead,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub struct Mail {
    pub place: Place,
    pub routing_key: String,
    pub message_id: String,
    pub correlation_id: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Mail {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The requester's id of the job that it is about.
    pub fn job(&self) -> Option<String> {
        let data = &self.json()["data"];
        Some(data["job"]["id"].as_str().or_else(|| data["job_id"].as_str())?.to_owned())
    }

    /// Whether it is the last that will be said of a job.
    pub fn is_terminal(&self) -> bool {
        ["completed", "planned", "failed", "superseded", "cancelled"]
            .iter()
            .any(|end| self.json()["type"] == format!("crossgrant.job.{end}"))
    }
}

/// A requester.
pub struct Mailbox {
    url: String,
    topology: Topology,
    user: String,
    arrived: Arc<Arrived>,
    runtime: Runtime,
}

#[derive(Default)]
struct Arrived {
    mail: Mutex<Vec<Mail>>,
    news: Condvar,
}

impl Mailbox {
    /// A requester at the broker `url`, whose user is `user`, of the worker that has the names under `prefix`.
    pub fn open(url: &str, user: &str, prefix: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (url, topology) = (url.to_owned(), Topology::new(prefix));
        let mailbox = Self { url, topology, user: user.into(), arrived: Arc::default(), runtime };
        mailbox.runtime.block_on(mailbox.declare()).unwrap();
        for (place, queue) in [
            (Place::Event, mailbox.events_queue()),
            (Place::Answer, mailbox.answers_queue()),
            (Place::Dead, mailbox.topology.dead_queue()),
        ] {
            let (url, arrived) = (mailbox.url.clone(), mailbox.arrived.clone());
            mailbox.runtime.spawn(async move {
                loop {
                    // The dead-letter queue may not be there yet, and the broker may be away.
                    let _ = collect(&url, &queue, place, &arrived).await;
                    SystemClock.sleep(Duration::from_millis(100)).await;
                }
            });
        }
        mailbox
    }

    /// What the names of the worker's queues begin with.
    pub fn prefix(&self) -> &str {
        self.topology.prefix()
    }

    /// The queue to name in `reply_to`.
    pub fn answers_queue(&self) -> String {
        format!("{}-answers", self.topology.prefix())
    }

    fn events_queue(&self) -> String {
        format!("{}-events", self.topology.prefix())
    }

    /// Publishes messages in order; returns once queues have them all.
    pub fn publish(&self, posts: &[Post]) {
        let publish = async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            for post in posts {
                let mut p = BasicProperties::default().with_delivery_mode(2).with_user_id(self.user.as_str().into());
                if let Some(id) = &post.message_id {
                    p = p.with_message_id(id.as_str().into());
                }
                if let Some(id) = &post.correlation_id {
                    p = p.with_correlation_id(id.as_str().into());
                }
                if let Some(queue) = &post.reply_to {
                    p = p.with_reply_to(queue.as_str().into());
                }
                if let Some(parent) = &post.traceparent {
                    let mut headers = FieldTable::default();
                    headers.insert("traceparent".into(), AMQPValue::LongString(parent.as_str().into()));
                    p = p.with_headers(headers);
                }
                let (exchange, key) = match post.routing_key.as_str() {
                    "" => (String::new(), self.topology.jobs_queue()),
                    key => (self.topology.jobs_exchange(), key.to_owned()),
                };
                let options = BasicPublishOptions { mandatory: true, immediate: false };
                let confirm = channel.basic_publish(exchange.into(), key.into(), options, &post.body, p).await?.await?;
                assert!(confirm.is_ack() && confirm.take_message().is_none(), "no queue took {post:?}");
            }
            connection.close(200, "done".into()).await
        };
        self.runtime
            .block_on(async { tokio::time::timeout(LIMIT, publish).await })
            .expect("it is published in time")
            .unwrap();
    }

    /// Publishes one job under its kind, with answers wanted.
    pub fn submit(&self, job: &Value) {
        self.submit_all(std::slice::from_ref(job));
    }

    /// Publishes jobs under their kinds, with answers wanted.
    pub fn submit_all(&self, jobs: &[Value]) {
        let post = |job: &Value| Post {
            routing_key: format!("job.{}", job["kind"].as_str().unwrap()),
            reply_to: Some(self.answers_queue()),
            correlation_id: Some(format!("about {}", job["id"].as_str().unwrap())),
            body: job.to_string().into_bytes(),
            ..Post::default()
        };
        self.publish(&jobs.iter().map(post).collect::<Vec<_>>());
    }

    /// Binds the queue of events to their exchange, or takes it away.
    pub fn listens(&self, listens: bool) {
        let bind = async {
            let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            let (queue, events) = (self.events_queue().into(), self.topology.events_exchange().into());
            match listens {
                true => {
                    let options = QueueBindOptions::default();
                    channel.queue_bind(queue, events, "#".into(), options, FieldTable::default()).await?;
                }
                false => channel.queue_unbind(queue, events, "#".into(), FieldTable::default()).await?,
            }
            connection.close(200, "done".into()).await
        };
        self.runtime.block_on(bind).unwrap();
    }

    /// Everything that has arrived.
    pub fn all(&self) -> Vec<Mail> {
        self.arrived.mail.lock().unwrap().clone()
    }

    /// Waits until `find` makes something of what has arrived.
    ///
    /// # Panics
    /// When it does not in twice [`LIMIT`].
    pub fn wait<T>(&self, what: &str, mut find: impl FnMut(&[Mail]) -> Option<T>) -> T {
        let mut found = None;
        let mail = self.arrived.mail.lock().unwrap();
        let (mail, _) = self
            .arrived
            .news
            .wait_timeout_while(mail, 2 * LIMIT, |mail| {
                found = find(mail);
                found.is_none()
            })
            .unwrap();
        let count = mail.len();
        let last: Vec<String> = mail.iter().rev().take(5).map(|m| String::from_utf8_lossy(&m.body).into()).collect();
        drop(mail);
        found.unwrap_or_else(|| panic!("too late: {what}; of {count} messages the last were\n{}", last.join("\n")))
    }

    /// Waits for an event of a type, such as `waiting`, about the job `id`.
    pub fn event(&self, kind: &str, id: &str) -> Value {
        let key = format!("job.{kind}");
        self.wait(&format!("{kind} of {id}"), |all| {
            let mut events = all.iter().filter(|m| m.place == Place::Event && m.routing_key == key);
            events.find(|m| m.job().as_deref() == Some(id)).map(Mail::json)
        })
    }

    /// Waits for the end of the job `id`, whichever it is.
    pub fn end(&self, id: &str) -> Value {
        self.wait(&format!("the end of {id}"), |all| {
            let mut events = all.iter().filter(|m| m.place == Place::Event && m.is_terminal());
            events.find(|m| m.job().as_deref() == Some(id)).map(Mail::json)
        })
    }

    /// The ids of all terminal messages about the job `id`, events and answers.
    pub fn terminal_ids(&self, id: &str) -> BTreeSet<String> {
        let all = self.all().into_iter();
        all.filter(|m| m.is_terminal() && m.job().as_deref() == Some(id)).map(|m| m.message_id).collect()
    }

    /// Creates our queues, and the events exchange as the worker would.
    async fn declare(&self) -> lapin::Result<()> {
        let connection = Connection::connect(&self.url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        let (events, none) = (self.topology.events_exchange(), FieldTable::default);
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(events.as_str().into(), ExchangeKind::Topic, durable, none()).await?;
        for queue in [self.events_queue(), self.answers_queue()] {
            channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), none()).await?;
        }
        let (queue, options) = (self.events_queue(), QueueBindOptions::default());
        channel.queue_bind(queue.into(), events.into(), "#".into(), options, none()).await?;
        connection.close(200, "done".into()).await
    }
}

async fn collect(url: &str, queue: &str, place: Place, arrived: &Arrived) -> lapin::Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;
    while let Some(delivery) = consumer.next().await {
        let delivery = delivery?;
        let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
        let p = &delivery.properties;
        let header = |(name, value): (&lapin::types::ShortString, &AMQPValue)| match value {
            AMQPValue::LongString(value) => Some((name.to_string(), lossy(value))),
            _ => None,
        };
        let mail = Mail {
            place,
            routing_key: delivery.routing_key.to_string(),
            message_id: text(p.message_id()).unwrap_or_default(),
            correlation_id: text(p.correlation_id()),
            headers: p.headers().iter().flat_map(|h| h.inner().iter().filter_map(header)).collect(),
            body: delivery.data.clone(),
        };
        arrived.mail.lock().unwrap().push(mail);
        arrived.news.notify_all();
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

fn lossy(text: &LongString) -> String {
    String::from_utf8_lossy(text.as_bytes()).into_owned()
}
