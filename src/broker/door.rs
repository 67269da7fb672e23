//! The door: publishes jobs that have come in over HTTP, signed by this worker, on a connection of its own.
//!
//! They go to the queue of jobs through the default exchange, which the worker may publish to anyway, and without `user_id`: a
//! worker that does not know the signature takes them for jobs of `anonymous`, and not for its own.
//!
//! One message at a time is on its way, because nothing else may publish on a channel while its confirms are awaited ([`window`]).
//! A message that was not confirmed when the connection was lost is published once more: it is the same job.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Channel};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connection::{BrokerConnection, ConnectionPurpose, Health};
use super::error::BrokerError;
use super::sender::{DoorKeys, SIGNATURE, Signed, Signer, signature};
use super::settings::BrokerSettings;
use super::window::{self, Published, UnconfirmedMessage, confirming, short};
use crate::domain::{contract, hex};
use crate::engine::ports::door::{DoorMessage, DoorPublisher, NotPublished};
use crate::engine::ports::mail::Delivered;

/// How long a message waits for those before it, for a connection, and for its confirm. Together they stay below the time that an
/// answer of the admin API may take.
const TURN: Duration = Duration::from_secs(5);
const OPEN: Duration = Duration::from_secs(5);
const CONFIRM: Duration = Duration::from_secs(8);

/// AMQP `app_id` of what comes in over HTTP.
const APP_ID: &str = "crossgrant http";

/// Publishes over one connection, opened when it is needed.
pub struct AmqpDoor {
    settings: BrokerSettings,
    keys: DoorKeys,
    last_good: AtomicUsize,
    slot: Mutex<Option<DoorSession>>,
}

struct DoorSession {
    connection: BrokerConnection,
    channel: Channel,
}

impl DoorSession {
    fn is_open(&self) -> bool {
        self.channel.status().connected() && !matches!(*self.connection.health.borrow(), Health::Broken(..))
    }

    /// Why the broker takes nothing from publishers, if it does not.
    fn blocked(&self) -> Option<String> {
        match &*self.connection.health.borrow() {
            Health::Blocked(reason) => Some(reason.clone()),
            Health::Open | Health::Broken(..) => None,
        }
    }
}

impl AmqpDoor {
    /// A door with these keys, which connects when it is first used.
    pub fn new(settings: &BrokerSettings, keys: DoorKeys) -> Self {
        let settings = BrokerSettings { confirm_timeout: CONFIRM, ..settings.clone() };
        Self { settings, keys, last_good: AtomicUsize::new(0), slot: Mutex::default() }
    }

    /// Closes the connection in order.
    pub async fn close(&self) {
        if let Some(session) = self.slot.lock().await.take() {
            session.connection.close(self.settings.call_timeout).await;
        }
    }

    async fn open(&self) -> Result<DoorSession, BrokerError> {
        let connection =
            BrokerConnection::open(&self.settings, ConnectionPurpose::Door, &self.last_good, |_| ()).await?;
        let channel = confirming(&connection, self.settings.call_timeout).await?;
        Ok(DoorSession { connection, channel })
    }

    fn properties(&self, message: &DoorMessage) -> Result<BasicProperties, BrokerError> {
        let DoorMessage { requester, message_id, correlation_id, reply_to, traceparent, body, at } = message;
        let timestamp = at.as_second().unsigned_abs();
        let reply = reply_to.as_deref().unwrap_or_default();
        let signed =
            Signed { timestamp, message_id, correlation_id, reply_to: reply, body_sha256: &hex(&Sha256::digest(body)) };
        let key = self.keys.keys.first().cloned().expect("a door has a key");
        let signature =
            signature(&Signer { requester: requester.clone(), key }, &signed).ok_or(BrokerError::LineFeed)?;
        let mut headers = FieldTable::default();
        headers.insert(SIGNATURE.into(), AMQPValue::LongString(LongString::from(signature)));
        if let Some(parent) = traceparent {
            headers.insert("traceparent".into(), AMQPValue::LongString(LongString::from(parent.as_str())));
        }
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_correlation_id(short("correlation_id", correlation_id)?)
            .with_app_id(APP_ID.into())
            .with_timestamp(timestamp)
            .with_headers(headers);
        Ok(match reply_to {
            Some(url) => properties.with_reply_to(short("reply_to", url)?),
            None => properties,
        })
    }

    /// Publishes the message in the session of the slot, or in a new one.
    async fn publish_in(&self, slot: &mut Option<DoorSession>, message: &DoorMessage) -> Result<(), NotPublished> {
        let mut unknown: Option<String> = None;
        for _ in 0..2 {
            let session = match slot.take().filter(DoorSession::is_open) {
                Some(session) => Ok(session),
                None => match timeout(OPEN, self.open()).await {
                    Ok(opened) => opened.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("the broker did not answer within {OPEN:?}")),
                },
            };
            let session = match (session, unknown.take()) {
                (Ok(session), _) => session,
                (Err(why), None) => return Err(NotPublished::NotTaken(why)),
                (Err(_), Some(why)) => return Err(NotPublished::Unconfirmed(why)),
            };
            if let Some(why) = session.blocked() {
                *slot = Some(session);
                return Err(NotPublished::NotTaken(format!("the broker takes nothing at the moment: {why}")));
            }
            match self.publish_once(&session, message).await {
                Ok(Published { verdicts, late: None }) => {
                    *slot = Some(session);
                    return Self::verdict(&self.routing_key(&message.body), verdicts.into_iter().next());
                }
                Ok(_) => {
                    let why = format!("the broker has not confirmed it within {CONFIRM:?}");
                    return Err(NotPublished::Unconfirmed(why));
                }
                Err(error) => unknown = Some(error.to_string()),
            }
        }
        Err(NotPublished::Unconfirmed(unknown.unwrap_or_default()))
    }

    fn verdict(queue: &str, verdict: Option<Delivered>) -> Result<(), NotPublished> {
        match verdict {
            Some(Delivered::Confirmed) => Ok(()),
            Some(Delivered::Undeliverable) => Err(NotPublished::NotTaken(format!("there is no queue {queue}"))),
            Some(Delivered::Refused) => Err(NotPublished::NotTaken("the queue is full, or it failed".to_owned())),
            _ => Err(NotPublished::Unconfirmed("the broker has not confirmed it".to_owned())),
        }
    }

    async fn publish_once(&self, session: &DoorSession, message: &DoorMessage) -> Result<Published, BrokerError> {
        let (queue, properties) = (self.routing_key(&message.body), self.properties(message)?);
        let message = UnconfirmedMessage::new(("", &queue, &message.message_id), properties, &message.body)?;
        window::publish(&session.channel, &[message], &self.settings, &session.connection.health).await
    }
}

#[async_trait]
impl DoorPublisher for AmqpDoor {
    async fn publish(&self, message: &DoorMessage) -> Result<(), NotPublished> {
        let Ok(mut slot) = timeout(TURN, self.slot.lock()).await else {
            return Err(NotPublished::NotTaken("the jobs before it are not confirmed yet".to_owned()));
        };
        let published = timeout(OPEN + CONFIRM, self.publish_in(&mut slot, message)).await;
        published.unwrap_or_else(|_| Err(NotPublished::Unconfirmed("the broker is lost again and again".to_owned())))
    }

    fn routing_key(&self, body: &[u8]) -> String {
        let topology = &self.settings.topology;
        if contract::is_whole(body) { topology.batches_queue() } else { topology.jobs_queue() }
    }
}
