//! Compares the broker's exchanges and queues with what a worker needs. Changes nothing.
//!
//! AMQP has no call that reads the properties of a queue. But when a client declares a queue that exists, the broker
//! answers whether the two are equal, and if not, where they differ; nothing is changed either way. So each is first
//! declared passively, which creates nothing, and declared actively only if it exists. Bindings cannot be checked like
//! this, because declaring one creates it.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use lapin::options::{BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection};

use super::call::within;
use super::connection::{BrokerConnection, ConnectionPurpose};
use super::declared::Declared;
use super::error::{ACCESS_REFUSED, BrokerError, NOT_FOUND, PRECONDITION_FAILED};
use super::missing_right::{MissingRight, Right};
use super::settings::BrokerSettings;
use super::window::confirming;
use crate::domain::EventType;
use crate::engine::ports::mail::Lane;

/// What an inspection finds of an exchange or a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inspected {
    /// It has the properties that the worker declares.
    AsWanted,
    /// It has other properties; the broker's words for the difference.
    Differs(String),
    /// It does not exist.
    Missing,
    /// It exists, and this user has no permission to see its properties, nor to declare it.
    Unseen,
    /// It exists, and the broker says the same of other properties: it ignores arguments that it does not know.
    Ignored,
}

/// Connects and inspects each exchange and queue: `exchange` or `queue`, its name, and what was found.
///
/// # Errors
/// When the broker cannot be reached, or the connection breaks.
pub async fn inspect(settings: &BrokerSettings) -> Result<Vec<(&'static str, String, Inspected)>, BrokerError> {
    let connection = BrokerConnection::open(settings, ConnectionPurpose::Doctor, &AtomicUsize::new(0), |_| ()).await?;
    let mut found = Vec::new();
    for declared in settings.topology.declared() {
        let how = look(&connection.amqp, &declared, settings.call_timeout).await?;
        found.push((declared.what(), declared.name().to_owned(), how));
    }
    // The queue of jobs is the last of them.
    if let (Some((.., how)), Some(other)) = (found.last_mut(), settings.topology.jobs_queue_with_another_argument())
        && *how == Inspected::AsWanted
        && look(&connection.amqp, &other, settings.call_timeout).await? == Inspected::AsWanted
    {
        *how = Inspected::Ignored;
    }
    connection.close(settings.call_timeout).await;
    Ok(found)
}

async fn look(conn: &Connection, declared: &Declared, limit: Duration) -> Result<Inspected, BrokerError> {
    for passive in [true, false] {
        match declared.ask(conn, limit, passive).await {
            Ok(()) => {}
            Err(error) if error.has_reply_code(NOT_FOUND) => return Ok(Inspected::Missing),
            Err(error) if error.has_reply_code(PRECONDITION_FAILED) => {
                return Ok(Inspected::Differs(error.to_string()));
            }
            Err(error) if error.has_reply_code(ACCESS_REFUSED) => return Ok(Inspected::Unseen),
            Err(error) => return Err(error),
        }
    }
    Ok(Inspected::AsWanted)
}

/// Connects, and checks the right to write to each exchange that the worker publishes to, to read each queue that it takes
/// messages from, and to declare what is missing.
///
/// # Errors
/// When the broker cannot be reached, or the connection breaks.
pub async fn missing_rights(settings: &BrokerSettings) -> Result<Vec<MissingRight>, BrokerError> {
    let connection = BrokerConnection::open(settings, ConnectionPurpose::Doctor, &AtomicUsize::new(0), |_| ()).await?;
    let mut missing = Vec::new();
    for lane in Lane::ALL {
        missing.extend(missing_right(&connection, settings, settings.topology.exchange_of(lane)).await?);
    }
    let topology = &settings.topology;
    if topology.kind().checks_rights_first() {
        for queue in [topology.jobs_queue(), topology.batches_queue(), topology.dead_lettered_notices()] {
            missing.extend(missing_right_to_read(&connection, settings, queue).await?);
        }
        if settings.declare {
            missing.extend(missing_right_to_declare(&connection, settings).await?);
        }
    }
    connection.close(settings.call_timeout).await;
    Ok(missing)
}

/// Asks for messages in a way that the broker refuses: it looks at the rights of the user first, and then refuses the consumer for
/// a priority that is no number (406).
async fn missing_right_to_read(
    connection: &BrokerConnection,
    settings: &BrokerSettings,
    queue: String,
) -> Result<Option<MissingRight>, BrokerError> {
    let limit = settings.call_timeout;
    let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
    // Should a broker take it all the same, it gives one message at most, and gets it back with the end of the channel.
    within(limit, "basic.qos", channel.basic_qos(1, BasicQosOptions::default())).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-priority".into(), AMQPValue::LongString("none".into()));
    let consumed = channel.basic_consume(queue.as_str().into(), "".into(), BasicConsumeOptions::default(), arguments);
    match within(limit, "basic.consume", consumed).await {
        // The queue is missing: that is another finding.
        Err(error) if error.has_reply_code(PRECONDITION_FAILED) || error.has_reply_code(NOT_FOUND) => Ok(None),
        Err(error) if error.has_reply_code(ACCESS_REFUSED) => {
            Ok(Some(missing_of(connection, settings, Right::Read(queue), &error)))
        }
        Err(error) => Err(error),
        Ok(_) => {
            within(limit, "channel.close", channel.close(200, "done".into())).await?;
            Ok(None)
        }
    }
}

/// Declares what is missing in a way that the broker refuses: it looks at the rights of the user first, which go by the name alone,
/// and then refuses a queue that would expire at once (406). Returns the first right that is missing.
async fn missing_right_to_declare(
    connection: &BrokerConnection,
    settings: &BrokerSettings,
) -> Result<Option<MissingRight>, BrokerError> {
    let limit = settings.call_timeout;
    for declared in settings.topology.declared() {
        match declared.ask(&connection.amqp, limit, true).await {
            Err(error) if error.has_reply_code(NOT_FOUND) => {}
            // What is there was compared.
            _ => continue,
        }
        let name = declared.name().to_owned();
        let channel = within(limit, "channel.open", connection.amqp.create_channel()).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-expires".into(), AMQPValue::LongInt(0));
        let asked = channel.queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), arguments);
        match within(limit, "queue.declare", asked).await {
            Err(error) if error.has_reply_code(ACCESS_REFUSED) => {
                return Ok(Some(missing_of(connection, settings, Right::Configure(name), &error)));
            }
            Err(error) if error.has_reply_code(PRECONDITION_FAILED) => {}
            Err(error) => return Err(error),
            Ok(_) => within(limit, "channel.close", channel.close(200, "done".into())).await?,
        }
    }
    Ok(None)
}

fn missing_of(
    connection: &BrokerConnection,
    settings: &BrokerSettings,
    right: Right,
    error: &BrokerError,
) -> MissingRight {
    MissingRight {
        user: connection.user.clone(),
        vhost: connection.amqp.status().vhost().to_string(),
        right,
        prefix: settings.topology.prefix().to_owned(),
        why: error.to_string(),
    }
}

/// Publishes a message that the broker checks and never routes: it looks at the rights of the user first, and then refuses
/// the message for an expiration that is no number (406).
pub(super) async fn missing_right(
    connection: &BrokerConnection,
    settings: &BrokerSettings,
    exchange: String,
) -> Result<Option<MissingRight>, BrokerError> {
    let limit = settings.call_timeout;
    let channel = confirming(connection, limit).await?;
    let properties = BasicProperties::default().with_expiration("never".into());
    // A broker that does not look at the expiration may take the message; then no subscriber to events should have it.
    let key = match settings.topology.kind().checks_rights_first() {
        true => EventType::Completed.routing_key(),
        false => "rights".into(),
    };
    let published = async {
        let (to, key) = (exchange.as_str().into(), key.as_str().into());
        channel.basic_publish(to, key, BasicPublishOptions::default(), b"", properties).await?.await
    };
    match within(limit, "basic.publish", published).await {
        // The exchange is missing: that is another finding.
        Err(error) if error.has_reply_code(PRECONDITION_FAILED) || error.has_reply_code(NOT_FOUND) => Ok(None),
        Err(error) if error.has_reply_code(ACCESS_REFUSED) => {
            Ok(Some(missing_of(connection, settings, Right::Write(exchange), &error)))
        }
        Err(error) => Err(error),
        // A broker that does not look at the expiration has dropped the message, or given it to those who bound a queue to
        // everything; it may be written to.
        Ok(_) => Ok(None),
    }
}
