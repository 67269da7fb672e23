//! Fills a store with jobs that a worker might have left there, straight through [`Store`]: copies of one that a worker
//! did leave, each about a network of its own, with their events.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use crossgrant::clock::{Clock as _, SystemClock};
use crossgrant::domain::{CONTENT_TYPE, JobId, JobUid, Requester};
use crossgrant::engine::ports::mail::{Lane, Outgoing};
use crossgrant::engine::ports::store::{
    Arrival, EventKey, Message, OutboundMessage, Outbox, OutboxPage, Rejection, Settlement, Store, Taken,
};
use crossgrant::engine::record::Record;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::driver::Driver;
use super::hour::endless;
use super::rig::Rig;
use super::store::Engine;
use super::world::{self, Names, Network};
use crate::support::rabbit::Rabbit;

/// Jobs in one commit.
const BATCH: usize = 1_000;

/// The next events that are still to be published.
fn page(messages: usize) -> OutboxPage {
    OutboxPage { lane: Lane::Events, which: Outbox::Fresh(0), messages, bytes: usize::MAX }
}

/// Numbers of the jobs that patterns are of: no other number is in their texts.
const LEARNED: [usize; 2] = [7_654_321, 7_654_322];

/// What stores are filled with.
pub struct Patterns {
    /// A payer change that waits for the hour.
    pub waiting: Pattern,
    /// A grant that is completed.
    pub finished: Pattern,
}

impl Patterns {
    /// Has a worker carry one of each out.
    pub async fn learn(rig: &Rig) -> Result<Self> {
        let [waiting, finished] = LEARNED;
        let networks = [(Network::Attached, waiting..waiting + 1), (Network::New, finished..finished + 1)];
        let mut round = rig.round(Engine::Sqlite, &networks, endless())?;
        round.start(1, 2).await?;
        for (n, kind, event) in [(waiting, "payer-change", "job.waiting"), (finished, "grant", "job.completed")] {
            let mut driver = Driver::connect(&round, event).await?;
            driver.publish(n..n + 1, kind, |n| world::job(kind, n, None)).await?;
            driver.event().await?;
        }
        round.stop()?;
        let store = round.place.open().await?;
        let pattern = async |n| Pattern::of(store.as_ref(), n).await;
        Ok(Self { waiting: pattern(waiting).await?, finished: pattern(finished).await? })
    }
}

/// A job as a worker left it.
pub struct Pattern {
    record: Text,
    /// The events: routing key, and text.
    events: Vec<(String, Text)>,
}

impl Pattern {
    /// Takes the job about network `n` for one.
    pub async fn of(store: &dyn Store, n: usize) -> Result<Self> {
        let id = JobId::parse(world::job_id(n))?;
        let record = store.find(&Requester::parse(Rabbit::USER)?, &id).await?.context("the job is not there")?;
        let names = names(n, record.uid);
        let events = store.events(record.uid).await?.into_iter().map(|text| {
            let event: Value = serde_json::from_str(&text)?;
            let kind = event["type"].as_str().and_then(|kind| kind.strip_prefix("crossgrant."));
            Ok((kind.context("an event has a type")?.to_owned(), Text::new(text, &names)))
        });
        let events = events.collect::<Result<_>>()?;
        Ok(Self { record: Text::new(serde_json::to_string(&record)?, &names), events })
    }

    /// Puts one into `store` for each of `numbers`, changed by `edit`.
    pub async fn fill(&self, store: &Arc<dyn Store>, numbers: Range<usize>, edit: impl Fn(&mut Record)) -> Result<()> {
        let mut batches = numbers.clone().step_by(BATCH).map(|from| from..(from + BATCH).min(numbers.end));
        let mut next = batches.next().map(|batch| self.messages(batch, &edit)).transpose()?;
        while let Some(messages) = next {
            let outbound = messages.len() * self.events.len();
            let store_it = async {
                let taken = store.take(messages).await?;
                ensure!(taken.iter().all(|taken| matches!(taken, Taken::New(_))), "a job was there already");
                // No listener is told.
                let said = store.outbox(page(outbound)).await?;
                let done = said.iter().map(|row| row.number).collect();
                Ok(store.settle(Lane::Events, &Settlement { done, ..Settlement::default() }).await?)
            };
            let prepare = async { batches.next().map(|batch| self.messages(batch, &edit)).transpose() };
            let (stored, prepared) = tokio::join!(store_it, prepare);
            stored?;
            next = prepared?;
        }
        ensure!(store.outbox(page(1)).await?.is_empty(), "somebody would be told");
        Ok(())
    }

    fn messages(&self, numbers: Range<usize>, edit: &impl Fn(&mut Record)) -> Result<Vec<Message>> {
        numbers.map(|n| self.message(n, edit)).collect()
    }

    fn message(&self, n: usize, edit: &impl Fn(&mut Record)) -> Result<Message> {
        let uid = JobUid(Uuid::now_v7());
        let names = names(n, uid);
        let mut record: Record = serde_json::from_str(&self.record.with(&names))?;
        edit(&mut record);
        let outbound = self.events.iter().zip(1..).map(|((kind, text), sequence)| OutboundMessage {
            outgoing: Outgoing {
                message_id: format!("{uid}.{sequence}"),
                exchange: "crossgrant.events".into(),
                routing_key: kind.clone(),
                correlation_id: record.origin.correlation_id.clone(),
                content_type: CONTENT_TYPE.into(),
                headers: [].into(),
                body: Bytes::from(text.with(&names)),
            },
            event: Some(EventKey {
                uid,
                sequence,
                terminal: record.state().is_terminal() && sequence == record.sequence,
            }),
        });
        let outbound = outbound.collect();
        let digest = record.job.digest();
        let reused = Rejection {
            uid,
            at: record.accepted_at,
            requester: record.requester.clone(),
            job_id: None,
            batch_id: None,
            faults_not_listed: 0,
            reasons: "[]".into(),
            origin: Default::default(),
            outbound: vec![],
            kept: None,
        };
        Ok(Message::Arrival(Box::new(Arrival {
            record: Box::new(record),
            digest,
            outbound,
            reused,
            most_unbegun: None,
            batch: None,
        })))
    }
}

/// Lets a waiting job wait for `at`.
pub fn wait_until(record: &mut Record, at: Timestamp) {
    if let Some(wait) = &mut record.wait {
        wait.expected_at = at;
        wait.last_pending = Some(SystemClock.now());
    }
    record.phase.rest_until(at);
}

/// What is a job's own, the longer names before those that they contain.
fn names(n: usize, uid: JobUid) -> [String; 7] {
    let Names { instance, attachment, router, cen, owner } = world::names(n);
    [uid.to_string(), instance, attachment, router, cen, owner, n.to_string()]
}

/// A text with room for names.
struct Text(Vec<Piece>);

enum Piece {
    As(String),
    Name(usize),
}

impl Text {
    fn new(text: String, names: &[String]) -> Self {
        let mut pieces = vec![Piece::As(text)];
        for (place, name) in names.iter().enumerate() {
            let split = |piece| match piece {
                Piece::As(text) => {
                    let parts = text.split(name.as_str()).flat_map(|part| [Piece::Name(place), Piece::As(part.into())]);
                    parts.skip(1).collect()
                }
                named => vec![named],
            };
            pieces = pieces.into_iter().flat_map(split).collect();
        }
        Self(pieces)
    }

    fn with(&self, names: &[String]) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::As(text) => text.as_str(),
            Piece::Name(place) => names[*place].as_str(),
        });
        pieces.collect()
    }
}
