//! Leader locks: what only one worker of a database does at a time, it does while it holds the lock for it.
//!
//! **Publishing.** One worker at a time reads a lane of the outbox; the others find it empty. So two workers never publish the same
//! event, and messages are published in the order of their numbers. Each lane has numbers of its own, even or odd. A transaction takes its numbers before it commits, and
//! they are seen after the commit, so a lower number may appear after a higher one. The reader remembers which numbers were
//! missing and reads them once they appear: an event of a job is then never published after the next one. A reader that
//! publishes nothing releases the lock to another worker, because its own broker may be unreachable.
//!
//! **Sweeping.** A worker that asks for a page of a group locks it until it releases the group; the others find it empty.
//! Jobs that it leaves in the group are due later. If it dies, its lock ends too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::listener::Listener;
use super::lock_keys;
use crate::clock::{Clock as _, SystemClock, later};
use crate::engine::ports::mail::{Lane, Lanes};
use crate::engine::ports::store::{Group, StoreError, Wakeup};

/// A worker that has read messages, and published none for this long, cannot publish.
const STUCK: Duration = Duration::from_secs(5);
/// A number that is missing for this long will never appear: no transaction lasts longer.
const MISSED: Duration = Duration::from_secs(60);
/// How many missing numbers are remembered. A large batch that was undone leaves more.
const MISSING: usize = 2_000;
/// When to look again at a group that another worker sweeps.
const AGAIN: Duration = Duration::from_secs(2);

/// How far it is from a number to the next of a lane: events have even numbers and replies odd ones. A number from before the
/// lanes had numbers of their own may be of either.
fn step(lane: Lane, number: i64) -> i64 {
    let odd = i64::from(lane == Lane::Replies);
    if number.rem_euclid(2) == odd { 2 } else { 1 }
}

fn next_number(lane: Lane, number: i64) -> i64 {
    number + step(lane, number)
}

fn number_before(lane: Lane, number: i64) -> i64 {
    number - step(lane, number)
}

/// The leader locks of one worker.
#[derive(Default)]
pub(super) struct LeaderLocks {
    publishing: Lanes<Mutex<Publishing>>,
    sweeping: Mutex<Sweeping>,
}

#[derive(Default)]
struct Publishing {
    /// Numbers that are missing below one that was read, with the uptime at which that was first seen.
    missing: BTreeMap<i64, Duration>,
    /// The highest number that was read. Every number up to it was read, or is in `missing`, or was published by another.
    read_to: Option<i64>,
    /// The uptime since which messages are read and none published.
    reading_since: Option<Duration>,
    /// The uptime until which the lock is left to others.
    others_until: Option<Duration>,
}

#[derive(Default)]
struct Sweeping {
    /// The keys of the groups that this worker has locked.
    locked: BTreeSet<i32>,
    /// When this worker last found, in this pass, a group that another worker has locked.
    others_at: Option<Timestamp>,
}

impl LeaderLocks {
    /// Whether this worker may publish a lane; if so, the missing numbers to read.
    pub(super) async fn publish(&self, listener: &Listener, lane: Lane) -> Result<Option<Vec<i64>>, StoreError> {
        let mut publishing = self.publishing.of(lane).lock().await;
        let now = SystemClock.uptime();
        if publishing.others_until.is_some_and(|until| now < until) {
            return Ok(None);
        }
        if publishing.reading_since.is_some_and(|since| now.saturating_sub(since) > STUCK) {
            tracing::info!(?lane, "cannot publish; lets another worker try");
            *publishing = Publishing { others_until: Some(now + STUCK), ..Publishing::default() };
            listener.unlock(lock_keys::outbox(lane)).await?;
            listener.notify(Wakeup { mail: true, ..Wakeup::default() });
            return Ok(None);
        }
        if !listener.try_lock(lock_keys::outbox(lane)).await? {
            *publishing = Publishing::default();
            return Ok(None);
        }
        publishing.missing.retain(|_, since| now.saturating_sub(*since) < MISSED);
        Ok(Some(publishing.missing.keys().copied().collect()))
    }

    /// Takes note of the numbers of a lane that were read after number `after`.
    pub(super) async fn read(&self, lane: Lane, after: i64, numbers: &[i64]) {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else { return };
        let mut publishing = self.publishing.of(lane).lock().await;
        let now = SystemClock.uptime();
        publishing.reading_since.get_or_insert(now);
        // A pass begins after number 0, where lower numbers may be published already. Only what comes after the highest number
        // read so far can be missing; the first number of all is not known.
        let mut expected = next_number(lane, publishing.read_to.unwrap_or(if after == 0 { *first } else { after }));
        for number in numbers {
            let below = |number: &i64| Some(number_before(lane, *number)).filter(|below| *below >= expected);
            for missing in std::iter::successors(below(number), below).take(MISSING) {
                publishing.missing.entry(missing).or_insert(now);
            }
            expected = expected.max(next_number(lane, *number));
            publishing.missing.remove(number);
        }
        publishing.read_to = publishing.read_to.max(Some(*last));
        while publishing.missing.len() > MISSING {
            publishing.missing.pop_first();
        }
    }

    /// Takes note that messages of a lane were published.
    pub(super) async fn published(&self, lane: Lane) {
        self.publishing.of(lane).lock().await.reading_since = None;
    }

    /// Begins a pass of the sweep: releases what is left of the pass before.
    pub(super) async fn begin_pass(&self, listener: &Listener) -> Result<(), StoreError> {
        let mut sweeping = self.sweeping.lock().await;
        sweeping.others_at = None;
        while let Some(key) = sweeping.locked.pop_first() {
            listener.unlock(key).await?;
        }
        Ok(())
    }

    pub(super) async fn release_group(&self, listener: &Listener, group: &Group) -> Result<(), StoreError> {
        let key = lock_keys::group(group);
        if self.sweeping.lock().await.locked.remove(&key) { listener.unlock(key).await } else { Ok(()) }
    }

    /// Whether this worker may sweep a group, at `now`.
    pub(super) async fn sweep(&self, listener: &Listener, group: &Group, now: Timestamp) -> Result<bool, StoreError> {
        let key = lock_keys::group(group);
        let mut sweeping = self.sweeping.lock().await;
        let locked = listener.try_lock(key).await?;
        if locked {
            sweeping.locked.insert(key);
        } else {
            sweeping.others_at = Some(now);
        }
        Ok(locked)
    }

    /// When to sweep if the first job is due at `due`: not at once if another worker may be about to sweep that job.
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

    const EVENTS: Lane = Lane::Events;

    async fn missing(locks: &LeaderLocks, lane: Lane) -> Vec<i64> {
        locks.publishing.of(lane).lock().await.missing.keys().copied().collect()
    }

    #[tokio::test]
    async fn missing_numbers_are_remembered_until_they_are_read() {
        let locks = LeaderLocks::default();
        locks.read(EVENTS, 0, &[10, 12, 18]).await;
        assert_eq!(missing(&locks, EVENTS).await, [14, 16], "before the first of all none is known to be missing");
        locks.read(EVENTS, 18, &[22]).await;
        assert_eq!(missing(&locks, EVENTS).await, [14, 16, 20]);
        locks.read(EVENTS, 22, &[16, 20, 24]).await;
        assert_eq!(missing(&locks, EVENTS).await, [14]);
    }

    #[tokio::test]
    async fn a_large_gap_is_not_remembered_whole() {
        let locks = LeaderLocks::default();
        locks.read(EVENTS, 2, &[1_000_000]).await;
        let missing = missing(&locks, EVENTS).await;
        assert_eq!((missing.len(), missing[MISSING - 1]), (MISSING, 999_998), "the latest are the likeliest to come");
    }

    #[tokio::test]
    async fn a_number_below_the_first_of_a_pass_is_missing_too() {
        let locks = LeaderLocks::default();
        locks.read(EVENTS, 0, &[2, 4]).await;
        locks.read(EVENTS, 0, &[10, 12]).await;
        assert_eq!(missing(&locks, EVENTS).await, [6, 8], "2 and 4 are published");
        locks.read(EVENTS, 0, &[10, 18]).await;
        assert_eq!(missing(&locks, EVENTS).await, [6, 8, 14, 16], "a queue refused 10, and 12 is published");
    }

    #[tokio::test]
    async fn what_is_missing_in_one_lane_says_nothing_of_the_other() {
        let locks = LeaderLocks::default();
        locks.read(EVENTS, 0, &[2, 4, 8]).await;
        locks.read(Lane::Replies, 0, &[3, 5, 11]).await;
        assert_eq!(missing(&locks, EVENTS).await, [6]);
        assert_eq!(missing(&locks, Lane::Replies).await, [7, 9]);
    }

    #[tokio::test]
    async fn numbers_from_before_the_lanes_had_their_own_are_read_as_they_come() {
        let locks = LeaderLocks::default();
        locks.read(EVENTS, 0, &[2, 3, 7]).await;
        assert_eq!(missing(&locks, EVENTS).await, [4, 6]);
        locks.read(EVENTS, 7, &[8, 10]).await;
        assert_eq!(missing(&locks, EVENTS).await, [4, 6]);
    }
}
