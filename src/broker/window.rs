//! A window of published messages: all are published, then every confirm is awaited, then each message has its verdict.
//!
//! The library attaches returned messages to confirms in the order in which they arrive, but resolves a `multiple` ack in
//! no order; so a returned message may be attached to the confirm of another one. They are recognised by their address and
//! message id. Therefore nothing else may publish on the same channel.
//!
//! **When time runs out**, a message that was confirmed has its verdict all the same. The broker works on a channel in
//! order, so it has come to every message before the last that it confirmed, and a queue of one that is not confirmed
//! holds the confirm back. Of the messages after that nothing is known. Each returned message that has arrived is attached
//! to some confirm that has arrived. If one of them is of a message that is not confirmed, then another one may have arrived
//! and be attached to none; a broker confirms right after it returns, so that is a broker which is away.
//!
//! After an error nothing is known of any message of the window, but what sort of error it was tells whether one of them
//! caused it ([`Fault`]).

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, PublisherConfirm};
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
}

impl Fault {
    pub fn of(error: &BrokerError) -> Self {
        match error {
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

/// What is known of the messages of a window.
pub(super) struct Published {
    /// In order: of all of them, or if time ran out, of those up to the last one that the broker has confirmed.
    pub verdicts: Vec<Delivered>,
    /// If time ran out: how many messages were sent. The channel must not be used again.
    pub late: Option<usize>,
}

impl Published {
    /// The verdicts, if time did not run out.
    pub fn in_time(self, settings: &BrokerSettings) -> Result<Vec<Delivered>, BrokerError> {
        match self.late {
            Some(_) => Err(not_confirmed(settings)),
            None => Ok(self.verdicts),
        }
    }
}

fn not_confirmed(settings: &BrokerSettings) -> BrokerError {
    BrokerError::Timeout { call: "publisher confirms", after: settings.confirm_timeout }
}

/// Publishes up to [`WINDOW`] messages and awaits their confirms. After an error nothing is known of any of them, and the
/// channel must not be used again.
///
/// The time limit does not run while the broker blocks publishers: giving up would not take back what was sent, and each
/// further attempt would add a copy.
pub(super) async fn publish(
    channel: &Channel,
    messages: &[UnconfirmedMessage<'_>],
    settings: &BrokerSettings,
    health: &watch::Receiver<Health>,
) -> Result<Published, BrokerError> {
    let mut health = health.clone();
    let mut flight = Flight::default();
    {
        let work = flight.send(channel, messages);
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
                Health::Blocked(_) => Ok(step.await),
                _ => tokio::time::timeout(settings.confirm_timeout, step).await,
            };
            match step {
                Ok(Some(done)) => {
                    done.map_err(failed)?;
                    break;
                }
                Ok(None) => {}
                Err(_) => break,
            }
        }
    }
    flight.land(messages)?.ok_or_else(|| not_confirmed(settings))
}

fn failed(source: lapin::Error) -> BrokerError {
    BrokerError::Call { call: "basic.publish", source }
}

/// What was sent of a window, and what has come back.
#[derive(Default)]
struct Flight {
    pending: Vec<PublisherConfirm>,
    confirmed: Vec<Option<Confirmation>>,
}

impl Flight {
    async fn send(&mut self, channel: &Channel, messages: &[UnconfirmedMessage<'_>]) -> lapin::Result<()> {
        let mut unsent = None;
        for message in messages {
            let (exchange, routing_key) = (message.exchange.clone(), message.routing_key.clone());
            let options = BasicPublishOptions { mandatory: message.mandatory, immediate: false };
            let properties = message.properties.clone();
            match channel.basic_publish(exchange, routing_key, options, message.body, properties).await {
                Ok(confirm) => self.pending.push(confirm),
                // The channel was closed meanwhile; the confirms know why.
                Err(error) => {
                    unsent = Some(error);
                    break;
                }
            }
        }
        for confirm in &mut self.pending {
            self.confirmed.push(Some(confirm.await?));
        }
        unsent.map_or(Ok(()), Err)
    }

    /// The verdicts on what has come back; `None` if they cannot be known, or nothing could be sent.
    fn land(mut self, messages: &[UnconfirmedMessage<'_>]) -> Result<Option<Published>, BrokerError> {
        if self.pending.is_empty() && !messages.is_empty() {
            return Ok(None);
        }
        for confirm in self.pending.iter_mut().skip(self.confirmed.len()) {
            self.confirmed.push(confirm.now_or_never().transpose().map_err(failed)?);
        }
        let late = self.confirmed.len() < messages.len() || self.confirmed.contains(&None);
        let late = late.then_some(self.pending.len());
        let mut returned = HashSet::new();
        let mut answers = Vec::with_capacity(messages.len());
        for confirmation in self.confirmed {
            answers.push(confirmation.as_ref().map(|confirmation| matches!(confirmation, Confirmation::Ack(_))));
            if let Some(back) = confirmation.and_then(Confirmation::take_message) {
                // One event may go to several addresses under one message id, so the address is part of the key.
                let id = back.properties.message_id().clone().unwrap_or_default();
                returned.insert((back.exchange.clone(), back.routing_key.clone(), id));
            }
        }
        let is_returned = |message: &UnconfirmedMessage<'_>| {
            let key = (message.exchange.clone(), message.routing_key.clone(), message.message_id.clone());
            returned.contains(&key)
        };
        let returned: Vec<bool> = messages.iter().map(is_returned).collect();
        Ok(verdicts(&answers, &returned).map(|verdicts| Published { verdicts, late }))
    }
}

/// What follows from the answers, ack or nack, to messages of which some were returned: verdicts up to the last that was
/// answered. `None` if one was returned and not answered.
fn verdicts(answers: &[Option<bool>], returned: &[bool]) -> Option<Vec<Delivered>> {
    let known = answers.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    if answers.iter().zip(returned).any(|(acked, back)| acked.is_none() && *back) {
        return None;
    }
    let verdict = |(acked, back): (&Option<bool>, &bool)| match (acked, back) {
        (Some(_), true) => Delivered::Undeliverable,
        (Some(true), false) => Delivered::Confirmed,
        (Some(false), false) => Delivered::Refused,
        (None, _) => Delivered::Unconfirmed,
    };
    Some(answers[..known].iter().zip(returned).map(verdict).collect())
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
        let silent = BrokerError::Timeout { call: "connect", after: Duration::from_secs(1) };
        assert_eq!([Fault::of(&gone), Fault::of(&silent)], [Fault::Broker, Fault::Broker]);
        let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        let reset = BrokerError::Call { call: "basic.publish", source: lapin::Error::from(reset) };
        assert_eq!(Fault::of(&reset), Fault::Broker);
    }

    #[test]
    fn what_is_known_ends_with_the_last_answer() {
        use Delivered::{Confirmed, Refused, Unconfirmed, Undeliverable};
        let known = |answers: &[Option<bool>], returned: &[bool]| verdicts(answers, returned);
        let (ack, nack, silent) = (Some(true), Some(false), None);
        let none = [false; 4];
        assert_eq!(known(&[ack, nack, ack, ack], &none), Some(vec![Confirmed, Refused, Confirmed, Confirmed]));
        assert_eq!(known(&[silent, ack, silent, silent], &none), Some(vec![Unconfirmed, Confirmed]));
        assert_eq!(
            known(&[silent, nack, silent, ack], &none),
            Some(vec![Unconfirmed, Refused, Unconfirmed, Confirmed])
        );
        assert_eq!(known(&[silent; 4], &none), Some(vec![]));
        assert_eq!(known(&[silent], &none), Some(vec![]), "the others were not sent");
        let last = [false, false, false, true];
        assert_eq!(
            known(&[ack, ack, silent, ack], &last),
            Some(vec![Confirmed, Confirmed, Unconfirmed, Undeliverable])
        );
        assert_eq!(known(&[ack, ack, ack, silent], &last), None, "one of the others may have been returned as well");
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
