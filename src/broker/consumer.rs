//! Consuming jobs: deliveries go to the intake, acknowledgements go back, on a connection of its own.
//!
//! ```text
//!   connect ─▶ consume ─▶ gather what is there ─▶ intake commits ─▶ ack up to the highest tag ─┐
//!      ▲          ▲                                    │                                       │
//!      │          └────────────────────────────────────┼───────────────────────────────────────┘
//!      └── back off ◀── any error                      └─ cannot write: hold, try again, give back at the bound
//! ```
//!
//! Three queues are consumed alike: the queue of jobs, the queue of whole batches, and the queue of messages that the broker has
//! given up. Messages of the last become rejections, so that their senders are told.
//!
//! A delivery is acknowledged only after the intake has committed it, and only on the channel it came on. Any failure in
//! between (a lost connection, an acknowledgement that was not sent, a cancelled consumer) ends the session; the broker
//! delivers again and the intake finds a duplicate. While the store cannot be written, deliveries are held rather than
//! returned: each return costs a unit of their delivery limit, and a full disk must not dead-letter good messages.
//!
//! Where the broker gives the messages of a queue to several consumers, only the worker that leads consumes; the others have a
//! connection and wait. A worker that begins to lead waits until the broker has taken back what the one before it had.
//!
//! In memory are at most the prefetched deliveries, each of at most 64 KiB of body and as much again of the rest
//! (`filter.rs`): with the default prefetch 28 MB, whatever is published. Of whole batches there are two, of at most 1 MiB.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures_util::stream::Fuse;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::FieldTable;
use lapin::{Acker, Channel, Consumer};
use tokio::sync::watch;

use super::call::{Backoff, stopped, within};
use super::connection::{BrokerConnection, ConnectionPurpose, Health};
use super::dead_lettered;
use super::error::BrokerError;
use super::filter::BATCHES_CONSUMER;
use super::incoming::{self, to_incoming};
use super::lead::{Lead, lead_lost};
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use crate::clock::Clock;
use crate::engine::ports::mail::{DeadLettered, Incoming, Intake};

/// A session that lasted this long was healthy: the next reconnect begins with the shortest wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);
/// How often the dead-lettered messages are counted while nothing arrives: somebody else may put them back or take them away.
const COUNT_AGAIN: Duration = Duration::from_secs(60);

/// What was consumed, and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeReport {
    /// Connections on which consuming began.
    pub sessions: u64,
    /// Messages that were committed and acknowledged.
    pub taken: u64,
    /// Whether every delivery was acknowledged. If not, the broker delivers the rest again.
    pub clean: bool,
}

/// Consumes jobs until `stop` becomes true or its sender is gone; reconnects after every loss of the broker.
pub async fn consume(
    settings: Arc<BrokerSettings>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    stop: watch::Receiver<bool>,
) -> ConsumeReport {
    let lead = Lead::new(&settings, &intake, &clock, &state);
    let consumer = JobConsumer { settings, intake, clock, state, lead, stop };
    let last_good = AtomicUsize::new(0);
    let mut report = ConsumeReport { sessions: 0, taken: 0, clean: true };
    let mut backoff = Backoff::default();
    loop {
        let (began, sessions) = (consumer.clock.uptime(), report.sessions);
        match consumer.session(&last_good, &mut report).await {
            Ok(()) => {
                report.clean |= report.sessions > sessions;
                break;
            }
            Err(e) => {
                report.clean &= report.sessions == sessions;
                let error = e.to_string();
                if consumer.state.is_news_of_consuming(&error) {
                    tracing::warn!(error, "consuming is not possible; tries again, and says so once it can");
                }
                consumer.state.set_consuming(Link::Down, Some(error));
            }
        }
        if *consumer.stop.borrow() || consumer.stop.has_changed().is_err() {
            break;
        }
        if consumer.clock.uptime().saturating_sub(began) >= HEALTHY_AFTER {
            backoff.reset();
        }
        backoff.failed();
        tokio::select! {
            () = stopped(&consumer.stop) => break,
            () = consumer.clock.sleep(backoff.span()) => {}
        }
    }
    consumer.state.set_consuming(Link::Down, None);
    report
}

struct JobConsumer {
    settings: Arc<BrokerSettings>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    lead: Lead,
    stop: watch::Receiver<bool>,
}

/// Deliveries of dead-lettered messages that may be unacknowledged at once. They are rare, and each is read only to answer
/// its sender.
const NOTICES: u16 = 20;
/// Whole batches that may be unacknowledged at once: each may have a megabyte, and the second comes while the first is committed.
const BATCHES: u16 = 2;
/// A batch with this many bytes of bodies takes no more. Jobs have a few hundred bytes, so it ends only batches of large bad
/// messages, whose commit would keep all others waiting.
const BATCH_BYTES: usize = 4 << 20;

struct ConsumerSession {
    connection: BrokerConnection,
    jobs: Subscription,
    batches: Subscription,
    notices: Subscription,
}

/// One of the queues that are consumed, on a channel of its own.
struct Subscription {
    channel: Channel,
    /// Fused, because the library reports the end of the stream only once.
    consumer: Fuse<Consumer>,
    /// Whether its messages are those that the broker has dead-lettered.
    dead_lettered: bool,
}

/// Deliveries on their way into the store, and the handle that acknowledges all of them.
struct DeliveryBatch {
    messages: Vec<Incoming>,
    last: Acker,
}

impl JobConsumer {
    /// Consumes on one connection, from opening to closing it. `Ok` when it was told to stop.
    async fn session(&self, last_good: &AtomicUsize, report: &mut ConsumeReport) -> Result<(), BrokerError> {
        let ended = self.consume_on_one(last_good, report).await;
        self.lead.end().await;
        ended
    }

    async fn consume_on_one(&self, last_good: &AtomicUsize, report: &mut ConsumeReport) -> Result<(), BrokerError> {
        let opened = async {
            self.store_ready().await;
            let connection = self.open(last_good).await?;
            tokio::select! {
                biased;
                broken = connection.broken() => return Err(broken),
                began = self.lead.begin(&connection) => began?,
            }
            self.consume(connection).await
        };
        let mut session = tokio::select! {
            () = stopped(&self.stop) => return Ok(()),
            opened = opened => opened?,
        };
        report.sessions += 1;
        self.state.count(|counts| counts.consumer_sessions += 1);
        self.state.set_consuming(Link::Connected, None);
        tracing::info!(queue = self.settings.topology.jobs_queue(), "consuming jobs");
        loop {
            let ConsumerSession { connection, jobs, batches, notices } = &mut session;
            // In turns, so that neither waits while the other has much.
            let arrived = async {
                tokio::select! {
                    next = jobs.consumer.next() => (jobs, next),
                    next = batches.consumer.next() => (batches, next),
                    next = notices.consumer.next() => (notices, next),
                }
            };
            let (subscription, next) = tokio::select! {
                biased;
                () = stopped(&self.stop) => return self.finish(session, report).await,
                broken = connection.broken() => return Err(broken),
                () = self.lead.lost() => return Err(lead_lost()),
                () = self.clock.sleep(COUNT_AGAIN) => {
                    self.count_dead_lettered(connection).await?;
                    continue;
                }
                arrived = arrived => arrived,
            };
            let first = delivery(next)?;
            self.handle(connection, subscription, first, report).await?;
            if subscription.dead_lettered {
                self.count_dead_lettered(connection).await?;
            }
        }
    }

    /// Waits for the store before the broker is asked: deliveries would only be held until it can be written.
    async fn store_ready(&self) {
        let mut ready = self.intake.ready();
        if (&mut ready).now_or_never().is_none() {
            self.state.set_consuming(Link::Held { reason: "waiting for the store".into() }, None);
            ready.await;
            self.state.set_consuming(Link::Down, None);
        }
    }

    async fn open(&self, last_good: &AtomicUsize) -> Result<BrokerConnection, BrokerError> {
        let topology = &self.settings.topology;
        let state = self.state.clone();
        let follow = move |health: &Health| {
            let (link, error) = health.link();
            state.set_consuming(link, error);
        };
        let connection = BrokerConnection::open(&self.settings, ConnectionPurpose::Consumer, last_good, follow).await?;
        topology.declare(&connection.amqp, self.settings.call_timeout, !self.settings.declare).await?;
        self.count_dead_lettered(&connection).await?;
        Ok(connection)
    }

    async fn consume(&self, connection: BrokerConnection) -> Result<ConsumerSession, BrokerError> {
        let topology = &self.settings.topology;
        let notices = self.subscribe(&connection, &topology.dead_lettered_notices(), "", NOTICES).await?;
        let notices = Subscription { dead_lettered: true, ..notices };
        let batches = self.subscribe(&connection, &topology.batches_queue(), BATCHES_CONSUMER, BATCHES).await?;
        // 0 would mean no limit at all.
        let jobs = self.subscribe(&connection, &topology.jobs_queue(), "", self.settings.prefetch.max(1)).await?;
        Ok(ConsumerSession { connection, jobs, batches, notices })
    }

    async fn subscribe(
        &self,
        connection: &BrokerConnection,
        queue: &str,
        tag: &str,
        prefetch: u16,
    ) -> Result<Subscription, BrokerError> {
        let limit = self.settings.call_timeout;
        let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
        within(limit, "basic.qos", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let consumer =
            channel.basic_consume(queue.into(), tag.into(), BasicConsumeOptions::default(), FieldTable::default());
        let consumer = within(limit, "basic.consume", consumer).await?.fuse();
        Ok(Subscription { channel, consumer, dead_lettered: false })
    }

    async fn count_dead_lettered(&self, connection: &BrokerConnection) -> Result<(), BrokerError> {
        let kept = dead_lettered::count(connection, &self.settings).await?;
        self.state.set_dead_lettered(kept);
        Ok(())
    }

    /// Takes `first` and all that has already arrived after it, and acknowledges it once it is committed.
    async fn handle(
        &self,
        connection: &BrokerConnection,
        subscription: &mut Subscription,
        first: Delivery,
        report: &mut ConsumeReport,
    ) -> Result<(), BrokerError> {
        let batch = self.gather(subscription, first)?;
        if !self.lead.lasts().await {
            return Err(lead_lost());
        }
        self.commit(connection, &batch.messages).await?;
        let limit = self.settings.call_timeout;
        match within(limit, "basic.ack", batch.last.ack(BasicAckOptions { multiple: true })).await? {
            true => {
                let taken = batch.messages.len() as u64;
                self.state.count(|counts| counts.acked += taken);
                report.taken += taken;
                Ok(())
            }
            false => Err(BrokerError::Ended { why: "the channel closed before the acknowledgement".into() }),
        }
    }

    fn gather(&self, subscription: &mut Subscription, first: Delivery) -> Result<DeliveryBatch, BrokerError> {
        let (mut last, mut messages, mut bytes) = (first.acker.clone(), Vec::new(), first.data.len());
        messages.push(self.incoming(first, subscription.dead_lettered));
        while messages.len() < self.settings.batch && bytes < BATCH_BYTES {
            // No more has arrived, or the stream has ended; the caller's next read tells an end.
            let Some(Some(next)) = subscription.consumer.next().now_or_never() else { break };
            let next = delivery(Some(next))?;
            last = next.acker.clone();
            bytes += next.data.len();
            messages.push(self.incoming(next, subscription.dead_lettered));
        }
        Ok(DeliveryBatch { messages, last })
    }

    fn incoming(&self, delivery: Delivery, dead_lettered: bool) -> Incoming {
        self.state.count(|counts| {
            counts.delivered += 1;
            counts.redelivered += u64::from(delivery.redelivered);
            counts.dead_lettered += u64::from(dead_lettered);
        });
        let dead_lettered = dead_lettered.then(|| incoming::dead_lettered(&delivery));
        let signature = incoming::signature(&delivery);
        let BrokerSettings { senders, door, .. } = &*self.settings;
        let incoming = senders.identify(door.as_ref(), signature.as_deref(), to_incoming(delivery), self.clock.now());
        if let Some(DeadLettered { reason }) = &dead_lettered {
            tracing::warn!(
                message.id = incoming.message_id,
                user = incoming.user_id,
                reason,
                "the broker gave a message up; its sender is told, and `crossgrant put-back` puts it back"
            );
        }
        Incoming { dead_lettered, ..incoming }
    }

    /// Returns when the intake has committed every message. Tries again while the store cannot be written, for as long as
    /// `hold` allows, or `drain` once the worker is told to stop.
    async fn commit(&self, connection: &BrokerConnection, messages: &[Incoming]) -> Result<(), BrokerError> {
        let why = std::sync::Mutex::new(String::new());
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                let Err(e) = self.intake.take(messages.to_vec()).await else { return };
                tracing::warn!(error = %e, messages = messages.len(), "deliveries held");
                self.state.set_consuming(Link::Held { reason: e.why.clone() }, Some(e.to_string()));
                *why.lock().expect("no holder of this lock panics") = e.why;
                self.intake.ready().await;
                backoff.failed();
                self.clock.sleep(backoff.span()).await;
            }
        };
        let drained = async {
            stopped(&self.stop).await;
            self.clock.sleep(self.settings.drain).await;
        };
        let after = tokio::select! {
            biased;
            () = work => {
                if matches!(self.state.consuming().link, Link::Held { .. }) {
                    self.state.set_consuming(Link::Connected, None);
                }
                return Ok(());
            }
            broken = connection.broken() => return Err(broken),
            () = self.clock.sleep(self.settings.hold) => self.settings.hold,
            () = drained => self.settings.drain,
        };
        let why = why.into_inner().expect("no holder of this lock panics");
        Err(BrokerError::Held { held: messages.len(), after, why })
    }

    /// The clean stop: cancels the consumers, takes what was already delivered (for as long as `drain` allows), and closes.
    async fn finish(&self, session: ConsumerSession, report: &mut ConsumeReport) -> Result<(), BrokerError> {
        let limit = self.settings.call_timeout;
        let ConsumerSession { connection, mut jobs, mut batches, mut notices } = session;
        for Subscription { channel, consumer, .. } in [&jobs, &batches, &notices] {
            let cancel = channel.basic_cancel(consumer.get_ref().tag(), BasicCancelOptions::default());
            within(limit, "basic.cancel", cancel).await?;
        }
        let rest = async {
            for subscription in [&mut jobs, &mut batches, &mut notices] {
                while let Some(next) = subscription.consumer.next().await {
                    let next = next.map_err(|source| BrokerError::Call { call: "basic.deliver", source })?;
                    self.handle(&connection, subscription, next, report).await?;
                }
            }
            Ok(())
        };
        let rest = tokio::select! {
            rest = rest => rest,
            () = self.clock.sleep(self.settings.drain) => Err(BrokerError::Timeout { call: "drain", after: self.settings.drain }),
        };
        // Closing in order makes sure that the broker has processed the acknowledgements.
        if rest.is_ok() {
            for channel in [&jobs.channel, &batches.channel, &notices.channel] {
                within(limit, "channel.close", channel.close(200, "done".into())).await?;
            }
        }
        connection.close(limit).await;
        rest
    }
}

/// A consumer ends by itself when its queue is deleted, or when deliveries were held for longer than the broker allows.
fn delivery(next: Option<lapin::Result<Delivery>>) -> Result<Delivery, BrokerError> {
    match next {
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(source)) => Err(BrokerError::Call { call: "basic.deliver", source }),
        None => Err(BrokerError::Ended {
            why: "the broker cancelled the consumer (queue deleted, or deliveries held too long)".into(),
        }),
    }
}
