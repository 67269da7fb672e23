//! A window of published messages as one barrier: publish all, await every confirm, then judge.
//!
//! The library hangs returned messages on confirms in the order of their arrival while it resolves a `multiple` ack in
//! no order, so a returned message may sit on the confirm of another one. Only when every confirm of the window is in
//! are all returned messages known; they are then told by what they carry. Therefore nothing else may publish on the
//! same channel.

use std::collections::HashSet;

use lapin::options::BasicPublishOptions;
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::sync::watch;

use super::error::BrokerError;
use super::link::Health;
use super::settings::BrokerSettings;
use crate::engine::ports::mail::Delivered;

/// Most messages between two barriers. With the processors to itself a window of 200 gains as much; where they are shared,
/// every barrier is a wait for one's turn.
pub(super) const WINDOW: usize = 512;

const PERSISTENT: u8 = 2;

/// A message ready for the wire.
pub(super) struct Letter<'a> {
    exchange: ShortString,
    routing_key: ShortString,
    message_id: ShortString,
    properties: BasicProperties,
    body: &'a [u8],
}

impl<'a> Letter<'a> {
    /// A persistent message; `properties` are completed by what every message has.
    pub(super) fn new(
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
        })
    }
}

/// A string as a property; those that AMQP cannot carry are refused.
pub(super) fn short(property: &'static str, text: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(text).map_err(|_| BrokerError::TooLong { property })
}

/// Publishes up to [`WINDOW`] messages and awaits all their confirms. After an error nothing may be assumed about any
/// of them, and the channel must not be used again.
///
/// The time limit stands still while the broker blocks publishers: giving up would not withdraw what was written, and
/// every further attempt would add a copy.
pub(super) async fn publish(
    channel: &Channel,
    letters: &[Letter<'_>],
    settings: &BrokerSettings,
    health: &watch::Receiver<Health>,
) -> Result<Vec<Delivered>, BrokerError> {
    let mut health = health.clone();
    let work = send(channel, letters);
    tokio::pin!(work);
    loop {
        let now = health.borrow_and_update().clone();
        if let Health::Broken(why) = now {
            return Err(BrokerError::Ended { why });
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
                .map_err(|_| BrokerError::Timeout { call: "publisher confirms", after: settings.confirm_timeout })?,
        };
        if let Some(done) = step {
            return done.map_err(|source| BrokerError::Call { call: "basic.publish", source });
        }
    }
}

async fn send(channel: &Channel, letters: &[Letter<'_>]) -> lapin::Result<Vec<Delivered>> {
    let mut pending = Vec::with_capacity(letters.len());
    for letter in letters {
        let (exchange, routing_key) = (letter.exchange.clone(), letter.routing_key.clone());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = letter.properties.clone();
        pending.push(channel.basic_publish(exchange, routing_key, options, letter.body, properties).await?);
    }
    let mut nacked = Vec::with_capacity(letters.len());
    let mut returned = HashSet::new();
    for confirm in pending {
        let confirmation = confirm.await?;
        nacked.push(!matches!(confirmation, Confirmation::Ack(_)));
        if let Some(message) = confirmation.take_message() {
            // One event may go to several addresses under one message id, so the address belongs to the match.
            let id = message.properties.message_id().clone().unwrap_or_default();
            returned.insert((message.exchange.clone(), message.routing_key.clone(), id));
        }
    }
    let verdict = |(letter, nacked): (&Letter<'_>, bool)| {
        let key = (letter.exchange.clone(), letter.routing_key.clone(), letter.message_id.clone());
        match (returned.contains(&key), nacked) {
            (true, _) => Delivered::Undeliverable,
            (false, true) => Delivered::Refused,
            (false, false) => Delivered::Confirmed,
        }
    };
    Ok(letters.iter().zip(nacked).map(verdict).collect())
}
