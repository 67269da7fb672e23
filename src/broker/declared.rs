//! One exchange or queue: declaring it, and asking the broker about it.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::call::{Patience, within};
use super::error::BrokerError;

/// The value of a queue's argument.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Argument {
    Text(String),
    Number(i64),
    Flag(bool),
}

/// An exchange or a queue.
pub(super) enum Declared {
    Exchange(String, ExchangeKind),
    Queue(Queue),
}

pub(super) struct Queue {
    pub name: String,
    pub arguments: Vec<(&'static str, Argument)>,
}

impl Declared {
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Exchange(..) => "exchange",
            Self::Queue(_) => "queue",
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Exchange(name, _) => name,
            Self::Queue(queue) => &queue.name,
        }
    }

    /// Declares it, or with `passive` checks that it exists.
    pub(super) async fn ask(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
        let mut patience = Patience::default();
        loop {
            let done = self.ask_once(conn, limit, passive).await;
            if !patience.again(&done).await {
                return done;
            }
        }
    }

    /// The broker closes the channel of a refused call, so each call has its own.
    async fn ask_once(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
        let channel = within(limit, "channel.open", conn.create_channel()).await?;
        match self {
            Self::Exchange(name, kind) => {
                declare_exchange(&channel, name, kind.clone(), limit, passive).await?;
            }
            Self::Queue(queue) => {
                let options =
                    if passive { QueueDeclareOptions::durable().passive() } else { QueueDeclareOptions::durable() };
                let done = channel.queue_declare(short(&queue.name), options, table(&queue.arguments));
                within(limit, "queue.declare", done).await?;
            }
        }
        close(channel, limit).await;
        Ok(())
    }
}

/// How many messages and consumers a queue has.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueCounts {
    /// Those that are ready, so without the unacknowledged ones.
    pub messages: u32,
    pub consumers: u32,
}

/// Asks the broker for the counts of a queue.
pub(super) async fn counts(conn: &Connection, limit: Duration, queue: &str) -> Result<QueueCounts, BrokerError> {
    let mut patience = Patience::default();
    loop {
        let done = counts_once(conn, limit, queue).await;
        if !patience.again(&done).await {
            return done;
        }
    }
}

async fn counts_once(conn: &Connection, limit: Duration, queue: &str) -> Result<QueueCounts, BrokerError> {
    // The broker closes the channel of a refused call, so this one has its own.
    let channel = within(limit, "channel.open", conn.create_channel()).await?;
    let options = QueueDeclareOptions::durable().passive();
    let declared = channel.queue_declare(short(queue), options, FieldTable::default());
    let declared = within(limit, "queue.declare", declared).await?;
    within(limit, "channel.close", channel.close(200, "done".into())).await?;
    Ok(QueueCounts { messages: declared.message_count(), consumers: declared.consumer_count() })
}

pub(super) async fn declare_exchange(
    channel: &Channel,
    name: &str,
    kind: ExchangeKind,
    limit: Duration,
    passive: bool,
) -> Result<(), BrokerError> {
    let options = ExchangeDeclareOptions { passive, durable: true, ..ExchangeDeclareOptions::default() };
    within(limit, "exchange.declare", channel.exchange_declare(short(name), kind, options, FieldTable::default())).await
}

pub(super) async fn close(channel: Channel, limit: Duration) {
    // An error changes nothing: a refusal may have closed the channel already, and the connection goes on.
    let _ = within(limit, "channel.close", channel.close(200, "done".into())).await;
}

pub(super) fn short(name: &str) -> ShortString {
    ShortString::try_new(name).expect("names have a bounded prefix and a short suffix")
}

fn table(arguments: &[(&'static str, Argument)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in arguments {
        let value = match value {
            Argument::Text(text) => AMQPValue::LongString(LongString::from(text.as_str())),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
            Argument::Flag(flag) => AMQPValue::Boolean(*flag),
        };
        table.insert((*key).into(), value);
    }
    table
}
