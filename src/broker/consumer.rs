//! Consuming jobs: deliveries go to the intake, acknowledgements go back, on a connection of its own.
//!
//! ```text
//!   connect ─▶ consume ─▶ gather what is there ─▶ intake commits ─▶ ack up to the highest tag ─┐
//!      ▲          ▲                                    │                                       │
//!      │          └────────────────────────────────────┼───────────────────────────────────────┘
//!      └── back off ◀── any error                      └─ cannot write: hold, try again, give back at the bound
//! ```
//!
//! A delivery is acknowledged only after the intake has committed it, and only on the channel it came on. Any failure in
//! between (a lost connection, an acknowledgement that was not sent, a cancelled consumer) ends the session; the broker
//! delivers again and the intake finds a duplicate. While the store cannot be written, deliveries are held rather than
//! returned: each return costs a unit of their delivery limit, and a full disk must not dead-letter good messages.

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
use super::error::BrokerError;
use super::incoming::to_incoming;
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use crate::clock::Clock;
use crate::engine::ports::mail::{Incoming, Intake};

/// A session that lasted this long was healthy: the next reconnect begins with the shortest wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

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
    let consumer = JobConsumer { settings, intake, clock, state, stop };
    let last_good = AtomicUsize::new(0);
    let mut report = ConsumeReport { sessions: 0, taken: 0, clean: true };
    let mut backoff = Backoff::default();
    let mut pace = Pace::Full;
    loop {
        let (began, sessions, taken) = (consumer.clock.uptime(), report.sessions, report.taken);
        let ended = consumer.session(&last_good, pace, &mut report).await;
        if report.sessions > sessions && report.taken == taken {
            pace = Pace::Single;
        }
        match ended {
            Ok(SessionEnd::Stopped) => {
                report.clean |= report.sessions > sessions;
                break;
            }
            Ok(SessionEnd::Cleared) => {
                pace = Pace::Full;
                continue;
            }
            Err(e) => {
                report.clean &= report.sessions == sessions;
                tracing::warn!(error = %e, "consumer session ended");
                consumer.state.set_consuming(Link::Down, Some(e.to_string()));
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
    stop: watch::Receiver<bool>,
}

/// The prefetch of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// The prefetch of the settings.
    Full,
    /// One delivery at a time, until a whole prefetch was taken. A session that ended before it took anything may have met
    /// a message that the library cannot read: a property that is not UTF-8 ends the connection, and everything else that
    /// was delivered with it comes again. Each time costs all of these messages a unit of their delivery limit, and at the
    /// limit the broker dead-letters them. A bad message that is fetched alone takes no good one with it.
    Single,
}

/// Why a session ended without an error.
enum SessionEnd {
    /// The worker was told to stop.
    Stopped,
    /// At the pace of one, a whole prefetch was taken: the bad message is gone.
    Cleared,
}

struct ConsumerSession {
    connection: BrokerConnection,
    channel: Channel,
    /// Fused, because the library reports the end of the stream only once.
    consumer: Fuse<Consumer>,
}

/// Deliveries on their way into the store, and the handle that acknowledges all of them.
struct DeliveryBatch {
    messages: Vec<Incoming>,
    last: Acker,
}

impl JobConsumer {
    /// Consumes on one connection, from opening to closing it.
    async fn session(
        &self,
        last_good: &AtomicUsize,
        pace: Pace,
        report: &mut ConsumeReport,
    ) -> Result<SessionEnd, BrokerError> {
        let opened = async {
            self.store_ready().await;
            self.open(last_good, pace).await
        };
        let mut session = tokio::select! {
            () = stopped(&self.stop) => return Ok(SessionEnd::Stopped),
            opened = opened => opened?,
        };
        report.sessions += 1;
        self.state.count(|counts| counts.consumer_sessions += 1);
        self.state.set_consuming(Link::Connected, None);
        tracing::info!(queue = self.settings.topology.jobs_queue(), "consuming jobs");
        let taken = report.taken;
        loop {
            let first = tokio::select! {
                biased;
                () = stopped(&self.stop) => return self.finish(session, report).await.map(|()| SessionEnd::Stopped),
                broken = session.connection.broken() => return Err(broken),
                next = session.consumer.next() => delivery(next)?,
            };
            self.handle(&mut session, first, report).await?;
            if pace == Pace::Single && report.taken - taken >= self.settings.prefetch.into() {
                return self.finish(session, report).await.map(|()| SessionEnd::Cleared);
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

    async fn open(&self, last_good: &AtomicUsize, pace: Pace) -> Result<ConsumerSession, BrokerError> {
        let limit = self.settings.call_timeout;
        let topology = &self.settings.topology;
        let state = self.state.clone();
        let follow = move |health: &Health| {
            let (link, error) = health.link();
            state.set_consuming(link, error);
        };
        let connection = BrokerConnection::open(&self.settings, ConnectionPurpose::Consumer, last_good, follow).await?;
        topology.declare(&connection.amqp, limit, !self.settings.declare).await?;
        let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
        let prefetch = match pace {
            Pace::Full => self.settings.prefetch.max(1), // 0 would mean no limit at all
            Pace::Single => 1,
        };
        within(limit, "basic.qos", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, options) = (topology.jobs_queue().as_str().into(), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = within(limit, "basic.consume", consumer).await?;
        Ok(ConsumerSession { connection, channel, consumer: consumer.fuse() })
    }

    /// Takes `first` and all that has already arrived after it, and acknowledges it once it is committed.
    async fn handle(
        &self,
        session: &mut ConsumerSession,
        first: Delivery,
        report: &mut ConsumeReport,
    ) -> Result<(), BrokerError> {
        let batch = self.gather(&mut session.consumer, first)?;
        self.commit(&session.connection, &batch.messages).await?;
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

    fn gather(&self, consumer: &mut Fuse<Consumer>, first: Delivery) -> Result<DeliveryBatch, BrokerError> {
        let mut last = first.acker.clone();
        let mut messages = vec![self.incoming(first)];
        while messages.len() < self.settings.batch {
            // No more has arrived, or the stream has ended; the caller's next read tells an end.
            let Some(Some(next)) = consumer.next().now_or_never() else { break };
            let next = delivery(Some(next))?;
            last = next.acker.clone();
            messages.push(self.incoming(next));
        }
        Ok(DeliveryBatch { messages, last })
    }

    fn incoming(&self, delivery: Delivery) -> Incoming {
        self.state.count(|counts| {
            counts.delivered += 1;
            counts.redelivered += u64::from(delivery.redelivered);
        });
        to_incoming(delivery)
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

    /// The clean stop: cancels the consumer, takes what was already delivered (for as long as `drain` allows), and closes.
    async fn finish(&self, mut session: ConsumerSession, report: &mut ConsumeReport) -> Result<(), BrokerError> {
        let limit = self.settings.call_timeout;
        let cancel = session.channel.basic_cancel(session.consumer.get_ref().tag(), BasicCancelOptions::default());
        within(limit, "basic.cancel", cancel).await?;
        let rest = async {
            while let Some(next) = session.consumer.next().await {
                let next = next.map_err(|source| BrokerError::Call { call: "basic.deliver", source })?;
                self.handle(&mut session, next, report).await?;
            }
            Ok(())
        };
        let rest = tokio::select! {
            rest = rest => rest,
            () = self.clock.sleep(self.settings.drain) => Err(BrokerError::Timeout { call: "drain", after: self.settings.drain }),
        };
        // Closing in order makes sure that the broker has processed the acknowledgements.
        if rest.is_ok() {
            within(limit, "channel.close", session.channel.close(200, "done".into())).await?;
        }
        session.connection.close(limit).await;
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
