//! What time it is by the clock of the database, as far as a worker has watched it.
//!
//! That clock says when the lease of another worker has ended, and it can be set too. Set forward, it ends leases whose
//! holders are alive and write; set back, it lets those of the dead last. So a worker compares it with its own uptime. It takes
//! no lease over before it has watched the clock go steadily for the length of that lease: by then a holder that is alive has
//! prolonged it by the clock as it is now. Each lease is stored with its length, since workers may be set to different ones.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::lease_clock::LeaseClock;

/// How far the clock may move against the uptime between two looks, a few seconds apart.
const TOLERANCE_US: i64 = 1_000_000;
/// An answer that took no longer says what time it is.
const QUICK: Duration = Duration::from_millis(500);

/// The clock of the database, as one worker watches it.
pub(super) struct DatabaseTime {
    clock: LeaseClock,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    last: Option<Sample>,
    /// The uptime since which it has gone steadily.
    steady_since: Duration,
}

/// What the leases of other workers may be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trusted {
    /// What the clock shows now, unless it has been set since it was heard of last.
    pub(super) now_us: i64,
    /// For how long it has gone steadily: no lease that is longer can be judged yet.
    pub(super) steady_us: i64,
}

impl Trusted {
    /// No lease can be judged.
    pub(super) const NOTHING: Self = Self { now_us: 0, steady_us: -1 };
}

#[derive(Clone, Copy)]
struct Sample {
    at_us: i64,
    uptime: Duration,
}

impl Sample {
    /// What the clock shows when the uptime is `uptime`, if it goes on as it did.
    fn at(self, uptime: Duration) -> i64 {
        self.at_us + micros(uptime.saturating_sub(self.uptime)) - micros(self.uptime.saturating_sub(uptime))
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX / 4)
}

impl DatabaseTime {
    pub(super) fn new(clock: LeaseClock) -> Self {
        Self { clock, known: Mutex::default() }
    }

    pub(super) fn clock(&self) -> &LeaseClock {
        &self.clock
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The uptime of this worker; leases that go by the caller's clock need none.
    pub(super) fn uptime(&self) -> Duration {
        match &self.clock {
            LeaseClock::Database(clock) => clock.uptime(),
            LeaseClock::Callers => Duration::ZERO,
        }
    }

    /// Hears what the clock showed, between the uptime `asked` and now.
    pub(super) fn heard(&self, at_us: i64, asked: Duration) {
        let uptime = self.uptime();
        let mut known = self.known();
        let off = match known.last {
            Some(last) => {
                let (ahead, behind) = (at_us - last.at(uptime), last.at(asked) - at_us);
                if ahead > TOLERANCE_US {
                    ahead
                } else if behind > TOLERANCE_US {
                    -behind
                } else {
                    0
                }
            }
            None => 0,
        };
        if off != 0 {
            tracing::error!(
                ahead.seconds = off / 1_000_000,
                "the clock of the database was set; no job of another worker is taken over for the length of its lease. \
                 Set the clock of the database server right (NTP)"
            );
        }
        if off != 0 || known.last.is_none() {
            known.steady_since = uptime;
        }
        // A slow answer tells of a step, but not what time it is now.
        if uptime.saturating_sub(asked) <= QUICK {
            known.last = Some(Sample { at_us, uptime });
        } else if off != 0 {
            known.last = None;
        }
    }

    /// What the leases of other workers may be judged by; `None` before anything was heard.
    pub(super) fn trusted(&self) -> Option<Trusted> {
        let (uptime, known) = (self.uptime(), self.known());
        let steady_us = micros(uptime.saturating_sub(known.steady_since));
        known.last.map(|last| Trusted { now_us: last.at(uptime).saturating_add(TOLERANCE_US), steady_us })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::clock::ManualClock;

    const LENGTH: Duration = Duration::from_secs(75);
    const POLL: Duration = Duration::from_secs(5);

    /// A worker whose leases last 75 s, and which looks at the clock of the database every five seconds.
    struct Watch {
        clock: Arc<ManualClock>,
        time: DatabaseTime,
        ahead_us: i64,
    }

    impl Watch {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
            let time = DatabaseTime::new(LeaseClock::Database(clock.clone()));
            let mut watch = Self { clock, time, ahead_us: 1_000_000_000 };
            watch.look();
            watch
        }

        fn now_us(&self) -> i64 {
            self.ahead_us + i64::try_from(self.time.uptime().as_micros()).unwrap()
        }

        fn look(&mut self) {
            self.time.heard(self.now_us(), self.time.uptime());
        }

        /// Looks until so much time has passed.
        fn watch(&mut self, span: Duration) {
            let end = self.time.uptime() + span;
            while self.time.uptime() < end {
                self.clock.advance(POLL);
                self.look();
            }
        }

        fn step(&mut self, by: SignedDuration) {
            self.ahead_us += i64::try_from(by.as_micros()).unwrap();
        }

        /// How far from what the clock shows the time is that a lease of that length may be taken for ended by.
        fn trusts(&self) -> Option<i64> {
            let trusted = self.time.trusted().filter(|trusted| trusted.steady_us >= micros(LENGTH))?;
            Some((trusted.now_us - self.now_us()) / 1_000_000)
        }
    }

    #[test]
    fn a_worker_that_starts_takes_nothing_over_before_a_lease_is_over() {
        let mut watch = Watch::new();
        watch.watch(LENGTH - POLL);
        assert_eq!(watch.trusts(), None);
        watch.watch(POLL);
        assert_eq!(watch.trusts(), Some(1));
    }

    #[test]
    fn a_step_ends_no_lease_before_its_holder_had_the_time_to_prolong_it() {
        for by in [30, 100, 600, 3 * 86_400, -30, -100, -600, -3 * 86_400] {
            let by = SignedDuration::from_secs(by);
            let mut watch = Watch::new();
            watch.watch(LENGTH);
            watch.clock.advance(POLL / 2);
            watch.step(by);
            assert_eq!(watch.trusts(), Some(1 - by.as_secs()), "{by:#}: not noticed yet, and not followed");
            watch.look();
            assert_eq!(watch.trusts(), None, "{by:#}");
            watch.watch(LENGTH - POLL);
            assert_eq!(watch.trusts(), None, "{by:#}");
            watch.watch(POLL);
            assert_eq!(watch.trusts(), Some(1), "{by:#}");
        }
    }

    #[test]
    fn a_slow_answer_is_no_step() {
        let mut watch = Watch::new();
        watch.watch(LENGTH);
        let (asked, then) = (watch.time.uptime(), watch.now_us());
        watch.clock.advance(Duration::from_secs(9));
        watch.time.heard(then, asked);
        watch.look();
        assert_eq!(watch.trusts(), Some(1));
    }
}
