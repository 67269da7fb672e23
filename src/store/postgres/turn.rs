//! Whose turn it is, of the workers of one database: to publish, and to sweep a group.
//!
//! **Publishing.** One worker at a time reads the outbox; the others find nothing in it. So no event is published twice by
//! two of them, and the order is that of the numbers. Numbers are taken before a commit and seen after it, so a lower one
//! may come to light after a higher one; the reader remembers which were missing, and reads them when they are there: an
//! event of a job is then never behind the next one. A reader that publishes nothing gives its turn to another: it may be
//! its broker that is away.
//!
//! **Sweeping.** Whoever asks for a page of a group has it until he says that he is through with it; the others find
//! nothing in it. What he leaves is due later, or he is gone, and then the lock is too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::bell::{self, Bell};
use crate::clock::{Clock as _, SystemClock, later};
use crate::engine::ports::store::{Group, OutboxRow, StoreError, Wakeup};

/// What is read and not settled for so long is not being published.
const STUCK: Duration = Duration::from_secs(5);
/// A number that is missing for so long will never be there: no transaction lasts that long.
const MISSED: Duration = Duration::from_secs(60);
/// Missing numbers to ask for at once; more come of a large batch that was undone.
const MISSING: usize = 2_000;
/// When another has a group in hand, it is looked at again after this.
const AGAIN: Duration = Duration::from_secs(2);

/// The turns of one worker.
#[derive(Default)]
pub(super) struct Turns {
    publishing: Mutex<Publishing>,
    sweeping: Mutex<Sweeping>,
}

#[derive(Default)]
struct Publishing {
    /// Numbers below one that was read, by when they were missed first.
    missing: BTreeMap<i64, Duration>,
    /// Since when something is read and nothing settled.
    reading_since: Option<Duration>,
    /// Until when it is others' turn.
    others_until: Option<Duration>,
}

#[derive(Default)]
struct Sweeping {
    /// The locks of the groups in hand.
    groups: BTreeSet<i32>,
    /// When a group was found in another's hand.
    others_at: Option<Timestamp>,
}

fn outbox() -> i32 {
    bell::key("outbox", "")
}

fn lock(group: &Group) -> i32 {
    bell::key("sweep", &format!("{} {} {}", group.cen.owner, group.cen.id, group.kind.as_str()))
}

impl Turns {
    /// Whether it is this worker's turn to publish; then, the missing numbers to ask for.
    pub(super) async fn to_publish(&self, bell: &Bell) -> Result<Option<Vec<i64>>, StoreError> {
        let mut publishing = self.publishing.lock().await;
        let now = SystemClock.uptime();
        if publishing.others_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        if publishing.reading_since.is_some_and(|since| now.saturating_sub(since) > STUCK) {
            tracing::info!("cannot publish; lets another worker try");
            *publishing = Publishing { others_until: Some(now + STUCK), ..Publishing::default() };
            bell.release(outbox()).await?;
            bell.ring(Wakeup { mail: true, ..Wakeup::default() });
            return Ok(None);
        }
        if !bell.hold(outbox()).await? {
            *publishing = Publishing::default();
            return Ok(None);
        }
        publishing.missing.retain(|_, since| now.saturating_sub(*since) < MISSED);
        Ok(Some(publishing.missing.keys().copied().collect()))
    }

    /// A page was read that begins after number `after`.
    pub(super) async fn read(&self, after: i64, page: &[OutboxRow]) {
        let (Some(first), Some(last)) = (page.first(), page.last()) else { return };
        let mut publishing = self.publishing.lock().await;
        let now = SystemClock.uptime();
        publishing.reading_since.get_or_insert(now);
        // From the beginning it is not known where to begin.
        let from = if after == 0 { first.number } else { after };
        let mut expected = from + 1;
        for number in page.iter().map(|queued| queued.number).chain([last.number + 1]) {
            let gap = (expected..number).rev().take(MISSING);
            for missing in gap {
                publishing.missing.entry(missing).or_insert(now);
            }
            expected = expected.max(number + 1);
            publishing.missing.remove(&number);
        }
        while publishing.missing.len() > MISSING {
            publishing.missing.pop_first();
        }
    }

    /// Something that was read is settled.
    pub(super) async fn settled(&self) {
        self.publishing.lock().await.reading_since = None;
    }

    /// A pass begins: nothing is in hand.
    pub(super) async fn pass(&self, bell: &Bell) -> Result<(), StoreError> {
        let mut sweeping = self.sweeping.lock().await;
        sweeping.others_at = None;
        while let Some(group) = sweeping.groups.pop_first() {
            bell.release(group).await?;
        }
        Ok(())
    }

    /// A group is left to others.
    pub(super) async fn swept_through(&self, bell: &Bell, group: &Group) -> Result<(), StoreError> {
        let key = lock(group);
        if self.sweeping.lock().await.groups.remove(&key) { bell.release(key).await } else { Ok(()) }
    }

    /// Whether this worker has a group in hand, as of `now`.
    pub(super) async fn to_sweep(&self, bell: &Bell, group: &Group, now: Timestamp) -> Result<bool, StoreError> {
        let key = lock(group);
        let mut sweeping = self.sweeping.lock().await;
        let held = bell.hold(key).await?;
        if held {
            sweeping.groups.insert(key);
        } else {
            sweeping.others_at = Some(now);
        }
        Ok(held)
    }

    /// When to sweep, where the first is due at `due`: not at once, if what is due is in another's hand.
    pub(super) async fn next_sweep(&self, due: Timestamp) -> Timestamp {
        match self.sweeping.lock().await.others_at {
            Some(at) => due.max(later(at, AGAIN)),
            None => due,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::fixtures::outgoing;

    fn page(numbers: &[i64]) -> Vec<OutboxRow> {
        numbers.iter().map(|number| OutboxRow { number: *number, outgoing: outgoing("m", "to") }).collect()
    }

    async fn missing(turns: &Turns) -> Vec<i64> {
        turns.publishing.lock().await.missing.keys().copied().collect()
    }

    #[tokio::test]
    async fn missing_numbers_are_remembered_until_they_are_read() {
        let turns = Turns::default();
        turns.read(0, &page(&[5, 6, 9])).await;
        assert_eq!(missing(&turns).await, [7, 8], "before the first of all nothing is known to be missing");
        turns.read(9, &page(&[11])).await;
        assert_eq!(missing(&turns).await, [7, 8, 10]);
        turns.read(11, &page(&[8, 10, 12])).await;
        assert_eq!(missing(&turns).await, [7]);
    }

    #[tokio::test]
    async fn a_large_gap_is_not_remembered_whole() {
        let turns = Turns::default();
        turns.read(1, &page(&[1_000_000])).await;
        let missing = missing(&turns).await;
        assert_eq!((missing.len(), missing[MISSING - 1]), (MISSING, 999_999), "the latest are the likeliest to come");
    }
}
