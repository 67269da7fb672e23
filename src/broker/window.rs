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
use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::watch;

use super::call::within;
use super::connection::{BrokerConnection, Health};
use super::error::{BrokerError, NOT_ALLOWED};
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
            other => match other.reply_code() {
                // The broker stops, or there are too many messages.
                None | Some(CONNECTION_FORCED | NOT_ALLOWED) => Self::Broker,
                Some(_) => Self::Message(said(error)),
            },
        }
    }
}

/// The longest text of an error that is kept, in characters. The broker repeats names of strangers in its words.
const LONGEST_WORDS: usize = 500;

/// An error as a text that can be stored and shown.
fn said(error: &BrokerError) -> String {
    let visible = |c: char| if c.is_control() { c.escape_default().collect() } else { c.to_string() };
    error.to_string().chars().take(LONGEST_WORDS).map(visible).collect()
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

/// A channel on which the broker confirms every message.
pub(super) async fn confirming(connection: &BrokerConnection, limit: Duration) -> Result<Channel, BrokerError> {
    let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
    within(limit, "confirm.select", channel.confirm_select(ConfirmSelectOptions::default())).await?;
    Ok(channel)
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

#[cfg(test)]
mod tests {
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError, AMQPSoftError};

    use super::*;

    fn call(kind: AMQPErrorKind, words: &str) -> Fault {
        let source = lapin::ErrorKind::ProtocolError(AMQPError::new(kind, words.into())).into();
        Fault::of(&BrokerError::Call { call: "basic.publish", source })
    }

    #[test]
    fn only_what_the_broker_says_of_what_was_sent_is_blamed_on_a_message() {
        for kind in [AMQPHardError::INTERNALERROR, AMQPHardError::FRAMEERROR, AMQPHardError::NOTIMPLEMENTED] {
            assert!(matches!(call(AMQPErrorKind::Hard(kind), "w"), Fault::Message(_)));
        }
        for kind in [AMQPSoftError::ACCESSREFUSED, AMQPSoftError::NOTFOUND, AMQPSoftError::PRECONDITIONFAILED] {
            assert!(matches!(call(AMQPErrorKind::Soft(kind), "w"), Fault::Message(_)));
        }
        for kind in [AMQPHardError::CONNECTIONFORCED, AMQPHardError::NOTALLOWED] {
            assert_eq!(call(AMQPErrorKind::Hard(kind), "shutdown, or denied for too many requests"), Fault::Broker);
        }
        let closed = |reply_code| Fault::of(&BrokerError::Closed { why: "w".into(), reply_code });
        assert!(matches!(closed(541), Fault::Message(_)) && closed(320) == Fault::Broker);
        let gone = BrokerError::Ended { why: "connection reset".into() };
        let silent = |call| BrokerError::Timeout { call, after: Duration::from_secs(1) };
        assert_eq!([Fault::of(&gone), Fault::of(&silent("connect"))], [Fault::Broker, Fault::Broker]);
        assert_eq!(Fault::of(&silent(CONFIRMS)), Fault::Unconfirmed);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let reset = BrokerError::Call { call: "basic.publish", source: lapin::Error::from(reset) };
        assert_eq!(Fault::of(&reset), Fault::Broker);
    }

    #[test]
    fn the_words_of_the_broker_can_be_shown_and_have_a_bound() {
        let why = "no 'q\u{1b}\0ä' ".repeat(90);
        let Fault::Message(words) = Fault::of(&BrokerError::Closed { why, reply_code: 404 }) else {
            panic!("it is a message's fault")
        };
        assert!(words.contains("no 'q\\u{1b}\\u{0}ä'") && !words.chars().any(char::is_control), "{words}");
        assert!(words.len() < 8 * LONGEST_WORDS);
    }
}
