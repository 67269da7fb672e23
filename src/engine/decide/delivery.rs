//! What follows from the broker's verdicts on published messages: which leave the outbox, which are kept aside, and when a
//! refused one is tried again.
//!
//! An event that no queue takes leaves the outbox like one that was taken: it was not asked for, and it stays with its job, from
//! where it can be published again. A reply that no queue takes was asked for, so it is kept aside.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::webhook;
use crate::clock::later;
use crate::domain::reply_to::{is_direct, is_generated};
use crate::domain::words;
use crate::engine::ports::mail::{Delivered, Lane, Outgoing};
use crate::engine::ports::store::{OutboxRow, SetAside, Settlement};

/// The wait after the first refusal. It doubles with each.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest wait, so that a queue that has room again gets its messages within that.
pub const LONGEST_DELAY: Duration = Duration::from_secs(10 * 60);
/// How often in a row a message may be refused: some five hours, in which somebody can make room. It is also the most copies
/// of an event that reach the other queues of the events exchange, while one of them is full.
pub const MOST_TRIES: u32 = 40;

/// A message that is not confirmed counts as this many more refusals: trying it again holds up its lane for as long as a
/// window may take, and should not be done every few seconds.
const UNCONFIRMED_COUNTS: u32 = 6;

const NO_QUEUE: &str = "no queue takes it";
const REFUSED: &str = "a queue refused it: it is full, or it failed";
const UNCONFIRMED: &str = "a queue that it went to did not confirm it in time";

words! {
    /// Why a message could not be published, in a word.
    pub enum Cause {
        /// No queue has the name that it is for.
        NoQueue = "no-queue",
        /// Its queue refused it, until it was given up.
        Refused = "refused",
        /// Its queue did not confirm it, until it was given up.
        Unconfirmed = "unconfirmed",
        /// The broker took offence at it.
        Unpublishable = "unpublishable",
        /// Its webhook did not take it, until it was given up.
        WebhookFailed = "webhook-failed",
        /// Its webhook says that it is gone.
        WebhookGone = "webhook-gone",
    }
}

impl Cause {
    /// The cause behind the reason that a message was kept aside with.
    pub fn of(reason: &str) -> Self {
        match reason {
            NO_QUEUE => Self::NoQueue,
            REFUSED => Self::Refused,
            UNCONFIRMED => Self::Unconfirmed,
            _ if reason.starts_with(webhook::FAILED) => Self::WebhookFailed,
            _ if reason.starts_with(webhook::GONE) => Self::WebhookGone,
            _ => Self::Unpublishable,
        }
    }
}

/// What became of a page of messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// What the store is to be told.
    pub settlement: Settlement,
    /// What an operator should know, one line for each sort of thing.
    pub warnings: Vec<String>,
}

/// Judges a page by the verdicts on its messages, of which the last may be missing.
pub fn judge(page: &[OutboxRow], verdicts: &[Delivered], now: Timestamp) -> Judged {
    let mut settlement = Settlement::default();
    let [mut begun, mut given_up, mut unpublishable, mut lost] = <[Sort; 4]>::default();
    let mut refusing = BTreeSet::new();
    for (row, verdict) in page.iter().zip(verdicts) {
        let (lane, to) = (Lane::of(&row.outgoing.exchange), &row.outgoing.routing_key);
        let (reason, last) = match verdict {
            Delivered::Confirmed => {
                settlement.done.push(row.number);
                continue;
            }
            Delivered::Undeliverable if lane == Lane::Events => {
                settlement.done.push(row.number);
                continue;
            }
            Delivered::Undeliverable => (NO_QUEUE, None),
            Delivered::Unpublishable(words) => (words.as_str(), None),
            Delivered::Refused => (REFUSED, Some(delay(row.tries + 1))),
            Delivered::Unconfirmed => (UNCONFIRMED, Some(delay(row.tries + 1 + UNCONFIRMED_COUNTS))),
        };
        let tries = row.tries + u32::from(last.is_some());
        let gone = is_generated(to) && *verdict == Delivered::Undeliverable;
        let direct = lane == Lane::Replies && (is_direct(to) || gone);
        match last.filter(|_| tries < MOST_TRIES && !direct) {
            Some(wait) => {
                if row.tries == 0 {
                    begun.add(&row.outgoing, reason);
                }
                // Of the replies to one queue the first stands for all.
                if lane == Lane::Events || refusing.insert(to) {
                    settlement.refused.push((row.number, later(now, wait)));
                }
            }
            // It names a client's channel, or its queue: when that is gone, it will never be there again.
            None if direct => {
                lost.add(&row.outgoing, reason);
                settlement.done.push(row.number);
            }
            None => {
                match verdict {
                    Delivered::Unpublishable(_) => unpublishable.add(&row.outgoing, reason),
                    Delivered::Refused | Delivered::Unconfirmed => given_up.add(&row.outgoing, reason),
                    // The metrics count these, and `dead list` shows them.
                    Delivered::Undeliverable | Delivered::Confirmed => {}
                }
                let (number, reason) = (row.number, reason.to_owned());
                settlement.undeliverable.push(SetAside { number, reason, tries, given_up: last.is_some() });
            }
        }
    }
    let said = [
        (begun, "refused; tried again less and less often"),
        (given_up, "refused for the last time; kept aside, see `crossgrant dead list`"),
        (unpublishable, "cannot be published; kept aside, see `crossgrant dead list`"),
        (lost, "cannot be delivered to a direct reply-to; dropped"),
    ];
    let warnings = said.into_iter().filter_map(|(sort, what)| sort.line(what)).collect();
    Judged { settlement, warnings }
}

/// The wait after this many refusals in a row.
pub fn delay(tries: u32) -> Duration {
    FIRST_DELAY.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_DELAY)
}

/// Messages of which one thing is to be said: how many, and the first as an example.
#[derive(Default)]
struct Sort {
    messages: usize,
    first: Option<String>,
}

impl Sort {
    fn add(&mut self, outgoing: &Outgoing, why: &str) {
        self.messages += 1;
        let Outgoing { message_id, exchange, routing_key, .. } = outgoing;
        self.first.get_or_insert_with(|| {
            let to =
                if exchange.is_empty() { "queue".to_owned() } else { format!("exchange {exchange:?}, routing key") };
            format!("{message_id} to {to} {routing_key:?}: {why}")
        });
    }

    fn line(self, what: &str) -> Option<String> {
        self.first.map(|first| format!("{} outbound message(s) {what}; the first: {first}", self.messages))
    }
}

#[cfg(test)]
mod tests;
