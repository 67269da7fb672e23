//! The exchanges and queues, as data: what the worker declares is what `deploy/rabbitmq/definitions.json` holds.
//!
//! The arguments hold on RabbitMQ 3.10 to 4.x. The delivery limit is set, never left out: without one 3.10 puts a
//! returned message at the end of the queue, and 4.x assumes 20. Dead-lettering is at-least-once, which the broker does
//! only together with `reject-publish`; with the default overflow it silently loses what it could not hand over.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::error::BrokerError;
use super::link::within;

pub(super) const PRECONDITION_FAILED: u16 = 406;
pub(super) const NOT_FOUND: u16 = 404;

/// The names of exchanges and queues under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
}

/// An argument of a queue.
#[derive(Debug, Clone, PartialEq)]
enum Argument {
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
    name: String,
    arguments: Vec<(&'static str, Argument)>,
}

struct Binding {
    exchange: String,
    queue: String,
    key: &'static str,
}

impl Topology {
    /// The names under `prefix`, which is at most 100 bytes (AMQP names are at most 255); the default is `crossgrant`.
    pub fn new(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        debug_assert!(prefix.len() <= 100, "the prefix of exchange and queue names is too long");
        Self { prefix }
    }

    /// What all names begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic exchange that jobs are published to, with routing key `job.<kind>`.
    pub fn jobs_exchange(&self) -> String {
        self.prefix.clone()
    }

    /// The queue that the worker takes jobs from.
    pub fn jobs_queue(&self) -> String {
        format!("{}.jobs", self.prefix)
    }

    /// The topic exchange that events are published to.
    pub fn events_exchange(&self) -> String {
        format!("{}.events", self.prefix)
    }

    /// The queue of messages that could not be accepted.
    pub fn dead_queue(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The fanout exchange that the broker dead-letters to.
    pub fn dlx(&self) -> String {
        format!("{}.dlx", self.prefix)
    }

    fn exchanges(&self) -> [(String, ExchangeKind); 3] {
        [
            (self.jobs_exchange(), ExchangeKind::Topic),
            (self.events_exchange(), ExchangeKind::Topic),
            (self.dlx(), ExchangeKind::Fanout),
        ]
    }

    // The dead queue first: a message dead-lettered before it exists would wait three minutes for the next attempt.
    fn queues(&self) -> [Queue; 2] {
        use Argument::{Flag, Number, Text};
        [
            Queue { name: self.dead_queue(), arguments: vec![("x-queue-type", Text("quorum".into()))] },
            Queue {
                name: self.jobs_queue(),
                arguments: vec![
                    ("x-queue-type", Text("quorum".into())),
                    ("x-single-active-consumer", Flag(true)),
                    ("x-delivery-limit", Number(50)),
                    ("x-dead-letter-exchange", Text(self.dlx())),
                    ("x-dead-letter-strategy", Text("at-least-once".into())),
                    ("x-overflow", Text("reject-publish".into())),
                ],
            },
        ]
    }

    fn bindings(&self) -> [Binding; 2] {
        [
            Binding { exchange: self.dlx(), queue: self.dead_queue(), key: "" },
            Binding { exchange: self.jobs_exchange(), queue: self.jobs_queue(), key: "job.#" },
        ]
    }

    /// Declares everything. What exists with other properties is left as it is and reported, all of it together.
    pub(super) async fn declare(&self, conn: &Connection, limit: Duration) -> Result<(), BrokerError> {
        self.each(conn, limit, false).await
    }

    /// Checks that the exchanges and queues exist, whatever their properties. Bindings cannot be looked at over AMQP.
    pub(super) async fn check(&self, conn: &Connection, limit: Duration) -> Result<(), BrokerError> {
        self.each(conn, limit, true).await
    }

    /// What is declared, in this order.
    pub(super) fn declared(&self) -> Vec<Declared> {
        let exchanges = self.exchanges().into_iter().map(|(name, kind)| Declared::Exchange(name, kind));
        exchanges.chain(self.queues().into_iter().map(Declared::Queue)).collect()
    }

    async fn each(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
        let mut faults = Vec::new();
        for declared in self.declared() {
            let done = declared.ask(conn, limit, passive).await;
            note(&mut faults, declared.what(), declared.name(), done)?;
        }
        if !faults.is_empty() {
            return Err(BrokerError::Topology { faults });
        }
        if !passive {
            let channel = within(limit, "channel.open", conn.create_channel()).await?;
            for Binding { exchange, queue, key } in self.bindings() {
                let (queue, exchange) = (short(&queue), short(&exchange));
                let options = QueueBindOptions::default();
                let bound = channel.queue_bind(queue, exchange, key.into(), options, FieldTable::default());
                within(limit, "queue.bind", bound).await?;
            }
            close(channel, limit).await;
        }
        Ok(())
    }
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

    /// Declares it, or asks whether it is there. A refusal closes its channel, so each has its own.
    pub(super) async fn ask(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
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

/// Keeps what an operator must mend, to report all of it at once; passes on everything else.
fn note(faults: &mut Vec<String>, what: &str, name: &str, done: Result<(), BrokerError>) -> Result<(), BrokerError> {
    match done {
        Ok(()) => Ok(()),
        Err(e) if e.has_reply_code(PRECONDITION_FAILED) => {
            faults.push(format!(
                "{what} {name} exists and differs ({e}): either use it as it is (`declare = false`; limits belong in a \
                 policy), or empty it, delete it and let the worker declare it again"
            ));
            Ok(())
        }
        Err(e) if e.has_reply_code(NOT_FOUND) => {
            faults.push(format!(
                "{what} {name} does not exist: start a worker that may declare it, or import \
                 deploy/rabbitmq/definitions.json"
            ));
            Ok(())
        }
        Err(e) => Err(e),
    }
}

async fn close(channel: Channel, limit: Duration) {
    // Nothing depends on it: a channel that a refusal has closed says so here, and the connection outlives both.
    let _ = within(limit, "channel.close", channel.close(200, "done".into())).await;
}

fn short(name: &str) -> ShortString {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value, json};

    #[test]
    fn the_definitions_for_operators_hold_what_the_worker_declares() {
        let file: Value = serde_json::from_str(include_str!("../../deploy/rabbitmq/definitions.json")).unwrap();
        let t = Topology::new("crossgrant");
        let exchanges: Vec<Value> = t
            .exchanges()
            .iter()
            .map(|(name, kind)| {
                let kind = match kind {
                    ExchangeKind::Topic => "topic",
                    _ => "fanout",
                };
                json!({"name": name, "vhost": "/", "type": kind, "durable": true, "auto_delete": false,
                       "internal": false, "arguments": {}})
            })
            .collect();
        assert_eq!(file["exchanges"], Value::from(exchanges));
        let queues: Vec<Value> = t
            .queues()
            .iter()
            .map(|queue| {
                let arguments: Map<String, Value> = queue
                    .arguments
                    .iter()
                    .map(|(key, value)| {
                        let value = match value {
                            Argument::Text(text) => json!(text),
                            Argument::Number(number) => json!(number),
                            Argument::Flag(flag) => json!(flag),
                        };
                        ((*key).to_owned(), value)
                    })
                    .collect();
                json!({"name": queue.name, "vhost": "/", "durable": true, "auto_delete": false, "arguments": arguments})
            })
            .collect();
        assert_eq!(file["queues"], Value::from(queues));
        let bindings: Vec<Value> = t
            .bindings()
            .iter()
            .map(|b| {
                json!({"source": b.exchange, "vhost": "/", "destination": b.queue, "destination_type": "queue",
                       "routing_key": b.key, "arguments": {}})
            })
            .collect();
        assert_eq!(file["bindings"], Value::from(bindings));
    }
}
