//! Publishing events, replies and copies of rejected messages, on a connection of its own.
//!
//! A session is used for the next window only if the last window ended with a verdict on every message. A call that is
//! dropped half-way, a missing confirm, and any error end the session.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::ConfirmSelectOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use tokio::sync::{Mutex, watch};

use super::call::{Backoff, stopped, within};
use super::connection::{BrokerConnection, ConnectionPurpose, Health};
use super::error::BrokerError;
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use super::window::{self, UnconfirmedMessage, WINDOW, short};
use crate::clock::Clock;
use crate::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

/// Publishes over one connection, opened when it is needed, with a wait between failed attempts.
pub struct AmqpPublisher {
    settings: Arc<BrokerSettings>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    last_good: AtomicUsize,
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
}

impl PublisherSession {
    fn usable(&self) -> bool {
        self.channel.status().connected() && !matches!(*self.connection.health.borrow(), Health::Broken(_))
    }
}

impl AmqpPublisher {
    /// A publisher that connects at its first call.
    pub fn new(settings: Arc<BrokerSettings>, clock: Arc<dyn Clock>, state: Arc<BrokerState>) -> Self {
        Self { settings, clock, state, last_good: AtomicUsize::new(0), slot: Mutex::default() }
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
                let _ = health.wait_for(|h| matches!(h, Health::Broken(_))).await;
            }
        };
        tokio::select! {
            () = stopped(&stop) => {}
            () = keep => {}
        }
        if let Some(session) = self.slot.lock().await.session.take() {
            session.connection.close(self.settings.call_timeout).await;
        }
        self.state.set_publishing(Link::Down, None);
    }

    /// Takes the session out of the slot, or opens a new one after the backoff of earlier failures.
    async fn session(&self, slot: &mut SessionSlot) -> Result<PublisherSession, BrokerError> {
        match slot.session.take() {
            Some(session) if session.usable() => return Ok(session),
            _ => {}
        }
        self.clock.sleep(slot.backoff.span()).await;
        match self.open().await {
            Ok(session) => {
                self.state.set_publishing(Link::Connected, None);
                self.state.count(|counts| counts.publisher_sessions += 1);
                Ok(session)
            }
            Err(e) => {
                slot.backoff.failed();
                tracing::warn!(error = %e, "publisher not connected");
                self.state.set_publishing(Link::Down, Some(e.to_string()));
                Err(e)
            }
        }
    }

    async fn open(&self) -> Result<PublisherSession, BrokerError> {
        let limit = self.settings.call_timeout;
        let state = self.state.clone();
        let follow = move |health: &Health| {
            if let Health::Blocked(reason) = health {
                tracing::warn!(reason, "publishers blocked by the broker");
            }
            let (link, error) = health.link();
            state.set_publishing(link, error);
        };
        let connection =
            BrokerConnection::open(&self.settings, ConnectionPurpose::Publisher, &self.last_good, follow).await?;
        self.settings.topology.declare(&connection.amqp, limit, !self.settings.declare).await?;
        let channel = confirming(&connection, limit).await?;
        Ok(PublisherSession { connection, channel })
    }

    async fn publish_all(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, BrokerError> {
        let messages = batch.iter().map(unconfirmed).collect::<Result<Vec<_>, _>>()?;
        let mut slot = self.slot.lock().await;
        let session = self.session(&mut slot).await?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for window in messages.chunks(WINDOW) {
            match window::publish(&session.channel, window, &self.settings, &session.connection.health).await {
                Ok(some) => verdicts.extend(some),
                Err(e) => {
                    slot.backoff.failed();
                    tracing::warn!(error = %e, "publishing failed");
                    self.state.set_publishing(Link::Down, Some(e.to_string()));
                    return Err(e);
                }
            }
        }
        slot.session = Some(session);
        slot.backoff.reset();
        let count = |of| verdicts.iter().filter(|verdict| **verdict == of).count() as u64;
        self.state.count(|counts| {
            counts.confirmed += count(Delivered::Confirmed);
            counts.undeliverable += count(Delivered::Undeliverable);
            counts.refused += count(Delivered::Refused);
        });
        Ok(verdicts)
    }
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.publish_all(batch).await.map_err(|e| PublishError { why: e.to_string() })
    }
}

/// A channel on which the broker confirms every message.
pub(super) async fn confirming(connection: &BrokerConnection, limit: Duration) -> Result<Channel, BrokerError> {
    let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
    within(limit, "confirm.select", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

fn unconfirmed(message: &Outgoing) -> Result<UnconfirmedMessage<'_>, BrokerError> {
    let mut properties = BasicProperties::default().with_content_type(short("content_type", &message.content_type)?);
    if let Some(id) = &message.correlation_id {
        properties = properties.with_correlation_id(short("correlation_id", id)?);
    }
    if !message.headers.is_empty() {
        let mut headers = FieldTable::default();
        for (key, value) in &message.headers {
            headers.insert(short("header name", key)?, AMQPValue::LongString(LongString::from(value.as_str())));
        }
        properties = properties.with_headers(headers);
    }
    UnconfirmedMessage::new((&message.exchange, &message.routing_key, &message.message_id), properties, &message.body)
}
