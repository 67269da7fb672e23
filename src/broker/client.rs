//! A client of the worker: submits jobs and follows their events, for the command line and for tests.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel, Consumer, ExchangeKind};
use sha2::{Digest as _, Sha256};

use super::call::within;
use super::connection::{BrokerConnection, ConnectionPurpose};
use super::declared::{counts, declare_exchange};
use super::error::BrokerError;
use super::incoming::to_incoming;
use super::sender::{SIGNATURE, Senders, Signed, Signer, signature};
use super::settings::BrokerSettings;
use super::window::{self, UnconfirmedMessage, WINDOW, confirming, short};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::hex;
use crate::engine::ports::mail::{Delivered, Incoming};

/// A job to publish. Where the broker verifies it, its `user_id` is the user of the connection; with a signer it is signed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Submission {
    /// `job.<kind>`.
    pub routing_key: String,
    /// AMQP `message_id`; it is the job's id if the body has none.
    pub message_id: String,
    /// AMQP `correlation_id`, which every event repeats.
    pub correlation_id: Option<String>,
    /// AMQP `reply_to`: the queue that gets the terminal event.
    pub reply_to: Option<String>,
    /// AMQP `app_id`: the name of the submitting program.
    pub app_id: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// The job, as JSON.
    pub body: Bytes,
}

/// Publishes jobs, and can receive their replies on the same connection.
pub struct Submitter {
    settings: Arc<BrokerSettings>,
    connection: BrokerConnection,
    channel: Channel,
}

impl Submitter {
    /// Connects, and checks that the exchanges and queues exist. Declares nothing.
    pub async fn connect(settings: Arc<BrokerSettings>) -> Result<Self, BrokerError> {
        let connection =
            BrokerConnection::open(&settings, ConnectionPurpose::Submit, &AtomicUsize::new(0), |_| ()).await?;
        let limit = settings.call_timeout;
        settings.topology.declare(&connection.amqp, limit, true).await?;
        let channel = confirming(&connection, limit).await?;
        Ok(Self { settings, connection, channel })
    }

    /// Publishes one job; `Ok` once a queue has it on disk. After any error except [`BrokerError::NoQueue`] and
    /// [`BrokerError::Refused`] it may still have been published: submit it again with the same id.
    pub async fn submit(&mut self, job: &Submission) -> Result<(), BrokerError> {
        let exchange = self.settings.topology.jobs_exchange();
        match self.submit_all(std::slice::from_ref(job)).await?.first() {
            Some(Delivered::Confirmed) => Ok(()),
            Some(Delivered::Refused | Delivered::Unconfirmed) => Err(BrokerError::Refused { exchange }),
            _ => Err(BrokerError::NoQueue { exchange, routing_key: job.routing_key.clone() }),
        }
    }

    /// Publishes several jobs; returns a verdict for each, in order.
    pub async fn submit_all(&mut self, jobs: &[Submission]) -> Result<Vec<Delivered>, BrokerError> {
        let exchange = self.settings.topology.jobs_exchange();
        let user = short("user name", &self.connection.user)?;
        let mut messages = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (properties, headers) = properties(job)?;
            let properties = match &self.settings.senders {
                Senders::ByUserId => properties.with_user_id(user.clone()),
                Senders::BySignature { .. } => properties,
            };
            let properties = match &self.settings.signer {
                Some(signer) => signed(signer, job, properties, headers, SystemClock.now())?,
                None if headers.inner().is_empty() => properties,
                None => properties.with_headers(headers),
            };
            messages.push(UnconfirmedMessage::new(
                (&exchange, &job.routing_key, &job.message_id),
                properties,
                &job.body,
            )?);
        }
        let mut verdicts = Vec::with_capacity(jobs.len());
        for window in messages.chunks(WINDOW) {
            let published = window::publish(&self.channel, window, &self.settings, &self.connection.health).await?;
            verdicts.extend(published.in_time(&self.settings)?);
        }
        Ok(verdicts)
    }

    /// The queue that the jobs go to.
    pub fn jobs_queue(&self) -> String {
        self.settings.topology.jobs_queue()
    }

    /// How many consumers the queue of jobs has; `None` if the broker does not say.
    pub async fn consumers(&self) -> Option<u32> {
        let queue = self.jobs_queue();
        counts(&self.connection.amqp, self.settings.call_timeout, &queue).await.ok().map(|counts| counts.consumers)
    }

    /// Declares an exclusive queue to name in [`Submission::reply_to`]. The broker deletes it with the connection.
    pub async fn replies(&self) -> Result<ExclusiveQueue, BrokerError> {
        ExclusiveQueue::open(&self.connection, &self.settings, None).await
    }

    /// Closes the connection in order.
    pub async fn close(self) {
        self.connection.close(self.settings.call_timeout).await;
    }
}

fn properties(job: &Submission) -> Result<(BasicProperties, FieldTable), BrokerError> {
    let mut p = BasicProperties::default().with_content_type("application/json".into());
    if let Some(id) = &job.correlation_id {
        p = p.with_correlation_id(short("correlation_id", id)?);
    }
    if let Some(queue) = &job.reply_to {
        p = p.with_reply_to(short("reply_to", queue)?);
    }
    if let Some(app) = &job.app_id {
        p = p.with_app_id(short("app_id", app)?);
    }
    let mut headers = FieldTable::default();
    if let Some(parent) = &job.traceparent {
        headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(parent.as_str())));
    }
    Ok((p, headers))
}

fn signed(
    signer: &Signer,
    job: &Submission,
    properties: BasicProperties,
    mut headers: FieldTable,
    now: Timestamp,
) -> Result<BasicProperties, BrokerError> {
    let timestamp = now.as_second().unsigned_abs();
    let signed = Signed {
        timestamp,
        message_id: &job.message_id,
        correlation_id: job.correlation_id.as_deref().unwrap_or_default(),
        reply_to: job.reply_to.as_deref().unwrap_or_default(),
        body_sha256: &hex(&Sha256::digest(&job.body)),
    };
    let signature = signature(signer, &signed).ok_or(BrokerError::LineFeed)?;
    headers.insert(SIGNATURE.into(), AMQPValue::LongString(LongString::from(signature)));
    Ok(properties.with_timestamp(timestamp).with_headers(headers))
}

/// A queue that only this connection reads, and its messages as they arrive.
pub struct ExclusiveQueue {
    name: String,
    consumer: Consumer,
    _channel: Channel,
}

impl ExclusiveQueue {
    async fn open(
        connection: &BrokerConnection,
        settings: &BrokerSettings,
        events: Option<&str>,
    ) -> Result<Self, BrokerError> {
        let limit = settings.call_timeout;
        let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
        let options = QueueDeclareOptions::exclusive().auto_delete();
        let queue = within(limit, "queue.declare", channel.queue_declare("".into(), options, FieldTable::default()));
        let queue = queue.await?.name().clone();
        if let Some(pattern) = events {
            let exchange = settings.topology.events_exchange();
            // The worker may not have declared it yet.
            declare_exchange(&channel, &exchange, ExchangeKind::Topic, limit, !settings.declare).await?;
            let (exchange, pattern) = (exchange.as_str().into(), short("routing_key", pattern)?);
            let options = QueueBindOptions::default();
            let bound = channel.queue_bind(queue.clone(), exchange, pattern, options, FieldTable::default());
            within(limit, "queue.bind", bound).await?;
        }
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default());
        let consumer = within(limit, "basic.consume", consumer).await?;
        Ok(Self { name: queue.to_string(), consumer, _channel: channel })
    }

    /// The name that the broker gave it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The next message. Waits until it comes or the connection ends.
    pub async fn next(&mut self) -> Result<Incoming, BrokerError> {
        match self.consumer.next().await {
            Some(Ok(delivery)) => Ok(to_incoming(delivery)),
            Some(Err(source)) => Err(BrokerError::Call { call: "basic.deliver", source }),
            None => Err(BrokerError::Ended { why: "the queue or the connection is gone".into() }),
        }
    }
}

/// Follows events over a connection of its own.
pub struct EventTap {
    events: ExclusiveQueue,
    _connection: BrokerConnection,
}

impl EventTap {
    /// Follows the events whose routing key matches `pattern` (`#` for all), from now on.
    pub async fn open(settings: &BrokerSettings, pattern: &str) -> Result<Self, BrokerError> {
        let connection =
            BrokerConnection::open(settings, ConnectionPurpose::Events, &AtomicUsize::new(0), |_| ()).await?;
        let events = ExclusiveQueue::open(&connection, settings, Some(pattern)).await?;
        Ok(Self { events, _connection: connection })
    }

    /// The next event. Waits until it comes or the connection ends.
    pub async fn next(&mut self) -> Result<Incoming, BrokerError> {
        self.events.next().await
    }
}
