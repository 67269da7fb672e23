//! Publishing the messages of a lane, on a connection of its own.
//!
//! A session is used for the next window only if the last window ended with a verdict on every message. A call that is
//! dropped half-way, a missing confirm, and any error end the session.
//!
//! **One message that the broker takes offence at harms no other.** When the broker closes the channel or the connection
//! because of something in a window, the window is published again in pieces, each an eighth of the one before, and what
//! fails alone on a fresh session is known. A message that was confirmed with its window is not published again; the others
//! are published four times at most: with 512 messages, 64, 8, and alone. When the broker is lost, nothing is blamed on any
//! message.
//!
//! **A queue that never confirms costs a call one wait.** When time runs out, those of the window that were confirmed are
//! done, and those that were not are known as far as the broker has come ([`window`]). The call ends with that, so that this
//! is settled before the rest is published.
//!
//! **Events wait for a right that is missing.** It concerns all of them alike, and somebody can give it; so it counts as a
//! broker that is away. Of replies each is known by itself: who asked for one has chosen where it goes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use async_trait::async_trait;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use tokio::sync::{Mutex, watch};

use super::call::{Backoff, stopped};
use super::connection::{BrokerConnection, ConnectionPurpose, Health};
use super::error::BrokerError;
use super::headers::fitting;
use super::inspect;
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use super::window::{self, Fault, Published, UnconfirmedMessage, WINDOW, confirming, short};
use crate::clock::Clock;
use crate::engine::ports::mail::{Delivered, Lane, Outgoing, PublishError, Publisher, TIMESTAMP, TYPE};

/// Into how many pieces a window is cut that failed. More pieces are more waits for confirms, fewer are more copies.
const PIECES: usize = 8;

/// AMQP `app_id` of everything that the worker publishes.
const APP_ID: &str = "crossgrant";

/// To how many messages of a window that is not confirmed the broker has come in any case. It stops reading when 32 messages
/// of a channel wait for one quorum queue, or 400 for a classic one, but it takes those that it had read by then, and it
/// reads some hundred ahead.
const BLAMED: usize = 64;

/// Publishes over one connection, opened when it is needed, with a wait between failed attempts.
pub struct AmqpPublisher {
    lane: Lane,
    settings: Arc<BrokerSettings>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
    last_good: AtomicUsize,
    slot: Mutex<SessionSlot>,
}

/// The open session, if there is one, and what is to be known before the next is opened.
#[derive(Default)]
struct SessionSlot {
    session: Option<PublisherSession>,
    /// The wait before the next attempt.
    backoff: Backoff,
    right: Right,
}

/// What is known of the user's right to publish.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Right {
    #[default]
    Unknown,
    Given,
    Missing,
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
        Self { lane, settings, clock, state, last_good: AtomicUsize::new(0), slot: Mutex::default() }
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
        match self.open(slot).await {
            Ok(session) => {
                tracing::info!(lane = ?self.lane, "publishes");
                self.state.set_publishing(self.lane, Link::Connected, None);
                self.state.count(|counts| counts.publisher_sessions += 1);
                Ok(session)
            }
            Err(e) => Err(self.lost(slot, e)),
        }
    }

    /// Takes note that nothing can be published for this reason.
    fn lost(&self, slot: &mut SessionSlot, error: BrokerError) -> BrokerError {
        slot.session = None;
        slot.backoff.failed();
        // A missing right was said when it was found.
        let text = error.to_string();
        if !matches!(error, BrokerError::NoRight(_)) && self.state.is_news_of_publishing(self.lane, &text) {
            tracing::warn!(lane = ?self.lane, error = text, "publishing is not possible; tries again, and says so once it can");
        }
        self.state.set_publishing(self.lane, Link::Down, Some(text));
        error
    }

    async fn open(&self, slot: &mut SessionSlot) -> Result<PublisherSession, BrokerError> {
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
        if slot.right != Right::Given
            && let Err(error) = self.check_right(slot, &session).await
        {
            session.connection.close(self.settings.call_timeout).await;
            return Err(error);
        }
        Ok(session)
    }

    async fn on(&self, connection: BrokerConnection) -> Result<PublisherSession, BrokerError> {
        let limit = self.settings.call_timeout;
        self.settings.topology.declare(&connection.amqp, limit, !self.settings.declare).await?;
        let channel = confirming(&connection, limit).await?;
        Ok(PublisherSession { connection, channel, fresh: true, spent: false })
    }

    /// Checks that the user may publish in this lane, and says when that changes. An answer shows too that the broker takes
    /// what is published. An error if nothing can be published; that is not so of replies, which are known one by one.
    async fn check_right(&self, slot: &mut SessionSlot, session: &PublisherSession) -> Result<(), BrokerError> {
        let exchange = self.settings.topology.exchange_of(self.lane);
        let missing = inspect::missing_right(&session.connection, &self.settings, exchange).await?;
        let now = if missing.is_some() { Right::Missing } else { Right::Given };
        let before = std::mem::replace(&mut slot.right, now);
        match missing {
            Some(missing) => {
                if before != Right::Missing {
                    tracing::error!(code = %missing.code(), "{missing}");
                }
                if self.lane == Lane::Events { Err(BrokerError::NoRight(Box::new(missing))) } else { Ok(()) }
            }
            None => {
                if before == Right::Missing {
                    tracing::info!(lane = ?self.lane, "the right to publish is there again");
                }
                Ok(())
            }
        }
    }

    /// A verdict for each message, in order, as far as the broker is there and no queue keeps the call waiting.
    async fn publish_all(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, BrokerError> {
        let mut slot = self.slot.lock().await;
        let mut verdicts = Vec::with_capacity(batch.len());
        let mut rest = pieces(0..batch.len(), WINDOW);
        while let Some(range) = rest.pop() {
            match self.publish_window(&mut slot, &batch[range.clone()]).await {
                Ok(published) => {
                    verdicts.extend(self.counted(published.verdicts));
                    if published.late.is_some() {
                        break;
                    }
                }
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

    async fn publish_window(&self, slot: &mut SessionSlot, window: &[Outgoing]) -> Result<Published, Failed> {
        let mut session = self.session(slot).await?;
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
            Ok(published @ Published { late: None, .. }) => {
                slot.session = Some(session);
                return Ok(published);
            }
            Ok(Published { verdicts, late: Some(sent) }) => {
                drop(session);
                return self.late(slot, verdicts, sent).await;
            }
            Err(error) => error,
        };
        // Where the broker has closed only the channel, the connection is as it was.
        session.spent = true;
        slot.session = Some(session);
        let words = match Fault::of(&error) {
            Fault::Broker => return Err(self.lost(slot, error).into()),
            Fault::Message(_) if window.len() > 1 || !fresh => return Err(Failed::Again),
            Fault::Message(words) => words,
        };
        self.control(slot).await?;
        Ok(Published { verdicts: vec![Delivered::Unpublishable(words)], late: None })
    }

    /// Time has run out with these verdicts, after as many messages were sent.
    async fn late(
        &self,
        slot: &mut SessionSlot,
        mut verdicts: Vec<Delivered>,
        sent: usize,
    ) -> Result<Published, Failed> {
        let blamed = sent.min(BLAMED);
        if verdicts.len() < blamed {
            match self.control(slot).await {
                Ok(()) => verdicts.resize(blamed, Delivered::Unconfirmed),
                Err(failed) if verdicts.is_empty() => return Err(failed),
                // What was confirmed is known all the same.
                Err(_) => {}
            }
        }
        Ok(Published { verdicts, late: Some(sent) })
    }

    /// The control: a broker that takes offence at everything, or answers nothing, says nothing about a message.
    async fn control(&self, slot: &mut SessionSlot) -> Result<(), Failed> {
        let session = self.session(slot).await?;
        match self.check_right(slot, &session).await {
            Ok(()) => slot.session = Some(session),
            Err(error) => return Err(self.lost(slot, error).into()),
        }
        Ok(())
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

impl From<BrokerError> for Failed {
    fn from(error: BrokerError) -> Self {
        Self::Lost(error)
    }
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
    let mut properties = BasicProperties::default()
        .with_content_type(short("content_type", &message.content_type)?)
        .with_app_id(short("app_id", APP_ID)?);
    let mut about = message.headers.clone();
    if let Some(kind) = about.remove(TYPE) {
        properties = properties.with_type(short("type", &kind)?);
    }
    if let Some(seconds) = about.remove(TIMESTAMP).and_then(|seconds| seconds.parse().ok()) {
        properties = properties.with_timestamp(seconds);
    }
    if let Some(id) = &message.correlation_id {
        properties = properties.with_correlation_id(short("correlation_id", id)?);
    }
    if !about.is_empty() {
        let mut headers = FieldTable::default();
        for (key, value) in fitting(&about, frame_max) {
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
