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

use lapin::options::QueueBindOptions;
use lapin::types::FieldTable;
use lapin::{Connection, ExchangeKind};

use super::call::within;
use super::declared::{Argument, Declared, Queue, close, short};
use super::error::{BrokerError, NOT_FOUND, PRECONDITION_FAILED};
use super::kind::BrokerKind;
use crate::engine::ports::mail::Lane;

/// The routing key of a message with all jobs of a batch.
pub const BATCH_KEY: &str = "batch";

const SINGLE_ACTIVE_CONSUMER: &str = "x-single-active-consumer";

/// The names of exchanges and queues under one prefix, and their arguments at one kind of broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    prefix: String,
    kind: BrokerKind,
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
        Self { prefix, kind: BrokerKind::default() }
    }

    /// The same at another kind of broker.
    #[must_use]
    pub fn at(self, kind: BrokerKind) -> Self {
        Self { kind, ..self }
    }

    /// The kind of broker.
    pub fn kind(&self) -> BrokerKind {
        self.kind
    }

    /// The first part of every name.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The topic exchange that jobs are published to, with routing key `job.<kind>`; all jobs of a batch in one
    /// message, with [`BATCH_KEY`].
    pub fn jobs_exchange(&self) -> String {
        self.prefix.clone()
    }

    /// The queue that the worker takes jobs from.
    pub fn jobs_queue(&self) -> String {
        format!("{}.jobs", self.prefix)
    }

    /// The queue that the worker takes messages with all jobs of a batch from. They may be large, so it takes few at a time.
    pub fn batches_queue(&self) -> String {
        format!("{}.batches", self.prefix)
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
    fn queues(&self) -> [Queue; 5] {
        use Argument::{Flag, Number, Text};
        let consumed = |name| Queue {
            name,
            arguments: vec![
                ("x-queue-type", Text("quorum".into())),
                (SINGLE_ACTIVE_CONSUMER, Flag(true)),
                ("x-delivery-limit", Number(50)),
                ("x-dead-letter-exchange", Text(self.dlx())),
                ("x-dead-letter-strategy", Text("at-least-once".into())),
                ("x-overflow", Text("reject-publish".into())),
            ],
        };
        let queues = [
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
            consumed(self.batches_queue()),
            consumed(self.jobs_queue()),
        ];
        let known = |(argument, _): &(&str, _)| self.kind.knows(argument);
        queues.map(|queue| Queue { arguments: queue.arguments.into_iter().filter(known).collect(), ..queue })
    }

    /// The queue of jobs with an argument that is another. A broker that knows the argument says that the two differ.
    pub(super) fn jobs_queue_with_another_argument(&self) -> Option<Declared> {
        let [.., mut queue] = self.queues();
        let (_, value) = queue.arguments.iter_mut().find(|(argument, _)| *argument == SINGLE_ACTIVE_CONSUMER)?;
        *value = Argument::Flag(false);
        Some(Declared::Queue(queue))
    }

    /// Two bindings bring jobs in, and two batches. The second is for what was published straight to the queue: it keeps the name of the
    /// queue as its key when it is put back, and would find no way there.
    fn bindings(&self) -> [Binding; 6] {
        let binding = |exchange, queue, key: &str| Binding { exchange, queue, key: key.to_owned() };
        [
            binding(self.dlx(), self.dead_lettered_queue(), ""),
            binding(self.dlx(), self.dead_lettered_notices(), ""),
            binding(self.jobs_exchange(), self.batches_queue(), BATCH_KEY),
            binding(self.jobs_exchange(), self.batches_queue(), &self.batches_queue()),
            binding(self.jobs_exchange(), self.jobs_queue(), "job.#"),
            binding(self.jobs_exchange(), self.jobs_queue(), &self.jobs_queue()),
        ]
    }

    /// Whether a message with this routing key comes from the exchange of jobs to a queue that a worker consumes, by the
    /// bindings that it declares.
    pub(super) fn brings_in(&self, key: &str) -> bool {
        key == "job" || key.starts_with("job.") || [BATCH_KEY, &self.jobs_queue(), &self.batches_queue()].contains(&key)
    }

    /// The exchanges and queues in the order in which they are declared.
    pub(super) fn declared(&self) -> Vec<Declared> {
        let exchanges = self.exchanges().into_iter().map(|(name, kind)| Declared::Exchange(name, kind));
        exchanges.chain(self.queues().into_iter().map(Declared::Queue)).collect()
    }

    /// The text for those of `all` that do not exist.
    fn missing(&self, missing: &[&Declared], all: usize) -> Option<String> {
        let names =
            || missing.iter().map(|one| format!("{} {}", one.what(), one.name())).collect::<Vec<_>>().join(", ");
        let which = match missing.len() {
            0 => return None,
            count if count == all => format!("the broker has none of those of {:?} yet", self.prefix),
            _ => format!("these do not exist: {}", names()),
        };
        Some(format!("{which}; start a worker that may declare them, or import deploy/rabbitmq/definitions.json"))
    }

    /// The text for one that the broker does not make as it is declared.
    fn refuses(&self, declared: &Declared, error: &BrokerError) -> String {
        format!(
            "the broker does not make {} {} with what kind = \"{}\" offers ({error}); if it is another kind of broker, name it by \
             `[broker] kind`",
            declared.what(),
            declared.name(),
            self.kind
        )
    }

    /// Declares the exchanges, queues and bindings. With `passive` it only checks that the exchanges and queues exist, with
    /// any properties; bindings cannot be checked. Reports together all that are missing or differ, and changes none.
    pub(super) async fn declare(&self, conn: &Connection, limit: Duration, passive: bool) -> Result<(), BrokerError> {
        let (mut faults, mut missing) = (Vec::new(), Vec::new());
        let all = self.declared();
        for declared in &all {
            match declared.ask(conn, limit, passive).await {
                Ok(()) => {}
                Err(e) if e.has_reply_code(PRECONDITION_FAILED) => {
                    faults.push(match declared.ask(conn, limit, true).await {
                        Err(missing) if missing.has_reply_code(NOT_FOUND) && e.tells_of_limit() => full(declared, &e),
                        Err(missing) if missing.has_reply_code(NOT_FOUND) => self.refuses(declared, &e),
                        _ => differs(declared, &e),
                    });
                }
                Err(e) if e.has_reply_code(NOT_FOUND) => missing.push(declared),
                Err(e) => return Err(e),
            }
        }
        faults.extend(self.missing(&missing, all.len()));
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
            if self.kind.unbinds_what_is_not_bound() {
                // As other versions have bound it, what the broker gives up would lie among the copies as well.
                let (queue, exchange) = (short(&self.dead_queue()), short(&self.dlx()));
                let unbound = channel.queue_unbind(queue, exchange, "".into(), FieldTable::default());
                within(limit, "queue.unbind", unbound).await?;
            }
            close(channel, limit).await;
        }
        Ok(())
    }
}

fn full(declared: &Declared, error: &BrokerError) -> String {
    format!(
        "there is no room for {} {}: {error}. Delete queues of the vhost that are not used, or raise its limit `max-queues`",
        declared.what(),
        declared.name()
    )
}

fn differs(declared: &Declared, error: &BrokerError) -> String {
    format!(
        "{} {} exists with other properties ({error}). Either keep it with `declare = false` (and set limits by a policy), or \
         empty it, delete it and let the worker declare it again",
        declared.what(),
        declared.name()
    )
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
            ("batch", true),
            ("cg.batches", true),
            ("batch.move", false),
            ("crossgrant.jobs", false),
            ("jobs", false),
            ("x.job.grant", false),
            ("", false),
        ] {
            assert_eq!(t.brings_in(key), finds, "{key}");
        }
        let keys: Vec<String> = t.bindings().into_iter().filter(|b| b.queue == t.jobs_queue()).map(|b| b.key).collect();
        assert_eq!(keys, ["job.#", "cg.jobs"]);
        let bindings = t.bindings().into_iter();
        let keys: Vec<String> = bindings.filter(|b| b.queue == t.batches_queue()).map(|b| b.key).collect();
        assert_eq!(keys, ["batch", "cg.batches"]);
    }

    #[test]
    fn a_queue_has_the_arguments_that_its_broker_knows() {
        let arguments = |kind| {
            let of = |queue: Queue| queue.arguments.into_iter().map(|(argument, _)| argument).collect::<Vec<_>>();
            Topology::new("p").at(kind).queues().map(of)
        };
        let dlx = "x-dead-letter-exchange";
        assert_eq!(arguments(BrokerKind::ApsaraMq), [vec![], vec![], vec![dlx], vec![dlx], vec![dlx]]);
        assert_eq!(arguments(BrokerKind::AmazonMq), arguments(BrokerKind::RabbitMq));
        for kind in BrokerKind::ALL {
            let other = Topology::new("p").at(kind).jobs_queue_with_another_argument();
            assert_eq!(other.is_some(), kind.has_single_active_consumer(), "{kind}");
        }
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
