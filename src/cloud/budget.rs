//! The budgets of the accounts: before every call its caller waits here until the operation has room for it. The cloud
//! counts calls per account and operation, whoever makes them (API §E), so a bucket is one account's for one operation.
//!
//! Who waits stands in line: jobs before the sweep, and among equals who came first. So that jobs without end do not
//! keep the sweep from ever looking, it gets one call in [`SHARE`] of those it waits with. Only the first in line
//! sleeps; whoever leaves the line, served or dropped, wakes the next. A call is taken out in the same instant in which
//! its caller goes on, so a caller that is dropped while it waits has taken nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::bucket::Bucket;
use crate::clock::Clock;
use crate::domain::{Access, AccountUid, CalledAs, Operation};
use crate::engine::ports::urgency::{Priority, Urgency};

/// Calls per second of `AssumeRole`, which the roles of all accounts behind one hub share: a fifth of what STS takes of an
/// account, which has other users too (API §K).
const ASSUME_ROLE: u32 = 20;

/// Of so many calls that both wait for, the sweep gets one.
const SHARE: u32 = 8;

/// How many calls to make of each operation, for each account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of an operation that reads.
    pub reads_per_second: u32,
    /// Of one that writes.
    pub writes_per_second: u32,
    /// How many calls may go out at once after a pause.
    pub burst: u32,
    /// Calls per second of operations that have a limit of their own.
    pub operations: BTreeMap<Operation, u32>,
}

impl Default for Limits {
    /// For want of published limits: API §E.
    fn default() -> Self {
        Self { reads_per_second: 5, writes_per_second: 2, burst: 3, operations: BTreeMap::new() }
    }
}

impl Limits {
    fn of(&self, operation: Operation) -> u32 {
        let general = match operation.access() {
            Access::Read => self.reads_per_second,
            Access::Write | Access::WriteWithToken => self.writes_per_second,
            Access::Keys if operation.called_as() == CalledAs::Hub => ASSUME_ROLE,
            Access::Keys => self.reads_per_second,
        };
        self.operations.get(&operation).copied().unwrap_or(general)
    }

    /// How far apart two calls of an operation are at that rate.
    pub(super) fn interval(&self, operation: Operation) -> Duration {
        Duration::from_secs(1) / self.of(operation).max(1)
    }
}

/// A line for each account and operation, from its first call.
type Lines = HashMap<(AccountUid, Operation), Arc<Mutex<Line>>>;

/// The budgets of all accounts.
#[derive(Default)]
pub(super) struct Budget {
    /// `None`: everything goes out at once.
    limits: Option<Limits>,
    lines: Mutex<Lines>,
    /// How many workers share the limits; 0 before that is known counts as one.
    workers: AtomicU32,
}

/// A call may go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passed {
    /// How long it waited.
    pub waited: Duration,
    /// Calls per second that the operation has now; `None` without a limit.
    pub rate: Option<f64>,
}

/// A call may not go out in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedUp {
    /// How long it waited all the same.
    pub waited: Duration,
    /// When there will be room for it, at the rate of now and if nobody comes that goes first.
    pub opens_in: Duration,
}

impl Budget {
    pub fn new(limits: Option<Limits>) -> Self {
        Self { limits, ..Self::default() }
    }

    /// From now on so many workers share the limits, and each has its part of them.
    pub fn share(&self, workers: u32, clock: &dyn Clock) {
        let lines = locked(&self.lines);
        self.workers.store(workers, Ordering::Relaxed);
        for line in lines.values() {
            locked(line).bucket.share(workers, clock.uptime());
        }
    }

    /// How many share them.
    pub fn workers(&self) -> u32 {
        self.workers.load(Ordering::Relaxed).max(1)
    }

    /// Returns once the call may go out.
    pub async fn pass(
        &self,
        clock: &dyn Clock,
        account: &AccountUid,
        operation: Operation,
        urgency: Urgency,
    ) -> Result<Passed, UsedUp> {
        let began = clock.uptime();
        let Some(line) = self.line(account, operation, began) else {
            return Ok(Passed { waited: Duration::ZERO, rate: None });
        };
        let place = Place::take(line, urgency.priority);
        loop {
            let now = clock.uptime();
            let waited = now.saturating_sub(began);
            let (first, opens_at) = {
                let mut line = place.line();
                let first = line.first() == Some(place.key);
                if first && line.bucket.take(now) {
                    line.served(place.key);
                    return Ok(Passed { waited, rate: Some(line.bucket.rate(now)) });
                }
                let ahead = if first { 0 } else { line.ahead_of(place.key) };
                (first, line.bucket.opens_at_for(ahead, now))
            };
            let until = urgency.until.unwrap_or(Duration::MAX);
            // Who will not be served in time need not keep a worker waiting to learn it.
            if now >= until || opens_at > until {
                return Err(UsedUp { waited, opens_in: opens_at.saturating_sub(now) });
            }
            let wake_at = if first { opens_at.min(until) } else { until };
            let sleep = async {
                match wake_at {
                    Duration::MAX => std::future::pending().await,
                    at => clock.sleep(at.saturating_sub(now)).await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = place.turn.notified() => {}
            }
        }
    }

    /// A call that went out at `sent` was throttled; returns the rate that is left.
    pub fn throttled(
        &self,
        account: &AccountUid,
        operation: Operation,
        sent: Duration,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> Option<f64> {
        let line = self.line(account, operation, now)?;
        let mut line = locked(&line);
        line.bucket.throttled(sent, now, retry_after);
        Some(line.bucket.rate(now))
    }

    fn line(&self, account: &AccountUid, operation: Operation, now: Duration) -> Option<Arc<Mutex<Line>>> {
        let limits = self.limits.as_ref()?;
        let mut lines = locked(&self.lines);
        let line = lines.entry((account.clone(), operation)).or_insert_with(|| {
            let mut bucket = Bucket::new(limits.of(operation), limits.burst);
            if self.workers() > 1 {
                bucket.share(self.workers(), now);
            }
            Arc::new(Mutex::new(Line { bucket, waiting: BTreeMap::new(), came: 0, passed_over: 0 }))
        });
        Some(Arc::clone(line))
    }
}

/// A place in line: what goes first, then who came first.
type Key = (Priority, u64);

/// A bucket, and who waits for it.
struct Line {
    bucket: Bucket,
    waiting: BTreeMap<Key, Arc<Notify>>,
    came: u64,
    /// How many jobs went before a sweep that waits.
    passed_over: u32,
}

impl Line {
    fn sweep(&self) -> Option<Key> {
        self.waiting.range((Priority::Sweep, 0)..).next().map(|(key, _)| *key)
    }

    fn first(&self) -> Option<Key> {
        let sweep = self.sweep().filter(|_| self.passed_over + 1 >= SHARE);
        sweep.or_else(|| self.waiting.keys().next().copied())
    }

    /// How many go before this one, if nobody else comes. Of the jobs only so many go before a sweep.
    fn ahead_of(&self, key: Key) -> u32 {
        let count = |length| u32::try_from(length).unwrap_or(u32::MAX);
        let ahead = count(self.waiting.range(..key).count());
        match key.0 {
            Priority::Job => ahead,
            Priority::Sweep => {
                let sweeps = count(self.waiting.range((Priority::Sweep, 0)..key).count());
                ahead.min(sweeps.saturating_add(1).saturating_mul(SHARE))
            }
        }
    }

    fn served(&mut self, key: Key) {
        self.passed_over = match (key.0, self.sweep()) {
            (Priority::Job, Some(_)) => self.passed_over + 1,
            _ => 0,
        };
    }
}

/// GrantState in line; leaves it when dropped.
struct Place {
    line: Arc<Mutex<Line>>,
    key: Key,
    turn: Arc<Notify>,
}

impl Place {
    fn take(line: Arc<Mutex<Line>>, priority: Priority) -> Self {
        let turn = Arc::new(Notify::new());
        let key = {
            let mut line = locked(&line);
            line.came += 1;
            let key = (priority, line.came);
            line.waiting.insert(key, Arc::clone(&turn));
            key
        };
        Self { line, key, turn }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        locked(&self.line)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.line();
        line.waiting.remove(&self.key);
        if let Some(next) = line.first().and_then(|key| line.waiting.get(&key)) {
            next.notify_one();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
