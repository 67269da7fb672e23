//! A requester who does not give up: publishes a job again until the broker confirms it, and hears all events from a
//! queue of its own that survives the broker's nodes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crossgrant::broker::Topology;
use crossgrant::clock::{Clock as _, SystemClock};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::support::rabbit::Rabbit;

/// How long a connection or a publish may take before another is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// The broker is never away for so long.
const LIMIT: Duration = Duration::from_secs(180);
/// Without a message for so long the consumer is asked for anew: its node may be stopped.
const SILENCE: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(200);

/// A message to the jobs exchange.
#[derive(Debug)]
pub struct Message {
    pub routing_key: String,
    pub body: String,
}

/// What is kept of an event, each time that it arrives.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The id of the event.
    pub id: String,
    /// The requester's id of the job.
    pub job: String,
    /// The type, such as `completed`.
    pub kind: String,
    /// Its place among the events of its job, from 1.
    pub sequence: u32,
}

/// A user of the broker.
pub struct Requester {
    urls: Vec<String>,
    topology: Topology,
    heard: Arc<Mutex<Vec<Heard>>>,
    runtime: Runtime,
}

impl Requester {
    /// Declares its queue, and hears from now on what the workers under this topology say.
    pub fn open(urls: Vec<String>, topology: Topology) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let requester = Self { urls, topology, heard: Arc::default(), runtime };
        requester.runtime.block_on(requester.declare())?;
        let (urls, queue, heard) = (requester.urls.clone(), requester.queue(), Arc::clone(&requester.heard));
        requester.runtime.spawn(async move {
            loop {
                // The broker may be away.
                let _ = hear(&urls, &queue, &heard).await;
                SystemClock.sleep(AGAIN).await;
            }
        });
        Ok(requester)
    }

    /// Publishes messages until the broker has confirmed all of them; some may be published twice.
    pub fn submit(&self, messages: &[Message]) -> Result<()> {
        let (began, mut last) = (SystemClock.uptime(), String::new());
        while SystemClock.uptime().saturating_sub(began) < LIMIT {
            match self.runtime.block_on(async { timeout(PATIENCE, self.publish(messages)).await }) {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => last = format!("{error:#}"),
                Err(_) => last = "no answer".into(),
            }
            self.runtime.block_on(SystemClock.sleep(AGAIN));
        }
        bail!("the broker takes no job: {last}")
    }

    /// Everything that has arrived, as often as it did.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// How many messages are in a queue; `None` while the broker does not say.
    pub fn depth(&self, queue: &str) -> Option<u32> {
        let ask = async {
            let (connection, channel) = connect(&self.urls).await?;
            let options = QueueDeclareOptions { passive: true, ..Default::default() };
            let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
            connection.close(200, "done".into()).await?;
            anyhow::Ok(queue.message_count())
        };
        self.runtime.block_on(async { timeout(PATIENCE, ask).await }).ok()?.ok()
    }

    /// The queue that its events come to.
    pub fn queue(&self) -> String {
        format!("{}-requester", self.topology.prefix())
    }

    async fn publish(&self, messages: &[Message]) -> Result<()> {
        let (connection, channel) = connect(&self.urls).await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let mut confirms = vec![];
        for Message { routing_key, body } in messages {
            let properties = BasicProperties::default().with_delivery_mode(2).with_user_id(Rabbit::USER.into());
            let (exchange, key) = (self.topology.jobs_exchange(), routing_key.as_str());
            confirms
                .push(channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?);
        }
        for confirm in confirms {
            let confirm = confirm.await?;
            ensure!(confirm.is_ack() && confirm.take_message().is_none(), "no queue took a job");
        }
        Ok(connection.close(200, "done".into()).await?)
    }

    /// Declares the exchange of events as the worker would, and a queue that has a copy on every node.
    async fn declare(&self) -> Result<()> {
        let (connection, channel) = connect(&self.urls).await?;
        let (events, queue) = (self.topology.events_exchange(), self.queue());
        let durable = ExchangeDeclareOptions { durable: true, ..Default::default() };
        channel.exchange_declare(events.as_str().into(), ExchangeKind::Topic, durable, FieldTable::default()).await?;
        let mut quorum = FieldTable::default();
        quorum.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        channel.queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), quorum).await?;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.into(), events.into(), "#".into(), options, none).await?;
        Ok(connection.close(200, "done".into()).await?)
    }
}

/// Connects to the first node that answers.
async fn connect(urls: &[String]) -> Result<(Connection, Channel)> {
    let each = PATIENCE / u32::try_from(urls.len() + 1)?;
    for url in urls {
        let connect = async {
            let connection = Connection::connect(url, ConnectionProperties::default()).await?;
            let channel = connection.create_channel().await?;
            lapin::Result::Ok((connection, channel))
        };
        if let Ok(Ok(connected)) = timeout(each, connect).await {
            return Ok(connected);
        }
    }
    bail!("no node answers")
}

/// Keeps what comes, until nothing does.
async fn hear(urls: &[String], queue: &str, heard: &Mutex<Vec<Heard>>) -> Result<()> {
    let (_connection, channel) = connect(urls).await?;
    let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
    let consume = channel.basic_consume(queue.into(), "".into(), options, none);
    let mut consumer = timeout(PATIENCE, consume).await??;
    while let Some(delivery) = timeout(SILENCE, consumer.next()).await? {
        let delivery = delivery?;
        heard.lock().unwrap().push(read(&delivery.data).context("what came is no event of a job")?);
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

fn read(body: &[u8]) -> Option<Heard> {
    let event: Value = serde_json::from_slice(body).ok()?;
    let data = &event["data"];
    Some(Heard {
        id: event["id"].as_str()?.to_owned(),
        job: data["job"]["id"].as_str().or_else(|| data["job_id"].as_str())?.to_owned(),
        kind: event["type"].as_str()?.trim_start_matches("crossgrant.job.").to_owned(),
        sequence: event["sequence"].as_str().and_then(|sequence| sequence.parse().ok()).unwrap_or_default(),
    })
}
