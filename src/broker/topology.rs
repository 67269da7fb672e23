//! The exchanges and queues, as data. `deploy/rabbitmq/definitions.json` holds the same.
//!
//! The arguments are valid on RabbitMQ 3.10 to 4.x. The delivery limit is always set: without one, 3.10 puts a returned
//! message at the end of the queue, and 4.x assumes 20. Dead-lettering is at-least-once, which the broker offers only
//! together with `reject-publish`; with the default overflow it silently loses messages that it cannot pass on.
//!
//! What the broker dead-letters (a message that expired, or was delivered too often) goes to two queues. One keeps it, and
//! its double in the other tells the worker, which answers the sender. To put a kept message back, it is rejected: the
//! broker then moves it to where jobs come in, as it is, with the user that it has verified. What a client published again
//! would come from another user. Copies of what the worker itself rejects are in a queue of their own.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Channel, Connection, ExchangeKind};

use super::call::within;
use super::error::BrokerError;
use crate::engine::ports::mail::Lane;

pub(super) const PRECONDITION_FAILED: u16 = 406;
pub(super) const NOT_FOUND: u16 = 404;

/// The names of exchanges and queues under one prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
}

/// The value of a queue's argument.
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
    key: String,
}

impl Topology {
    /// The names under `prefix`, which has at most 100 bytes (AMQP names have at most 255). The default is `crossgrant`.
    pub fn new(prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        debug_assert!(prefix.len() <= 100, "the prefix of exchange and queue names is too long");
        Self { prefix }
    }

    /// The first part of every name.
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

    /// The exchange that the messages of a lane are published to.
    pub fn exchange_of(&self, lane: Lane) -> String {
        match lane {
            Lane::Events => self.events_exchange(),
            Lane::Replies => String::new(),
        }
    }

    /// The queue of copies of the messages that the worker rejects.
    pub fn dead_queue(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// The queue that keeps the messages that the broker dead-letters.
    pub fn dead_lettered_queue(&self) -> String {
        format!("{}.dead-lettered", self.prefix)
    }

    /// The queue of their doubles, which the worker reads and answers.
    pub fn dead_lettered_notices(&self) -> String {
        format!("{}.dead-lettered.notices", self.prefix)
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

    // The queue of jobs comes last: a message that is dead-lettered before its queue exists waits three minutes for a retry.
    fn queues(&self) -> [Queue; 4] {
        use Argument::{Flag, Number, Text};
        [
            Queue { name: self.dead_queue(), arguments: vec![("x-queue-type", Text("quorum".into()))] },
            Queue {
                name: self.dead_lettered_notices(),
                arguments: vec![("x-queue-type", Text("quorum".into())), ("x-delivery-limit", Number(50))],
            },
            Queue {
                name: self.dead_lettered_queue(),
                arguments: vec![
                    ("x-queue-type", Text("quorum".into())),
                    ("x-delivery-limit", Number(50)),
                    ("x-dead-letter-exchange", Text(self.jobs_exchange())),
                    ("x-dead-letter-strategy", Text("at-least-once".into())),
                    ("x-overflow", Text("reject-publish".into())),
                ],
            },
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

    /// Two bindings bring jobs in. The second is for what was published straight to the queue of jobs: it keeps the name of the
    /// queue as its key when it is put back, and would find no way there.
    fn bindings(&self) -> [Binding; 4] {
        let binding = |exchange, queue, key: &str| Binding { exchange, queue, key: key.to_owned() };
        [
            binding(self.dlx(), self.dead_lettered_queue(), ""),
            binding(self.dlx(), self.dead_lettered_notices(), ""),
            binding(self.jobs_exchange(), self.jobs_queue(), "job.#"),
            binding(self.jobs_exchange(), self.jobs_queue(), &self.jobs_queue()),
        ]
    }

    /// Whether a message with this routing key comes from the exchange of jobs to their queue, by the bindings that a worker
    /// declares.
    pub(super) fn brings_in(&self, key: &str) -> bool {
        key == "job" || key.starts_with("job.") || key == self.jobs_queue()
    }

    /// The exchanges and queues in the order in which they are declared.
    pub(super) fn declared(&self) -> Vec<Declared> {
        let exchanges = self.exchanges().into_iter().map(|(name, kind)| Declared::Exchange(name, kind));
        exchanges.chain(self.queues().into_iter().map(Declared::Queue)).collect()
    }

    /// Declares the exchanges, queues and bindings. With `passive` it only checks that the exchanges and queues exist, with
    /// any properties; bindings cannot be checked. Reports together all that are missing or differ, and changes none.
    pub(super) async fn declare(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
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
                let bound = channel.queue_bind(queue, exchange, short(&key), options, FieldTable::default());
                within(limit, "queue.bind", bound).await?;
            }
            // As other versions have bound it, what the broker gives up would lie among the copies as well.
            let (queue, exchange) = (short(&self.dead_queue()), short(&self.dlx()));
            let unbound = channel.queue_unbind(queue, exchange, "".into(), FieldTable::default());
            within(limit, "queue.unbind", unbound).await?;
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

    /// Declares it, or with `passive` checks that it exists. The broker closes the channel of a refused call, so each call
    /// has its own.
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

/// Collects the faults that an operator must fix, so that all are reported at once; returns every other error.
fn note(faults: &mut Vec<String>, what: &str, name: &str, done: Result<(), BrokerError>) -> Result<(), BrokerError> {
    match done {
        Ok(()) => Ok(()),
        Err(e) if e.has_reply_code(PRECONDITION_FAILED) => {
            faults.push(format!(
                "{what} {name} exists with other properties ({e}). Either keep it with `declare = false` (and set limits by \
                 a policy), or empty it, delete it and let the worker declare it again"
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
    // An error changes nothing: a refusal may have closed the channel already, and the connection goes on.
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
    fn what_came_to_the_queue_either_way_finds_back_to_it() {
        let t = Topology::new("cg");
        for (key, finds) in [
            ("job.grant", true),
            ("job", true),
            ("cg.jobs", true),
            ("crossgrant.jobs", false),
            ("jobs", false),
            ("x.job.grant", false),
            ("", false),
        ] {
            assert_eq!(t.brings_in(key), finds, "{key}");
        }
        let keys: Vec<String> = t.bindings().into_iter().filter(|b| b.queue == t.jobs_queue()).map(|b| b.key).collect();
        assert_eq!(keys, ["job.#", "cg.jobs"]);
    }

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
