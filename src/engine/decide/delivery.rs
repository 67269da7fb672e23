//! What follows from the broker's verdicts on published messages: which leave the outbox, which are kept aside, and when a
//! refused one is tried again.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::reply_to::is_direct;
use crate::engine::ports::mail::{Delivered, Lane, Outgoing};
use crate::engine::ports::store::{OutboxRow, SetAside, Settlement};

/// The wait after the first refusal. It doubles with each.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// The longest wait, so that a queue that has room again gets its messages within that.
pub const LONGEST_DELAY: Duration = Duration::from_secs(10 * 60);
/// How often in a row a message may be refused: some five hours, in which somebody can make room. It is also the most copies
/// of an event that reach the other queues of the events exchange, while one of them is full.
pub const MOST_TRIES: u32 = 40;

const NO_QUEUE: &str = "no queue takes it";
const REFUSED: &str = "a queue refused it: it is full, or it failed";
const UNCONFIRMED: &str = "a queue that it went to did not confirm it in time";

/// What became of a page of messages.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judged {
    /// What the store is to be told.
    pub settlement: Settlement,
    /// Whether replies that stayed behind one of these may go out now, so that the outbox is to be read from its beginning.
    pub frees: bool,
    /// What an operator should know, one line for each sort of thing.
    pub warnings: Vec<String>,
}

/// Judges a page by the verdicts on its messages, of which the last may be missing.
pub fn judge(page: &[OutboxRow], verdicts: &[Delivered], now: Timestamp) -> Judged {
    let mut judged = Judged::default();
    let mut refusing = BTreeSet::new();
    let (mut begun, mut given_up, mut unpublishable) = (Sort::default(), Sort::default(), Sort::default());
    for (row, verdict) in page.iter().zip(verdicts) {
        let lane = Lane::of(&row.outgoing.exchange);
        let direct = lane == Lane::Replies && is_direct(&row.outgoing.routing_key);
        let aside = |reason: &str, tries, given_up| {
            (!direct).then(|| SetAside { number: row.number, reason: reason.to_owned(), tries, given_up })
        };
        let aside = match verdict {
            Delivered::Confirmed => None,
            Delivered::Undeliverable => aside(NO_QUEUE, row.tries, false),
            Delivered::Unpublishable(words) => {
                unpublishable.add(&row.outgoing, words);
                aside(words, row.tries, false)
            }
            Delivered::Refused | Delivered::Unconfirmed => {
                let (why, tries) = (if *verdict == Delivered::Refused { REFUSED } else { UNCONFIRMED }, row.tries + 1);
                if tries < MOST_TRIES && !direct {
                    if row.tries == 0 {
                        begun.add(&row.outgoing, why);
                    }
                    // Of the replies to one queue the first stands for all.
                    if lane == Lane::Events || refusing.insert(&row.outgoing.routing_key) {
                        judged.settlement.refused.push((row.number, later(now, delay(tries))));
                    }
                    continue;
                }
                given_up.add(&row.outgoing, why);
                aside(why, tries, true)
            }
        };
        judged.frees |= lane == Lane::Replies && row.put_off;
        match aside {
            Some(aside) => judged.settlement.undeliverable.push(aside),
            // Direct reply-to names a client's channel: when that is gone, so is all that could be sent again.
            None => judged.settlement.done.push(row.number),
        }
    }
    let said = [
        (begun, "refused; tried again less and less often"),
        (given_up, "refused for the last time; kept aside, see `crossgrant dead list`"),
        (unpublishable, "cannot be published; kept aside, see `crossgrant dead list`"),
    ];
    judged.warnings = said.into_iter().filter_map(|(sort, what)| sort.line(what)).collect();
    judged
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
