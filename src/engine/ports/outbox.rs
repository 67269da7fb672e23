//! The outbox, as the store keeps it: messages that are still to be published, what becomes of them, and those that were kept
//! aside.

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::JobUid;
use crate::engine::ports::mail::{Lane, Outgoing};

/// A message to publish. It is committed together with the change that it reports.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundMessage {
    /// The message as the broker gets it.
    pub outgoing: Outgoing,
    /// The event it carries; `None` for a dead-letter copy.
    pub event: Option<EventKey>,
}

/// Names an event of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventKey {
    /// The job; for a `rejected` event, the uid of the rejection.
    pub uid: JobUid,
    /// Counts the events of the job, from 1.
    pub sequence: u32,
    /// Whether it is the job's last event. That one also goes to every `reply_to` under which the job was asked for.
    pub terminal: bool,
}

/// An event as it is kept with its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEvent {
    /// The job.
    pub uid: JobUid,
    /// Its place among the events of the job, from 1.
    pub sequence: u32,
    /// The event, as JSON.
    pub text: String,
}

/// What every version of the program can read of an event.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EventHead {
    /// When it happened.
    pub time: Timestamp,
    /// Its type, such as `crossgrant.job.completed`.
    #[serde(rename = "type")]
    pub kind: String,
}

impl EventHead {
    /// Reads it from a body; `None` if that is no event.
    pub fn read(body: &[u8]) -> Option<Self> {
        serde_json::from_slice(body).ok()
    }
}

/// Fresh messages are read apart from those that were put off, so that they do not wait behind them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outbox {
    /// Those that no queue has refused, with a number higher than this. Of replies only if their queue has refused no other
    /// that is still there.
    Fresh(i64),
    /// Those that were put off, by themselves or behind another, and are due at this time; and events that are published again.
    PutOff(Timestamp),
}

/// A part of a lane of the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxPage {
    /// The lane.
    pub lane: Lane,
    /// Which of its messages.
    pub which: Outbox,
    /// The most messages.
    pub messages: usize,
    /// The most bytes of their bodies; but the first message whatever its size.
    pub bytes: usize,
}

/// A message that is still to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Messages of a lane are published in the order of their numbers. A number is never used again.
    pub number: i64,
    /// The message as the broker gets it.
    pub outgoing: Outgoing,
    /// How often in a row a queue has refused it.
    pub tries: u32,
}

/// A message that could not be published, kept aside.
#[derive(Debug, Clone, PartialEq)]
pub struct UndeliverableRow {
    /// The number it had in the outbox.
    pub number: i64,
    /// The message as the broker got it.
    pub outgoing: Outgoing,
    /// Why, in the broker's words if it has said any.
    pub reason: String,
    /// How often a queue has refused it.
    pub tries: u32,
}

/// What became of published messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settlement {
    /// The numbers of those that leave the outbox for good.
    pub done: Vec<i64>,
    /// Those that are kept aside.
    pub undeliverable: Vec<SetAside>,
    /// Those that a queue has refused: number, and when to try again. Replies to one queue are refused together.
    pub refused: Vec<(i64, Timestamp)>,
    /// What was wrong with some of those, for people; kept as long as they wait.
    pub reasons: Vec<(i64, String)>,
}

/// A message to keep aside.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAside {
    /// Its number.
    pub number: i64,
    /// Why, in the broker's words if it has said any.
    pub reason: String,
    /// How often a queue has refused it, or a webhook was called.
    pub tries: u32,
    /// Its queue has refused it for the last time, and gets one more chance with each of the messages behind it.
    pub given_up: bool,
}

/// A message to a webhook that is in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWebhook {
    /// Its number.
    pub number: i64,
    /// Where it goes.
    pub url: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried next; `None` is at once.
    pub due: Option<Timestamp>,
    /// What was wrong last; empty if nothing was.
    pub reason: String,
}
