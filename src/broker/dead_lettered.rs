//! The messages that the broker has dead-lettered: how many it keeps, and putting them back.

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

/// Has the broker move the oldest of them back to the queue of jobs, `most` of those that are there now; returns how many.
///
/// Each is rejected, and its queue dead-letters to the exchange of jobs: the broker moves the message itself, with its
/// routing key and the user that it has verified, and forgets it here only when it is there.
///
/// # Errors
/// When the broker cannot be reached, or the connection breaks. What was rejected until then is moved.
pub async fn put_back(settings: &BrokerSettings, most: u32) -> Result<u32, BrokerError> {
    let limit = settings.call_timeout;
    let connection =
        BrokerConnection::open(settings, ConnectionPurpose::DeadLettered, &AtomicUsize::new(0), |_| ()).await?;
    // One that cannot be taken comes back here, behind those that were counted.
    let most = count(&connection, settings).await?.min(most);
    let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
    let queue = settings.topology.dead_lettered_queue();
    let mut moved = 0;
    while moved < most {
        let next = channel.basic_get(queue.as_str().into(), BasicGetOptions::default());
        let Some(message) = within(limit, "basic.get", next).await? else { break };
        let rejected = message.delivery.acker.reject(BasicRejectOptions { requeue: false });
        if !within(limit, "basic.reject", rejected).await? {
            return Err(BrokerError::Ended { why: "the channel closed before a message was put back".into() });
        }
        moved += 1;
    }
    // Closing in order makes sure that the broker has processed all of it.
    within(limit, "channel.close", channel.close(200, "done".into())).await?;
    connection.close(limit).await;
    Ok(moved)
}
