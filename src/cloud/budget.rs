//! The budgets of the accounts: every call waits here until its operation has room for it. The cloud counts calls per
//! account and operation (API §E), so each account has a bucket for each operation.
//!
//! Waiting calls form a queue: jobs before the sweep, and among equals requesters take turns, each with its calls in the order
//! in which they came. An endless stream of jobs must not keep the sweep from looking, so while both wait the sweep gets one
//! call in [`SHARE`]. Only the first call
//! of a queue sleeps; a call that leaves the queue, served or dropped, wakes the next. A call is taken out of the bucket
//! in the instant in which it goes on, so one that is dropped while it waits has taken nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use tokio::sync::Notify;

use super::bucket::Bucket;
use crate::clock::Clock;
use crate::domain::{AccountUid, CalledAs, Operation, Purpose};
use crate::engine::ports::account::AccountBudget;
use crate::engine::ports::urgency::{OnBehalf, Priority, Urgency};

/// Calls per second of `AssumeRole`, which the roles of all accounts behind one hub share: a fifth of what STS takes of
/// one account, because the account has other users too (API §K).
const ASSUME_ROLE: u32 = 20;

/// Where jobs and the sweep wait together, one call in this many is the sweep's.
const SHARE: u32 = 8;

/// How many calls each account makes of each operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// For each operation that reads.
    pub reads_per_second: u32,
    /// Calls per second of each operation that writes, for each account, unless `operations` limits it.
    pub writes_per_second: u32,
    /// How many calls may go out at once after a pause.
    pub burst: u32,
    /// Calls per second of operations with a limit of their own, instead of the two above.
    pub operations: BTreeMap<Operation, u32>,
}

impl Default for Limits {
    /// Cautious, because the vendor publishes no limits (API §E).
    fn default() -> Self {
        Self { reads_per_second: 5, writes_per_second: 2, burst: 3, operations: BTreeMap::new() }
    }
}

impl Limits {
    /// Calls per second of an operation, for each account.
    pub fn of(&self, operation: Operation) -> u32 {
        let general = match operation.purpose() {
            Purpose::Read => self.reads_per_second,
            Purpose::Write | Purpose::WriteWithToken => self.writes_per_second,
            Purpose::Keys if operation.called_as() == CalledAs::Hub => ASSUME_ROLE,
            Purpose::Keys => self.reads_per_second,
        };
        self.operations.get(&operation).copied().unwrap_or(general)
    }

    /// The time between two calls of an operation at its limit.
    pub(super) fn interval(&self, operation: Operation) -> Duration {
        Duration::from_secs(1) / self.of(operation).max(1)
    }
}

/// The queue of each account and operation, made at its first call.
type CallQueues = HashMap<(AccountUid, Operation), Arc<Mutex<CallQueue>>>;

/// The budgets of all accounts.
#[derive(Default)]
pub(super) struct Budget {
    /// `None`: every call goes out at once.
    limits: RwLock<Option<Limits>>,
    queues: Mutex<CallQueues>,
    /// How many workers share the limits. 0, before that is known, counts as one.
    workers: AtomicU32,
}

/// A call that may go out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Passed {
    /// How long it waited for that.
    pub waited: Duration,
    /// The operation's present rate in calls per second; `None` without a limit.
    pub rate: Option<f64>,
}

/// A call that cannot go out in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct UsedUp {
    /// How long it waited before that was certain.
    pub waited: Duration,
    /// When there will be room, at the present rate and if no call comes that goes first.
    pub opens_in: Duration,
    /// How many calls of this worker go before it.
    pub ahead: u32,
}

impl Budget {
    pub fn new(limits: Option<Limits>) -> Self {
        Self { limits: RwLock::new(limits), ..Self::default() }
    }

    /// Divides the limits by a new number of workers.
    pub fn share(&self, workers: u32, clock: &dyn Clock) {
        let queues = locked(&self.queues);
        self.workers.store(workers, Ordering::Relaxed);
        for queue in queues.values() {
            locked(queue).bucket.share(workers, clock.uptime());
        }
    }

    /// Takes other limits. What was without a limit gets none: that is a cloud in this process.
    pub fn limit(&self, limits: &Limits, clock: &dyn Clock) {
        let queues = locked(&self.queues);
        let mut present = self.limits.write().expect("no holder of this lock panics");
        if present.is_none() {
            return;
        }
        for ((_, operation), queue) in queues.iter() {
            locked(queue).bucket.limit(limits.of(*operation), limits.burst, self.workers(), clock.uptime());
        }
        *present = Some(limits.clone());
    }

    /// The limits of all workers together; `None` without any.
    pub fn limits(&self) -> Option<Limits> {
        self.limits.read().expect("no holder of this lock panics").clone()
    }

    /// What this worker may call as an account; `None` without limits.
    pub fn report(&self, account: &AccountUid, now: Duration) -> Option<AccountBudget> {
        let limits = self.limits()?;
        let part = |of_all: u32| f64::from(of_all) / f64::from(self.workers());
        let queues = locked(&self.queues);
        let slowed = queues.iter().filter(|((of, _), _)| of == account).filter_map(|((_, operation), queue)| {
            let bucket = &locked(queue).bucket;
            (bucket.rate(now) < bucket.ceiling()).then(|| (*operation, bucket.rate(now)))
        });
        Some(AccountBudget {
            reads_per_second: part(limits.reads_per_second),
            writes_per_second: part(limits.writes_per_second),
            slowed: slowed.collect(),
        })
    }

    /// How many workers share the limits.
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
        let Some(queue) = self.queue(account, operation, began) else {
            return Ok(Passed { waited: Duration::ZERO, rate: None });
        };
        let mut waiting = QueuedCall::join(queue, urgency);
        loop {
            let now = clock.uptime();
            let waited = now.saturating_sub(began);
            let (first, ahead, opens_at) = {
                let mut queue = waiting.queue();
                let first = queue.first() == Some(waiting.rank);
                if first && queue.bucket.take(now) {
                    queue.served(waiting.rank);
                    let rate = Some(queue.bucket.rate(now));
                    drop(queue);
                    waiting.served = true;
                    return Ok(Passed { waited, rate });
                }
                let ahead = if first { 0 } else { queue.ahead_of(waiting.rank) };
                (first, ahead, queue.bucket.opens_at_for(ahead, now))
            };
            let until = urgency.until.unwrap_or(Duration::MAX);
            // A call that will not be served in time fails at once instead of keeping a worker waiting.
            if now >= until || opens_at > until {
                return Err(UsedUp { waited, opens_in: opens_at.saturating_sub(now), ahead });
            }
            let wake_at = if first { opens_at.min(until) } else { until };
            tokio::select! {
                () = clock.pause((wake_at < Duration::MAX).then(|| wake_at.saturating_sub(now))) => {}
                () = waiting.woken.notified() => {}
            }
        }
    }

    /// Slows an operation down after a call that was sent at `sent` and throttled; returns the new rate.
    pub fn throttled(
        &self,
        account: &AccountUid,
        operation: Operation,
        sent: Duration,
        now: Duration,
        retry_after: Option<Duration>,
    ) -> Option<f64> {
        let queue = self.queue(account, operation, now)?;
        let mut queue = locked(&queue);
        queue.bucket.throttled(sent, now, retry_after);
        Some(queue.bucket.rate(now))
    }

    fn queue(&self, account: &AccountUid, operation: Operation, now: Duration) -> Option<Arc<Mutex<CallQueue>>> {
        let mut queues = locked(&self.queues);
        let limits = self.limits.read().expect("no holder of this lock panics");
        let limits = limits.as_ref()?;
        let queue = queues.entry((account.clone(), operation)).or_insert_with(|| {
            let mut bucket = Bucket::new(limits.of(operation), limits.burst);
            if self.workers() > 1 {
                bucket.share(self.workers(), now);
            }
            Arc::new(Mutex::new(CallQueue::of(bucket)))
        });
        Some(Arc::clone(queue))
    }
}

/// The order of a queue: by priority, then by round, then by arrival.
type Rank = (Priority, u64, u64);

/// Requesters whose rounds are over are forgotten when more than this are remembered, and not at each call.
const FORGOTTEN_ABOVE: usize = 128;

/// The rounds of the calls of one priority. In each, a requester has one call.
#[derive(Debug, Default)]
struct Rounds {
    /// The round of the last call that was served.
    now: u64,
    /// The round of the last call of each requester, unless it is over.
    last: HashMap<OnBehalf, u64>,
}

impl Rounds {
    /// The round of a call that comes now: the present one, or the one after the requester's last.
    fn join(&mut self, on_behalf: OnBehalf) -> u64 {
        let round = self.last.get(&on_behalf).map_or(0, |last| last + 1).max(self.now);
        self.last.insert(on_behalf, round);
        round
    }

    /// Gives a turn back that was not used, if it is the requester's last.
    fn leave(&mut self, on_behalf: OnBehalf, round: u64) {
        if self.last.get(&on_behalf) == Some(&round) {
            match round.checked_sub(1) {
                Some(before) => drop(self.last.insert(on_behalf, before)),
                None => drop(self.last.remove(&on_behalf)),
            }
        }
    }

    fn served(&mut self, round: u64) {
        self.now = self.now.max(round);
        if self.last.len() > FORGOTTEN_ABOVE {
            self.last.retain(|_, last| *last >= round);
        }
    }
}

/// The calls that wait for one bucket.
struct CallQueue {
    bucket: Bucket,
    waiting: BTreeMap<Rank, Arc<Notify>>,
    came: u64,
    /// How many jobs went before a waiting sweep since the last one was served.
    passed_over: u32,
    rounds: BTreeMap<Priority, Rounds>,
}

impl CallQueue {
    fn of(bucket: Bucket) -> Self {
        Self { bucket, waiting: BTreeMap::new(), came: 0, passed_over: 0, rounds: BTreeMap::new() }
    }

    fn sweep(&self) -> Option<Rank> {
        self.waiting.range((Priority::Sweep, 0, 0)..).next().map(|(rank, _)| *rank)
    }

    fn first(&self) -> Option<Rank> {
        let sweep = self.sweep().filter(|_| self.passed_over + 1 >= SHARE);
        sweep.or_else(|| self.waiting.keys().next().copied())
    }

    /// How many calls go before this one if no other comes. Of the jobs, [`SHARE`] at most go before each sweep.
    fn ahead_of(&self, rank: Rank) -> u32 {
        let count = |length| u32::try_from(length).unwrap_or(u32::MAX);
        let ahead = count(self.waiting.range(..rank).count());
        match rank.0 {
            Priority::Job => ahead,
            Priority::Sweep => {
                let sweeps = count(self.waiting.range((Priority::Sweep, 0, 0)..rank).count());
                ahead.min(sweeps.saturating_add(1).saturating_mul(SHARE))
            }
        }
    }

    fn served(&mut self, rank: Rank) {
        self.rounds.entry(rank.0).or_default().served(rank.1);
        self.passed_over = match (rank.0, self.sweep()) {
            (Priority::Job, Some(_)) => self.passed_over + 1,
            _ => 0,
        };
    }
}

/// A call in a queue, which it leaves when dropped.
struct QueuedCall {
    queue: Arc<Mutex<CallQueue>>,
    rank: Rank,
    on_behalf: OnBehalf,
    served: bool,
    woken: Arc<Notify>,
}

impl QueuedCall {
    fn join(queue: Arc<Mutex<CallQueue>>, urgency: Urgency) -> Self {
        let Urgency { priority, on_behalf, .. } = urgency;
        let woken = Arc::new(Notify::new());
        let rank = {
            let mut queue = locked(&queue);
            queue.came += 1;
            let round = queue.rounds.entry(priority).or_default().join(on_behalf);
            let rank = (priority, round, queue.came);
            queue.waiting.insert(rank, Arc::clone(&woken));
            rank
        };
        Self { queue, rank, on_behalf, served: false, woken }
    }

    fn queue(&self) -> MutexGuard<'_, CallQueue> {
        locked(&self.queue)
    }
}

impl Drop for QueuedCall {
    fn drop(&mut self) {
        let mut queue = self.queue();
        queue.waiting.remove(&self.rank);
        if !self.served
            && let Some(rounds) = queue.rounds.get_mut(&self.rank.0)
        {
            rounds.leave(self.on_behalf, self.rank.1);
        }
        if let Some(next) = queue.first().and_then(|rank| queue.waiting.get(&rank)) {
            next.notify_one();
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests;
