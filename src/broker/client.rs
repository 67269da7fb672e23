//! The other side of the contract: submitting jobs and following their events, for the command line and for tests.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Consumer, ExchangeKind};

use super::consumer::to_incoming;
use super::error::BrokerError;
use super::link::{Role, Wire, within};
use super::publisher::confirming;
use super::settings::BrokerSettings;
use super::topology::declare_exchange;
use super::window::{self, Letter, WINDOW, short};
use crate::engine::ports::mail::{Delivered, Incoming};

/// A job to publish. `user_id` is not a choice: it is the user of the connection, since the broker refuses any other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Submission {
    /// `job.<kind>`.
    pub routing_key: String,
    /// AMQP `message_id`: the job's id, should the body have none.
    pub message_id: String,
    /// Echoed in every event.
    pub correlation_id: Option<String>,
    /// A queue for the terminal event.
    pub reply_to: Option<String>,
    /// What program this is.
    pub app_id: Option<String>,
    /// Header `traceparent`.
    pub traceparent: Option<String>,
    /// The job, as JSON.
    pub body: Bytes,
}

/// Publishes jobs and hears of their ends.
pub struct Submitter {
    settings: Arc<BrokerSettings>,
    wire: Wire,
    channel: Channel,
}

impl Submitter {
    /// Connects; an error if there is no exchange to submit to. Declares nothing.
    pub async fn connect(settings: Arc<BrokerSettings>) -> Result<Self, BrokerError> {
        let wire = Wire::open(&settings, Role::Submit, &AtomicUsize::new(0), |_| ()).await?;
        let limit = settings.call_timeout;
        settings.topology.check(&wire.conn, limit).await?;
        let channel = confirming(&wire, limit).await?;
        Ok(Self { settings, wire, channel })
    }

    /// Publishes one job; `Ok` once a queue has it on disk. After any error but [`BrokerError::NoQueue`] and
    /// [`BrokerError::Refused`] it may have been published all the same: submit it again with the same id.
    pub async fn submit(&mut self, job: &Submission) -> Result<(), BrokerError> {
        let exchange = self.settings.topology.jobs_exchange();
        match self.submit_all(std::slice::from_ref(job)).await?.first() {
            Some(Delivered::Confirmed) => Ok(()),
            Some(Delivered::Refused) => Err(BrokerError::Refused { exchange }),
            _ => Err(BrokerError::NoQueue { exchange, routing_key: job.routing_key.clone() }),
        }
    }

    /// Publishes many jobs; one verdict for each, in order.
    pub async fn submit_all(&mut self, jobs: &[Submission]) -> Result<Vec<Delivered>, BrokerError> {
        let exchange = self.settings.topology.jobs_exchange();
        let user = short("user name", &self.wire.user)?;
        let letters = jobs.iter().map(|job| letter(job, &exchange, &user)).collect::<Result<Vec<_>, _>>()?;
        let mut verdicts = Vec::with_capacity(jobs.len());
        for letters in letters.chunks(WINDOW) {
            verdicts.extend(window::publish(&self.channel, letters, &self.settings, &self.wire.health).await?);
        }
        Ok(verdicts)
    }

    /// Declares a queue of this connection's own, to name in [`Submission::reply_to`]; it goes with the connection.
    pub async fn replies(&self) -> Result<Arrivals, BrokerError> {
        Arrivals::open(&self.wire, &self.settings, None).await
    }

    /// Says goodbye.
    pub async fn close(self) {
        self.wire.close(self.settings.call_timeout).await;
    }
}

fn letter<'a>(job: &'a Submission, exchange: &str, user: &ShortString) -> Result<Letter<'a>, BrokerError> {
    let mut p = BasicProperties::default().with_content_type("application/json".into()).with_user_id(user.clone());
    if let Some(id) = &job.correlation_id {
        p = p.with_correlation_id(short("correlation_id", id)?);
    }
    if let Some(queue) = &job.reply_to {
        p = p.with_reply_to(short("reply_to", queue)?);
    }
    if let Some(app) = &job.app_id {
        p = p.with_app_id(short("app_id", app)?);
    }
    if let Some(parent) = &job.traceparent {
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(parent.as_str())));
        p = p.with_headers(headers);
    }
    Letter::new((exchange, &job.routing_key, &job.message_id), p, &job.body)
}

/// Messages as they arrive on a queue of our own.
pub struct Arrivals {
    queue: String,
    consumer: Consumer,
    _channel: Channel,
}

impl Arrivals {
    async fn open(wire: &Wire, settings: &BrokerSettings, events: Option<&str>) -> Result<Self, BrokerError> {
        let limit = settings.call_timeout;
        let channel = within(limit, "channel.open", wire.conn.create_channel()).await?;
        let options = QueueDeclareOptions::exclusive().auto_delete();
        let queue = within(limit, "queue.declare", channel.queue_declare("".into(), options, FieldTable::default()));
        let queue = queue.await?.name().clone();
        if let Some(pattern) = events {
            let exchange = settings.topology.events_exchange();
            // The worker may not have been here yet.
            declare_exchange(&channel, &exchange, ExchangeKind::Topic, limit, !settings.declare).await?;
            let (exchange, pattern) = (exchange.as_str().into(), short("routing_key", pattern)?);
            let options = QueueBindOptions::default();
            let bound = channel.queue_bind(queue.clone(), exchange, pattern, options, FieldTable::default());
            within(limit, "queue.bind", bound).await?;
        }
        let options = BasicConsumeOptions { no_ack: true, exclusive: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(queue.clone(), "".into(), options, FieldTable::default());
        let consumer = within(limit, "basic.consume", consumer).await?;
        Ok(Self { queue: queue.to_string(), consumer, _channel: channel })
    }

    /// The queue's name.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The next message; waits for it as long as the connection lasts.
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
    arrivals: Arrivals,
    _wire: Wire,
}

impl EventTap {
    /// Follows the events whose routing key fits `pattern` (`#` for all), from now on.
    pub async fn open(settings: &BrokerSettings, pattern: &str) -> Result<Self, BrokerError> {
        let wire = Wire::open(settings, Role::Events, &AtomicUsize::new(0), |_| ()).await?;
        let arrivals = Arrivals::open(&wire, settings, Some(pattern)).await?;
        Ok(Self { arrivals, _wire: wire })
    }

    /// The next event; waits for it as long as the connection lasts.
    pub async fn next(&mut self) -> Result<Incoming, BrokerError> {
        self.arrivals.next().await
    }
}
