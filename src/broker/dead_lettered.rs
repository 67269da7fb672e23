//! The messages that the broker has dead-lettered: how many it keeps, and putting them back.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use lapin::options::{BasicGetOptions, BasicRejectOptions};

use super::call::within;
use super::connection::{BrokerConnection, ConnectionPurpose};
use super::declared::counts;
use super::error::BrokerError;
use super::settings::BrokerSettings;

/// How many the broker keeps.
pub(super) async fn count(connection: &BrokerConnection, settings: &BrokerSettings) -> Result<u32, BrokerError> {
    let queue = settings.topology.dead_lettered_queue();
    Ok(counts(&connection.amqp, settings.call_timeout, &queue).await?.messages)
}

/// Connects, and counts those that the broker keeps.
///
/// # Errors
/// When the broker cannot be reached, or has no such queue.
pub async fn count_dead_lettered(settings: &BrokerSettings) -> Result<u32, BrokerError> {
    let connection =
        BrokerConnection::open(settings, ConnectionPurpose::DeadLettered, &AtomicUsize::new(0), |_| ()).await?;
    let count = count(&connection, settings).await?;
    connection.close(settings.call_timeout).await;
    Ok(count)
}

/// What putting back came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// How many were put back.
    pub moved: u32,
    /// The routing keys, ten at most, for which the worker makes no binding: their messages arrive only by a binding that
    /// somebody else has made, and until then they keep others waiting.
    pub unbound: BTreeSet<String>,
}

/// How many routing keys are told.
const MOST_KEYS: usize = 10;

/// Has the broker move the oldest of them back to the queue of jobs, `most` of those that are there now.
///
/// Each is rejected, and its queue dead-letters to the exchange of jobs: the broker moves the message itself, with its
/// routing key and the user that it has verified, and forgets it here only when it is there.
///
/// # Errors
/// When the broker cannot be reached, or the connection breaks. What was rejected until then is moved.
pub async fn put_back(settings: &BrokerSettings, most: u32) -> Result<PutBack, BrokerError> {
    let limit = settings.call_timeout;
    let connection =
        BrokerConnection::open(settings, ConnectionPurpose::DeadLettered, &AtomicUsize::new(0), |_| ()).await?;
    // One that cannot be taken comes back here, behind those that were counted.
    let most = count(&connection, settings).await?.min(most);
    let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
    let queue = settings.topology.dead_lettered_queue();
    let (mut moved, mut unbound) = (0, BTreeSet::new());
    while moved < most {
        let next = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        let Some(message) = within(limit, "basic.get", next).await? else { break };
        let key = message.delivery.routing_key.as_str();
        if !settings.topology.brings_in(key) && unbound.len() < MOST_KEYS {
            unbound.insert(key.to_owned());
        }
        let rejected = message.delivery.acker.reject(BasicRejectOptions { requeue: false });
        if !within(limit, "basic.reject", rejected).await? {
            return Err(BrokerError::Ended { why: "the channel closed before a message was put back".into() });
        }
        moved += 1;
    }
    // Closing in order makes sure that the broker has processed all of it.
    within(limit, "channel.close", channel.close(200, "done".into())).await?;
    connection.close(limit).await;
    Ok(PutBack { moved, unbound })
}
