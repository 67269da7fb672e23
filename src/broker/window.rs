//! A window of published messages: all are published, then every confirm is awaited, then each message has its verdict.
//!
//! The library attaches returned messages to confirms in the order in which they arrive, but resolves a `multiple` ack in
//! no order; so a returned message may be attached to the confirm of another one. Only when every confirm of the window
//! has arrived are all returned messages known. They are then recognised by their address and message id. Therefore
//! nothing else may publish on the same channel.
//!
//! After an error nothing is known of any message of the window, but what sort of error it was tells whether one of them
//! caused it ([`Fault`]).

use std::collections::HashSet;

use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::watch;

use super::connection::Health;
use super::error::BrokerError;
use super::settings::BrokerSettings;
use crate::domain::reply_to::is_direct;
use crate::engine::ports::mail::Delivered;

/// The largest window, in messages. On idle processors a window of 200 is as fast; on busy ones every wait for confirms is
/// also a wait for a processor, so fewer and larger windows are faster.
pub(super) const WINDOW: usize = 512;

const PERSISTENT: u8 = 2;

/// The reply code with which a broker closes its connections when it stops, or when an operator asks for it.
const CONNECTION_FORCED: u16 = 320;

/// What ended a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The broker or the network is away; the messages have nothing to do with it.
    Broker,
    /// The broker took offence at a message, with these words.
    Message(String),
    /// The broker is there, and has not confirmed all.
    Unconfirmed,
}

impl Fault {
    pub fn of(error: &BrokerError) -> Self {
        match error {
            BrokerError::Timeout { call: CONFIRMS, .. } => Self::Unconfirmed,
            BrokerError::TooLong { .. } => Self::Message(said(error)),
            other if other.reply_code().is_some_and(|code| code != CONNECTION_FORCED) => Self::Message(said(error)),
            _ => Self::Broker,
        }
    }
}

/// The longest text of an error that is kept, in characters. The broker repeats names of strangers in its words.
const LONGEST_WORDS: usize = 500;

/// An error as a text that can be stored and shown.
fn said(error: &BrokerError) -> String {
    error.to_string().chars().flat_map(char::escape_debug).take(LONGEST_WORDS).collect()
}

const CONFIRMS: &str = "publisher confirms";

/// A message to publish, with the properties that every message has.
pub(super) struct UnconfirmedMessage<'a> {
    exchange: ShortString,
    routing_key: ShortString,
    message_id: ShortString,
    properties: BasicProperties,
    body: &'a [u8],
    mandatory: bool,
}

impl<'a> UnconfirmedMessage<'a> {
    /// A persistent message to an exchange, with a routing key and a message id.
    pub fn new(
        (exchange, routing_key, message_id): (&str, &str, &str),
        properties: BasicProperties,
        body: &'a [u8],
    ) -> Result<Self, BrokerError> {
        let message_id = short("message_id", message_id)?;
        Ok(Self {
            exchange: short("exchange", exchange)?,
            routing_key: short("routing_key", routing_key)?,
            properties: properties.with_message_id(message_id.clone()).with_delivery_mode(PERSISTENT),
            message_id,
            body,
            mandatory: !(exchange.is_empty() && is_direct(routing_key)),
        })
    }
}

/// A text as an AMQP short string, which has at most 255 bytes.
pub(super) fn short(property: &'static str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::TooLong { property })
}

/// Publishes up to [`WINDOW`] messages and awaits all their confirms. After an error nothing is known of any of them, and
/// the channel must not be used again.
///
/// The time limit does not run while the broker blocks publishers: giving up would not take back what was sent, and each
/// further attempt would add a copy.
pub(super) async fn publish(
    channel: &Channel,
    messages: &[UnconfirmedMessage<'_>],
    settings: &BrokerSettings,
    health: &watch::Receiver<Health>,
) -> Result<Vec<Delivered>, BrokerError> {
    let mut health = health.clone();
    let work = send(channel, messages);
    tokio::pin!(work);
    loop {
        let now = health.borrow_and_update().clone();
        match now.clone() {
            Health::Broken(why, Some(reply_code)) => return Err(BrokerError::Closed { why, reply_code }),
            Health::Broken(why, None) => return Err(BrokerError::Ended { why }),
            Health::Open | Health::Blocked(_) => {}
        }
        let step = async {
            tokio::select! {
                done = &mut work => Some(done),
                _ = health.changed() => None,
            }
        };
        let step = match now {
            Health::Blocked(_) => step.await,
            _ => tokio::time::timeout(settings.confirm_timeout, step)
                .await
                .map_err(|_| BrokerError::Timeout { call: CONFIRMS, after: settings.confirm_timeout })?,
        };
        if let Some(done) = step {
            return done.map_err(|source| BrokerError::Call { call: "basic.publish", source });
        }
    }
}

async fn send(channel: &Channel, messages: &[UnconfirmedMessage<'_>]) -> lapin::Result<Vec<Delivered>> {
    let mut pending = Vec::with_capacity(messages.len());
    let mut unsent = None;
    for message in messages {
        let (exchange, routing_key) = (message.exchange.clone(), message.routing_key.clone());
        let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
        let properties = message.properties.clone();
        match channel.basic_publish(exchange, routing_key, options, message.body, properties).await {
            Ok(confirm) => pending.push(confirm),
            // The channel was closed meanwhile; the confirms know why.
            Err(error) => {
                unsent = Some(error);
                break;
            }
        }
    }
    let mut nacked = Vec::with_capacity(messages.len());
    let mut returned = HashSet::new();
    for confirm in pending {
        let confirmation = confirm.await?;
        nacked.push(!matches!(confirmation, Confirmation::Ack(_)));
        if let Some(back) = confirmation.take_message() {
            // One event may go to several addresses under one message id, so the address is part of the key.
            let id = back.properties.message_id().clone().unwrap_or_default();
            returned.insert((back.exchange.clone(), back.routing_key.clone(), id));
        }
    }
    if let Some(error) = unsent {
        return Err(error);
    }
    let verdict = |(message, nacked): (&UnconfirmedMessage<'_>, bool)| {
        let key = (message.exchange.clone(), message.routing_key.clone(), message.message_id.clone());
        match (returned.contains(&key), nacked) {
            (true, _) => Delivered::Undeliverable,
            (false, true) => Delivered::Refused,
            (false, false) => Delivered::Confirmed,
        }
    };
    Ok(messages.iter().zip(nacked).map(verdict).collect())
}
