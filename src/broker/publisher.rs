//! The way out: events, replies and rejected copies, on a connection of its own.
//!
//! A connection is used for the next window only if the last one ended with a verdict on every message: a call that is
//! dropped half-way, a missing confirm or any error leaves no session behind.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use lapin::options::ConfirmSelectOptions;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use tokio::sync::{Mutex, watch};

use super::error::BrokerError;
use super::link::{Backoff, Health, Role, Wire, stopped, within};
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link, add};
use super::window::{self, Letter, WINDOW, short};
use crate::clock::Clock;
use crate::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

/// Publishes over one connection, which it opens when it needs it and paces its attempts to open.
pub struct AmqpPublisher {
    settings: Arc<BrokerSettings>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    last_good: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Default)]
struct Line {
    session: Option<Session>,
    backoff: Backoff,
}

struct Session {
    wire: Wire,
    channel: Channel,
}

impl Session {
    fn usable(&self) -> bool {
        self.channel.status().connected() && !matches!(*self.wire.health.borrow(), Health::Broken(_))
    }
}

impl AmqpPublisher {
    /// Not connected yet.
    pub fn new(settings: Arc<BrokerSettings>, clock: Arc<dyn Clock>, state: Arc<BrokerState>) -> Self {
        Self { settings, clock, state, last_good: AtomicUsize::new(0), line: Mutex::default() }
    }

    /// Keeps the connection open while there is nothing to publish, so that readiness shows whether something could
    /// be; closes it when told to stop.
    pub async fn stay_connected(&self, stop: watch::Receiver<bool>) {
        let keep = async {
            loop {
                let mut line = self.line.lock().await;
                let mut health = match self.session(&mut line).await {
                    Ok(session) => {
                        let health = session.wire.health.clone();
                        line.session = Some(session);
                        health
                    }
                    // Said in the state; the next attempt waits its turn.
                    Err(_) => continue,
                };
                drop(line);
                // Ends as well when a failed window has thrown the session away.
                let _ = health.wait_for(|h| matches!(h, Health::Broken(_))).await;
            }
        };
        tokio::select! {
            () = stopped(&stop) => {}
            () = keep => {}
        }
        if let Some(session) = self.line.lock().await.session.take() {
            session.wire.close(self.settings.call_timeout).await;
        }
        self.state.set_publishing(Link::Down, None);
    }

    /// Takes the session out of the line, or opens a new one after the wait that earlier failures have earned.
    async fn session(&self, line: &mut Line) -> Result<Session, BrokerError> {
        match line.session.take() {
            Some(session) if session.usable() => return Ok(session),
            _ => {}
        }
        self.clock.sleep(line.backoff.span()).await;
        match self.open().await {
            Ok(session) => {
                self.state.set_publishing(Link::Connected, None);
                add(&self.state.counters.publisher_sessions, 1);
                Ok(session)
            }
            Err(e) => {
                line.backoff.failed();
                tracing::warn!(error = %e, "no connection to publish on");
                self.state.set_publishing(Link::Down, Some(e.to_string()));
                Err(e)
            }
        }
    }

    async fn open(&self) -> Result<Session, BrokerError> {
        let limit = self.settings.call_timeout;
        let state = self.state.clone();
        let wire = Wire::open(&self.settings, Role::Publisher, &self.last_good, move |health| match health {
            Health::Open => state.set_publishing(Link::Connected, None),
            Health::Blocked(reason) => {
                tracing::warn!(reason, "the broker blocks publishers");
                state.set_publishing(Link::Blocked { reason: reason.clone() }, None);
            }
            Health::Broken(why) => state.set_publishing(Link::Down, Some(why.clone())),
        })
        .await?;
        if self.settings.declare {
            self.settings.topology.declare(&wire.conn, limit).await?;
        } else {
            self.settings.topology.check(&wire.conn, limit).await?;
        }
        let channel = confirming(&wire, self.settings.call_timeout).await?;
        Ok(Session { wire, channel })
    }

    async fn publish_all(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, BrokerError> {
        let letters = batch.iter().map(letter).collect::<Result<Vec<_>, _>>()?;
        let mut line = self.line.lock().await;
        let session = self.session(&mut line).await?;
        let mut verdicts = Vec::with_capacity(batch.len());
        for letters in letters.chunks(WINDOW) {
            match window::publish(&session.channel, letters, &self.settings, &session.wire.health).await {
                Ok(some) => verdicts.extend(some),
                Err(e) => {
                    line.backoff.failed();
                    tracing::warn!(error = %e, "publishing failed");
                    self.state.set_publishing(Link::Down, Some(e.to_string()));
                    return Err(e);
                }
            }
        }
        line.session = Some(session);
        line.backoff.reset();
        let count = |of| verdicts.iter().filter(|v| **v == of).count();
        add(&self.state.counters.confirmed, count(Delivered::Confirmed));
        add(&self.state.counters.undeliverable, count(Delivered::Undeliverable));
        add(&self.state.counters.refused, count(Delivered::Refused));
        Ok(verdicts)
    }
}

#[async_trait]
impl Publisher for AmqpPublisher {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.publish_all(batch).await.map_err(|e| PublishError { why: e.to_string() })
    }
}

/// A channel whose publishes are confirmed.
pub(super) async fn confirming(wire: &Wire, limit: Duration) -> Result<Channel, BrokerError> {
    let channel = within(limit, "channel.open", wire.conn.create_channel()).await?;
    within(limit, "confirm.select", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
}

fn letter(message: &Outgoing) -> Result<Letter<'_>, BrokerError> {
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
    Letter::new((&message.exchange, &message.routing_key, &message.message_id), properties, &message.body)
}
