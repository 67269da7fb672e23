//! Time, as a port. Nothing in this crate reads a clock or sleeps except through [`Clock`], so a test moves
//! hours by moving a [`ManualClock`]. A worker goes by a [`SteadyClock`], which no step of the machine's clock moves.

mod steady;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

pub use steady::SteadyClock;

/// Wall time, a monotonic time that runs through suspend, and a way to sleep.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Wall time, UTC.
    fn now(&self) -> Timestamp;

    /// Time since some fixed point, never set back, and counted through a suspend of the machine: what a lease is
    /// checked against.
    fn uptime(&self) -> Duration;

    /// Returns once [`Clock::now`] is at or past `at`.
    async fn sleep_until(&self, at: Timestamp);

    /// Returns once `span` has passed.
    async fn sleep(&self, span: Duration) {
        self.sleep_until(later(self.now(), span)).await;
    }

    /// Hears the `Date` of an answer of the cloud to a request that was made when the uptime was `asked`.
    fn heard(&self, _date: Option<Timestamp>, _asked: Duration) {}

    /// Whether the cloud has told the time. Before that, nothing ends because of its time.
    fn is_told(&self) -> bool {
        true
    }

    /// How far the machine's clock is ahead of [`Clock::now`].
    fn machine_ahead(&self) -> SignedDuration {
        SignedDuration::ZERO
    }

    /// What [`Clock::now`], as it is known today, was when the uptime was `uptime`.
    fn at(&self, uptime: Duration) -> Timestamp {
        earlier(self.now(), self.uptime().saturating_sub(uptime))
    }

    /// Returns once `span` has passed; without one, never. For a `select!` that may have nothing to wait for.
    async fn pause(&self, span: Option<Duration>) {
        match span {
            Some(span) => self.sleep(span).await,
            None => std::future::pending().await,
        }
    }
}

/// `at` plus `span`, saturating at the end of time.
pub fn later(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|s| at.checked_add(s).ok()).unwrap_or(Timestamp::MAX)
}

/// The time `span` before `at`, or the beginning of time.
pub fn earlier(at: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span).ok().and_then(|s| at.checked_sub(s).ok()).unwrap_or(Timestamp::MIN)
}

/// How long from `from` until `until`; zero when it is past.
pub fn until(from: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// The timer of tokio does not run while the machine is suspended, so a sleeper looks at the clock this often.
const SLICE: Duration = Duration::from_secs(5);

/// The machine's clocks.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place that reads the wall clock
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn uptime(&self) -> Duration {
        let t = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
    }

    #[allow(clippy::disallowed_methods)] // the one place that sleeps
    async fn sleep_until(&self, at: Timestamp) {
        // In slices: a wall clock that is set forward, or a machine that was suspended, must not oversleep.
        loop {
            let left = until(self.now(), at);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }

    #[allow(clippy::disallowed_methods)]
    async fn sleep(&self, span: Duration) {
        let end = self.uptime().saturating_add(span);
        loop {
            let left = end.saturating_sub(self.uptime());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(SLICE)).await;
        }
    }
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    now: watch::Sender<Timestamp>,
    /// How many sleep until when.
    sleepers: Mutex<BTreeMap<Timestamp, usize>>,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: Timestamp) -> Self {
        Self { start: now, now: watch::Sender::new(now), sleepers: Mutex::default() }
    }

    /// Moves the clock forward and wakes every sleeper whose time has come.
    pub fn advance(&self, span: Duration) {
        self.now.send_modify(|now| *now = later(*now, span));
    }

    /// Moves the clock forward to `at`; a time in the past changes nothing.
    pub fn advance_to(&self, at: Timestamp) {
        self.now.send_modify(|now| *now = (*now).max(at));
    }

    /// How many tasks sleep on this clock.
    pub fn sleepers(&self) -> usize {
        self.asleep().values().sum()
    }

    /// When the first of them wakes: the next instant at which anything can happen.
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.asleep().keys().next().copied()
    }

    fn asleep(&self) -> MutexGuard<'_, BTreeMap<Timestamp, usize>> {
        self.sleepers.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn uptime(&self) -> Duration {
        until(self.start, self.now())
    }

    async fn sleep_until(&self, at: Timestamp) {
        struct Asleep<'a>(&'a ManualClock, Timestamp);
        impl Drop for Asleep<'_> {
            fn drop(&mut self) {
                if let Entry::Occupied(mut sleepers) = self.0.asleep().entry(self.1) {
                    *sleepers.get_mut() -= 1;
                    if *sleepers.get() == 0 {
                        sleepers.remove();
                    }
                }
            }
        }
        *self.asleep().entry(at).or_default() += 1;
        let _asleep = Asleep(self, at);
        let mut now = self.now.subscribe();
        // The sender lives in `self`, so the wait ends only when the time has come.
        let _ = now.wait_for(|now| *now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_a_sleeper_only_when_its_time_has_come() {
        let clock = std::sync::Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep(Duration::from_secs(10)).await }
        });
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(clock.next_wake(), Some(later(Timestamp::UNIX_EPOCH, Duration::from_secs(10))));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!((clock.sleepers(), clock.next_wake()), (0, None));
    }

    #[test]
    fn spans_saturate() {
        assert_eq!(until(Timestamp::MAX, Timestamp::MIN), Duration::ZERO);
        assert_eq!(later(Timestamp::MAX, Duration::from_secs(1)), Timestamp::MAX);
    }
}
