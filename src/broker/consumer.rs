//! The way in: deliveries to the intake, acknowledgements back, on a connection of its own.
//!
//! ```text
//!   connect ─▶ consume ─▶ gather what is there ─▶ intake commits ─▶ ack up to the highest tag ─┐
//!      ▲          ▲                                    │                                       │
//!      │          └────────────────────────────────────┼───────────────────────────────────────┘
//!      └── back off ◀── any surprise                   └─ cannot write: hold, ask again, give back at the bound
//! ```
//!
//! A delivery is acknowledged only after the intake has committed it, and only through the channel it came on. Whatever
//! goes wrong in between (a lost connection, an acknowledgement that was not sent, a cancelled consumer) ends the
//! session; the broker delivers again and the intake finds a duplicate. While the store cannot be written, deliveries
//! are held rather than returned: each return costs a unit of their delivery limit, and good messages must not be
//! dead-lettered for a full disk of ours.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::Fuse;
use futures_util::{FutureExt, StreamExt};
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Acker, Channel, Consumer};
use tokio::sync::watch;

use super::error::BrokerError;
use super::link::{Backoff, Health, Role, Wire, stopped, within};
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link, add};
use crate::clock::Clock;
use crate::engine::ports::mail::{Incoming, Intake};

/// A session that lived this long was a success: the next reconnect begins with the shortest wait.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

/// A `traceparent` has 55 bytes, of a later version perhaps more; what is longer is none.
const LONGEST_TRACEPARENT: usize = 256;

/// How consuming ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumeReport {
    /// Sessions that were begun.
    pub sessions: u64,
    /// Messages that were committed and acknowledged.
    pub taken: u64,
    /// Whether everything delivered was acknowledged. Otherwise the broker delivers the rest again.
    pub clean: bool,
}

/// Consumes jobs until `stop` says so (or its sender is gone), through every loss of the broker.
pub async fn consume(
    settings: Arc<BrokerSettings>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    stop: watch::Receiver<bool>,
) -> ConsumeReport {
    let worker = Worker { settings, intake, clock, state, stop };
    let last_good = AtomicUsize::new(0);
    let mut report = ConsumeReport { sessions: 0, taken: 0, clean: true };
    let mut backoff = Backoff::default();
    let mut pace = Pace::Full;
    loop {
        let (began, sessions, taken) = (worker.clock.uptime(), report.sessions, report.taken);
        let ended = worker.session(&last_good, pace, &mut report).await;
        if report.sessions > sessions && report.taken == taken {
            pace = Pace::Single;
        }
        match ended {
            Ok(End::Told) => {
                report.clean |= report.sessions > sessions;
                break;
            }
            Ok(End::Sound) => {
                pace = Pace::Full;
                continue;
            }
            Err(e) => {
                report.clean &= report.sessions == sessions;
                tracing::warn!(error = %e, "consuming was interrupted");
                worker.state.set_consuming(Link::Down, Some(e.to_string()));
            }
        }
        if *worker.stop.borrow() || worker.stop.has_changed().is_err() {
            break;
        }
        if worker.clock.uptime().saturating_sub(began) >= HEALTHY_AFTER {
            backoff.reset();
        }
        backoff.failed();
        tokio::select! {
            () = stopped(&worker.stop) => break,
            () = worker.clock.sleep(backoff.span()) => {}
        }
    }
    worker.state.set_consuming(Link::Down, None);
    report
}

struct Worker {
    settings: Arc<BrokerSettings>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    stop: watch::Receiver<bool>,
}

/// How many deliveries a session asks for at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// As many as the settings say.
    Full,
    /// One, until as many were taken as could have been on their way. A session that ended before it took anything may
    /// have met a message that the library cannot read: a property that is not UTF-8 ends the connection, with whatever
    /// was delivered beside it. Each time costs all of those a unit of their delivery limit, at the end of which the
    /// broker dead-letters them; one that is asked for alone takes no good ones with it.
    Single,
}

/// Why a session ended in order.
enum End {
    /// We were told to stop.
    Told,
    /// It took one by one what could have been in the way.
    Sound,
}

struct Session {
    wire: Wire,
    channel: Channel,
    /// Fused: the library reports the end of the stream once and then stays silent for ever.
    consumer: Fuse<Consumer>,
}

/// Deliveries on their way into the store, and the handle that acknowledges all of them.
struct Batch {
    messages: Vec<Incoming>,
    last: Acker,
}

impl Worker {
    /// One connection, from the first byte to the last.
    async fn session(
        &self,
        last_good: &AtomicUsize,
        pace: Pace,
        report: &mut ConsumeReport,
    ) -> Result<End, BrokerError> {
        let opened = async {
            self.store_ready().await;
            self.open(last_good, pace).await
        };
        let mut session = tokio::select! {
            () = stopped(&self.stop) => return Ok(End::Told),
            opened = opened => opened?,
        };
        report.sessions += 1;
        add(&self.state.counters.consumer_sessions, 1);
        self.state.set_consuming(Link::Connected, None);
        tracing::info!(queue = self.settings.topology.jobs_queue(), "consuming");
        let taken = report.taken;
        loop {
            let first = tokio::select! {
                biased;
                () = stopped(&self.stop) => return self.finish(session, report).await.map(|()| End::Told),
                broken = session.wire.broken() => return Err(broken),
                next = session.consumer.next() => delivery(next)?,
            };
            self.handle(&mut session, first, report).await?;
            if pace == Pace::Single && report.taken - taken >= self.settings.prefetch.into() {
                return self.finish(session, report).await.map(|()| End::Sound);
            }
        }
    }

    /// A store that cannot be written would only hold what it is given, so it is asked before the broker is.
    async fn store_ready(&self) {
        let mut ready = self.intake.ready();
        if (&mut ready).now_or_never().is_none() {
            self.state.set_consuming(Link::Held { reason: "waiting for the store".into() }, None);
            ready.await;
            self.state.set_consuming(Link::Down, None);
        }
    }

    async fn open(&self, last_good: &AtomicUsize, pace: Pace) -> Result<Session, BrokerError> {
        let limit = self.settings.call_timeout;
        let topology = &self.settings.topology;
        let state = self.state.clone();
        let wire = Wire::open(&self.settings, Role::Consumer, last_good, move |health| match health {
            Health::Open => state.set_consuming(Link::Connected, None),
            Health::Blocked(reason) => state.set_consuming(Link::Blocked { reason: reason.clone() }, None),
            Health::Broken(why) => state.set_consuming(Link::Down, Some(why.clone())),
        })
        .await?;
        if self.settings.declare {
            topology.declare(&wire.conn, limit).await?;
        } else {
            topology.check(&wire.conn, limit).await?;
        }
        let channel = within(limit, "channel.open", wire.conn.create_channel()).await?;
        let prefetch = match pace {
            Pace::Full => self.settings.prefetch.max(1), // 0 would mean no limit at all
            Pace::Single => 1,
        };
        within(limit, "basic.qos", channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
        let (queue, options) = (topology.jobs_queue().as_str().into(), BasicConsumeOptions::default());
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = within(limit, "basic.consume", consumer).await?;
        Ok(Session { wire, channel, consumer: consumer.fuse() })
    }

    /// Takes `first` and whatever else has already arrived, and acknowledges it once it is committed.
    async fn handle(
        &self,
        session: &mut Session,
        first: Delivery,
        report: &mut ConsumeReport,
    ) -> Result<(), BrokerError> {
        let batch = self.gather(&mut session.consumer, first)?;
        self.commit(&session.wire, &batch.messages).await?;
        let limit = self.settings.call_timeout;
        match within(limit, "basic.ack", batch.last.ack(BasicAckOptions { multiple: true })).await? {
            true => {
                add(&self.state.counters.acked, batch.messages.len());
                report.taken += batch.messages.len() as u64;
                Ok(())
            }
            false => Err(BrokerError::Ended { why: "the channel died before the acknowledgement".into() }),
        }
    }

    fn gather(&self, consumer: &mut Fuse<Consumer>, first: Delivery) -> Result<Batch, BrokerError> {
        let mut last = first.acker.clone();
        let mut messages = vec![self.incoming(first)];
        while messages.len() < self.settings.batch {
            // Nothing more is there, or nothing more will come; what the latter means is for the caller to say.
            let Some(Some(next)) = consumer.next().now_or_never() else { break };
            let next = delivery(Some(next))?;
            last = next.acker.clone();
            messages.push(self.incoming(next));
        }
        Ok(Batch { messages, last })
    }

    fn incoming(&self, delivery: Delivery) -> Incoming {
        add(&self.state.counters.delivered, 1);
        add(&self.state.counters.redelivered, usize::from(delivery.redelivered));
        to_incoming(delivery)
    }

    /// Returns when the intake has committed every message; asks as often as it must, up to the bound of the settings
    /// (or of the drain, once told to stop).
    async fn commit(&self, wire: &Wire, messages: &[Incoming]) -> Result<(), BrokerError> {
        let why = std::sync::Mutex::new(String::new());
        let work = async {
            let mut backoff = Backoff::default();
            loop {
                let Err(e) = self.intake.take(messages.to_vec()).await else { return };
                tracing::warn!(error = %e, messages = messages.len(), "holding deliveries back");
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
            broken = wire.broken() => return Err(broken),
            () = self.clock.sleep(self.settings.hold) => self.settings.hold,
            () = drained => self.settings.drain,
        };
        let why = why.into_inner().expect("no holder of this lock panics");
        Err(BrokerError::Held { held: messages.len(), after, why })
    }

    /// The clean stop: no new deliveries, what was delivered is taken (up to the drain's bound), then goodbye.
    async fn finish(&self, mut session: Session, report: &mut ConsumeReport) -> Result<(), BrokerError> {
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
        // Closing in order makes sure the broker has processed the acknowledgements.
        if rest.is_ok() {
            within(limit, "channel.close", session.channel.close(200, "done".into())).await?;
        }
        session.wire.close(limit).await;
        rest
    }
}

/// A consumer that ends although nobody cancelled it has lost its queue or its time.
fn delivery(next: Option<lapin::Result<Delivery>>) -> Result<Delivery, BrokerError> {
    match next {
        Some(Ok(delivery)) => Ok(delivery),
        Some(Err(source)) => Err(BrokerError::Call { call: "basic.deliver", source }),
        None => Err(BrokerError::Ended {
            why: "the broker cancelled the consumer (queue deleted, or deliveries held too long)".into(),
        }),
    }
}

/// A delivery without anything of the library in it.
pub(super) fn to_incoming(delivery: Delivery) -> Incoming {
    let Delivery { properties: p, routing_key, redelivered, data, .. } = delivery;
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    let traceparent = p.headers().as_ref().and_then(|h| match h.inner().get("traceparent") {
        Some(AMQPValue::LongString(value)) => std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned),
        Some(AMQPValue::ShortString(value)) => Some(value.to_string()),
        _ => None,
    });
    // Ours travels in a frame with other headers, which an endless one would not leave room for.
    let traceparent = traceparent.filter(|text| text.len() <= LONGEST_TRACEPARENT);
    Incoming {
        body: Bytes::from(data),
        routing_key: routing_key.to_string(),
        redelivered,
        message_id: text(p.message_id()),
        correlation_id: text(p.correlation_id()),
        reply_to: text(p.reply_to()),
        user_id: text(p.user_id()),
        app_id: text(p.app_id()),
        content_type: text(p.content_type()),
        traceparent,
    }
}
