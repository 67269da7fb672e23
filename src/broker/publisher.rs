//! Publishing the messages of a lane, on a connection of its own.
//!
//! A session is used for the next window only if the last window ended with a verdict on every message. A call that is
//! dropped half-way, a missing confirm, and any error end the session.
//!
//! **One message that the broker takes offence at harms no other.** When the broker closes the channel or the connection
//! because of something in a window, or does not confirm all of it, the window is published again in pieces, each an eighth
//! of the one before, and what fails alone on a fresh session is known. A message that was confirmed with its window is not
//! published again; the others are published four times at most: with 512 messages, 64, 8, and alone. When the broker is
//! lost, nothing is blamed on any message.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use tokio::sync::{Mutex, watch};

use super::call::{Backoff, stopped};
use super::connection::{BrokerConnection, ConnectionPurpose, Health};
use super::error::BrokerError;
use super::headers::fitting;
use super::inspect::{self, MissingRight};
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use super::window::{self, Fault, UnconfirmedMessage, WINDOW, confirming, short};
use crate::clock::Clock;
use crate::engine::ports::mail::{Delivered, Lane, Outgoing, PublishError, Publisher};

/// Into how many pieces a window is cut that failed. More pieces are more waits for confirms, fewer are more copies.
const PIECES: usize = 8;

/// Publishes over one connection, opened when it is needed, with a wait between failed attempts.
pub struct AmqpPublisher {
    lane: Lane,
    settings: Arc<BrokerSettings>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    last_good: AtomicUsize,
    /// Whether the user's right to publish was looked at.
    right_checked: AtomicBool,
    slot: Mutex<SessionSlot>,
}

/// The open session, if there is one, and the wait before the next attempt to open one.
#[derive(Default)]
struct SessionSlot {
    session: Option<PublisherSession>,
    backoff: Backoff,
}

struct PublisherSession {
    connection: BrokerConnection,
    channel: Channel,
    /// Whether nothing was published on the channel yet.
    fresh: bool,
    /// Whether the channel may not be used again, because something of a window on it is unknown.
    spent: bool,
}

impl PublisherSession {
    fn usable(&self) -> bool {
        !self.spent && self.channel.status().connected() && self.connected()
    }

    fn connected(&self) -> bool {
        self.connection.amqp.status().connected() && !matches!(*self.connection.health.borrow(), Health::Broken(..))
    }
}

impl AmqpPublisher {
    /// A publisher that connects at its first call.
    pub fn new(lane: Lane, settings: Arc<BrokerSettings>, clock: Arc<dyn Clock>, state: Arc<BrokerState>) -> Self {
        let (last_good, right_checked) = (AtomicUsize::new(0), AtomicBool::new(false));
        Self { lane, settings, clock, state, last_good, right_checked, slot: Mutex::default() }
    }

    /// Keeps the connection open while there is nothing to publish, so that readiness tells whether publishing would
    /// work. Closes it when told to stop.
    pub async fn stay_connected(&self, stop: watch::Receiver<bool>) {
        let keep = async {
            loop {
                let mut slot = self.slot.lock().await;
                let mut health = match self.session(&mut slot).await {
                    Ok(session) => {
                        let health = session.connection.health.clone();
                        slot.session = Some(session);
                        health
                    }
                    // The state has the error, and the next attempt waits for its backoff.
                    Err(_) => continue,
                };
                drop(slot);
                // This ends also when a failed window has dropped the session.
                let _ = health.wait_for(|h| matches!(h, Health::Broken(..))).await;
            }
        };
        tokio::select! {
            () = stopped(&stop) => {}
            () = keep => {}
        }
        if let Some(session) = self.slot.lock().await.session.take() {
            session.connection.close(self.settings.call_timeout).await;
        }
        self.state.set_publishing(self.lane, Link::Down, None);
    }

    /// Takes the session out of the slot, or opens a new one: on its connection if that is good, or else after the backoff of
    /// earlier failures.
    async fn session(&self, slot: &mut SessionSlot) -> Result<PublisherSession, BrokerError> {
        match slot.session.take() {
            Some(session) if session.usable() => return Ok(session),
            Some(session) if session.connected() => {
                if let Ok(session) = self.on(session.connection).await {
                    return Ok(session);
                }
            }
            _ => {}
        }
        self.clock.sleep(slot.backoff.span()).await;
        match self.open().await {
            Ok(session) => {
                self.state.set_publishing(self.lane, Link::Connected, None);
                self.state.count(|counts| counts.publisher_sessions += 1);
                Ok(session)
            }
            Err(e) => {
                slot.backoff.failed();
                tracing::warn!(lane = ?self.lane, error = %e, "publisher not connected");
                self.state.set_publishing(self.lane, Link::Down, Some(e.to_string()));
                Err(e)
            }
        }
    }

    async fn open(&self) -> Result<PublisherSession, BrokerError> {
        let (lane, state) = (self.lane, self.state.clone());
        let follow = move |health: &Health| {
            if let Health::Blocked(reason) = health {
                tracing::warn!(?lane, reason, "publishers blocked by the broker");
            }
            let (link, error) = health.link();
            state.set_publishing(lane, link, error);
        };
        let purpose = ConnectionPurpose::Publisher(lane);
        let connection = BrokerConnection::open(&self.settings, purpose, &self.last_good, follow).await?;
        let session = self.on(connection).await?;
        if !self.right_checked.load(Relaxed) {
            if let Some(missing) = self.missing_right(&session).await? {
                tracing::error!(code = %missing.code(), "{missing}");
            }
            self.right_checked.store(true, Relaxed);
        }
        Ok(session)
    }

    async fn on(&self, connection: BrokerConnection) -> Result<PublisherSession, BrokerError> {
        let limit = self.settings.call_timeout;
        self.settings.topology.declare(&connection.amqp, limit, !self.settings.declare).await?;
        let channel = confirming(&connection, limit).await?;
        Ok(PublisherSession { connection, channel, fresh: true, spent: false })
    }

    /// The right that the user lacks to publish in this lane. An answer shows too that the broker takes what is published.
    async fn missing_right(&self, session: &PublisherSession) -> Result<Option<MissingRight>, BrokerError> {
        let exchange = self.settings.topology.exchange_of(self.lane);
        inspect::missing_right(&session.connection, &self.settings, exchange).await
    }

    /// A verdict for each message, in order, as far as the broker is there.
    async fn publish_all(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, BrokerError> {
        let mut slot = self.slot.lock().await;
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut rest = pieces(0..batch.len(), WINDOW);
        while let Some(range) = rest.pop() {
            match self.publish_window(&mut slot, &batch[range.clone()]).await {
                Ok(some) => verdicts.extend(some),
                Err(Failed::Again) => rest.extend(pieces(range.clone(), range.len().div_ceil(PIECES))),
                Err(Failed::Lost(e)) if verdicts.is_empty() => return Err(e),
                Err(Failed::Lost(_)) => return Ok(verdicts),
            }
        }
        if batch.is_empty() {
            slot.session = Some(self.session(&mut slot).await?);
        }
        slot.backoff.reset();
        Ok(verdicts)
    }

    async fn publish_window(&self, slot: &mut SessionSlot, window: &[Outgoing]) -> Result<Vec<Delivered>, Failed> {
        let mut session = self.session(slot).await.map_err(Failed::Lost)?;
        let frame_max = session.connection.amqp.configuration().frame_max();
        let published =
            match window.iter().map(|message| unconfirmed(message, frame_max)).collect::<Result<Vec<_>, _>>() {
                Ok(messages) => {
                    window::publish(&session.channel, &messages, &self.settings, &session.connection.health).await
                }
                Err(e) => Err(e),
            };
        let fresh = std::mem::replace(&mut session.fresh, false);
        let error = match published {
            Ok(verdicts) => {
                slot.session = Some(session);
                return Ok(self.counted(verdicts));
            }
            Err(error) => error,
        };
        let fault = Fault::of(&error);
        // Where the broker has closed only the channel, the connection is as it was.
        session.spent = true;
        slot.session = (fault != Fault::Unconfirmed).then_some(session);
        let verdict = match fault {
            Fault::Broker => {
                slot.session = None;
                slot.backoff.failed();
                tracing::warn!(lane = ?self.lane, error = %error, "publishing failed");
                self.state.set_publishing(self.lane, Link::Down, Some(error.to_string()));
                return Err(Failed::Lost(error));
            }
            _ if window.len() > 1 => return Err(Failed::Again),
            Fault::Message(_) if !fresh => return Err(Failed::Again),
            Fault::Message(words) => Delivered::Unpublishable(words),
            Fault::Unconfirmed => Delivered::Unconfirmed,
        };
        // The control: a broker that takes offence at everything says nothing about this message.
        let session = self.session(slot).await.map_err(Failed::Lost)?;
        let answered = self.missing_right(&session).await;
        slot.session = Some(session);
        match answered {
            Ok(_) => Ok(self.counted(vec![verdict])),
            Err(e) => {
                slot.session = None;
                slot.backoff.failed();
                Err(Failed::Lost(e))
            }
        }
    }

    fn counted(&self, verdicts: Vec<Delivered>) -> Vec<Delivered> {
        self.state.count(|counts| {
            for verdict in &verdicts {
                *match verdict {
                    Delivered::Confirmed => &mut counts.confirmed,
                    Delivered::Undeliverable => &mut counts.undeliverable,
                    Delivered::Refused | Delivered::Unconfirmed => &mut counts.refused,
                    Delivered::Unpublishable(_) => &mut counts.unpublishable,
                } += 1;
            }
        });
        verdicts
    }
}

/// Why a window has no verdicts.
enum Failed {
    /// One of its messages may be the reason: it is published again, in pieces, or a single message in a fresh session.
    Again,
    /// The broker is away.
    Lost(BrokerError),
}

/// A range in pieces of `length`, the last first, as a stack is filled.
fn pieces(range: Range<usize>, length: usize) -> Vec<Range<usize>> {
    let starts = range.clone().step_by(length.max(1));
    let mut pieces: Vec<Range<usize>> = starts.map(|from| from..(from + length.max(1)).min(range.end)).collect();
    pieces.reverse();
    pieces
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.publish_all(batch).await.map_err(|e| PublishError { why: e.to_string() })
    }
}

fn unconfirmed(message: &Outgoing, frame_max: u32) -> Result<UnconfirmedMessage<'_>, BrokerError> {
    let mut properties = BasicProperties::default().with_content_type(short("content_type", &message.content_type)?);
    if let Some(id) = &message.correlation_id {
        properties = properties.with_correlation_id(short("correlation_id", id)?);
    }
    if !message.headers.is_empty() {
        let mut headers = FieldTable::default();
        for (key, value) in fitting(&message.headers, frame_max) {
            headers.insert(short("header name", &key)?, AMQPValue::LongString(LongString::from(value)));
        }
        properties = properties.with_headers(headers);
    }
    UnconfirmedMessage::new((&message.exchange, &message.routing_key, &message.message_id), properties, &message.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_cut_into_eighths_until_each_message_is_alone() {
        let mut sizes = vec![WINDOW];
        while let Some(length) = sizes.last().filter(|length| **length > 1) {
            sizes.push(pieces(0..*length, length.div_ceil(PIECES))[0].len());
        }
        assert_eq!(sizes, [512, 64, 8, 1], "each message is published four times at most");
        assert_eq!(pieces(3..20, 8), [19..20, 11..19, 3..11]);
        assert_eq!(pieces(4..6, 1), [5..6, 4..5]);
        assert_eq!(pieces(0..0, WINDOW), Vec::<Range<usize>>::new());
    }
}
