//! The time that a worker goes by: what the cloud says it is, carried on by the uptime.
//!
//! The machine's clock can step: a virtual machine that is moved, one that boots with a wrong clock, a hand. Spans that are
//! measured by it (a lease, `settle`, a retry) are then wrong, and so are instants that a later run or another worker compares
//! with its own. The uptime never steps, but counts from another moment on every machine and in every boot. The cloud's `Date`
//! is one clock for all workers and all their runs, it is what the billing hour goes by, and every answer shows it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::{Clock, earlier, later, until};

/// How far the cloud's `Date` may be off before it is followed. It has whole seconds, and its servers differ a little.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(2);
/// The steps of a `Date`.
const WHOLE_SECONDS: Duration = Duration::from_secs(1);

/// Until the cloud has answered once, it shows what the machine's clock shows. From then on no step of that clock moves it.
/// If the cloud's time turns out to be another, which two answers in a row must say, it follows.
pub struct SteadyClock {
    machine: Arc<dyn Clock>,
    held: watch::Sender<Option<Held>>,
}

/// An instant by the cloud's clock, and what else was known then.
#[derive(Debug, Clone, Copy)]
struct Held {
    at: Timestamp,
    uptime: Duration,
    /// How far off the last answer said that this is. One answer alone is not believed.
    doubt: Option<SignedDuration>,
}

impl SteadyClock {
    /// A clock that nothing was heard of yet.
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, held: watch::Sender::new(None) }
    }

    fn shown(&self, held: Option<Held>, uptime: Duration) -> Timestamp {
        match held {
            Some(held) => later(held.at, uptime.saturating_sub(held.uptime)),
            None => self.machine.now(),
        }
    }
}

/// How far the cloud's clock is ahead of ours; `None` if an answer with this `date`, asked for and answered at these instants
/// of ours, is what one would expect.
fn ahead(date: Timestamp, asked: Timestamp, answered: Timestamp) -> Option<SignedDuration> {
    let (least, most) = (date.duration_since(answered), later(date, WHOLE_SECONDS).duration_since(asked));
    let differs = least > TOLERANCE || most < -TOLERANCE;
    differs.then(|| least.checked_add(most).map_or(least, |sum| sum / 2))
}

fn moved(at: Timestamp, by: SignedDuration) -> Timestamp {
    if by.is_negative() { earlier(at, by.unsigned_abs()) } else { later(at, by.unsigned_abs()) }
}

#[async_trait]
impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let held = *self.held.borrow();
        self.shown(held, self.uptime())
    }

    fn uptime(&self) -> Duration {
        self.machine.uptime()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut changes = self.held.subscribe();
        loop {
            let told = changes.borrow_and_update().is_some();
            let left = until(self.now(), at);
            if left.is_zero() {
                return;
            }
            let wait = async {
                if told {
                    self.machine.sleep(left).await;
                } else {
                    self.machine.sleep_until(at).await;
                }
            };
            // The sender lives in `self`, so an error is not possible, and would only mean to look again.
            tokio::select! {
                () = wait => {}
                _ = changes.changed() => {}
            }
        }
    }

    async fn sleep(&self, span: Duration) {
        self.machine.sleep(span).await;
    }

    fn heard(&self, date: Option<Timestamp>, asked: Duration) {
        self.held.send_if_modified(|held| {
            let uptime = self.uptime();
            let now = self.shown(*held, uptime);
            let off = date.and_then(|date| ahead(date, earlier(now, uptime.saturating_sub(asked)), now));
            let Some(known) = held else {
                *held = Some(Held { at: moved(now, off.unwrap_or_default()), uptime, doubt: None });
                return true;
            };
            let agrees = |doubt: SignedDuration| off.is_some_and(|off| (off - doubt).abs() <= TOLERANCE);
            if date.is_some() && !known.doubt.is_some_and(agrees) {
                known.doubt = off;
            } else if let Some(off) = off {
                tracing::warn!(
                    off.seconds = off.as_secs_f64(),
                    "the cloud's clock has moved against this machine's uptime; the worker follows the cloud"
                );
                *held = Some(Held { at: moved(now, off), uptime, doubt: None });
                return true;
            }
            false
        });
    }

    fn is_told(&self) -> bool {
        self.held.borrow().is_some()
    }

    fn machine_ahead(&self) -> SignedDuration {
        self.machine.now().duration_since(self.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const STARTED: &str = "2026-11-28T10:20:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock() -> (Arc<ManualClock>, SteadyClock) {
        let machine = Arc::new(ManualClock::new(at(STARTED)));
        (Arc::clone(&machine), SteadyClock::new(machine))
    }

    /// An answer that comes at once.
    fn hear(clock: &SteadyClock, date: &str) {
        clock.heard(Some(at(date)), clock.uptime());
    }

    #[test]
    fn the_first_answer_tells_the_time_and_what_is_expected_changes_nothing() {
        let (machine, steady) = clock();
        assert!(!steady.is_told());
        hear(&steady, STARTED);
        assert!(steady.is_told());
        assert_eq!(steady.now(), at(STARTED), "the second may just have begun");
        hear(&steady, "2026-11-28T10:19:59Z");
        machine.advance(Duration::from_secs(10));
        assert_eq!(steady.now(), at("2026-11-28T10:20:10Z"));

        let (_, wrong) = clock();
        hear(&wrong, "2026-11-25T10:20:00Z");
        assert_eq!(wrong.now(), at("2026-11-25T10:20:00.5Z"), "between the whole seconds");
        assert_eq!(wrong.machine_ahead().as_hours(), 71);
    }

    #[test]
    fn an_answer_without_a_date_holds_the_time_as_it_is() {
        let (_, steady) = clock();
        steady.heard(None, steady.uptime());
        assert!(steady.is_told());
        assert_eq!(steady.now(), at(STARTED));
    }

    #[test]
    fn one_answer_that_differs_is_not_believed_and_two_are() {
        let (_, steady) = clock();
        hear(&steady, STARTED);
        hear(&steady, "2026-11-28T11:20:00Z");
        assert_eq!(steady.now(), at(STARTED));
        hear(&steady, STARTED);
        hear(&steady, "2026-11-28T11:20:00Z");
        assert_eq!(steady.now(), at(STARTED), "one that agrees comes between");
        hear(&steady, "2026-11-28T09:00:00Z");
        assert_eq!(steady.now(), at(STARTED), "they do not say the same");
        hear(&steady, "2026-11-28T09:00:00Z");
        assert_eq!(steady.now(), at("2026-11-28T09:00:00.5Z"));
    }

    #[test]
    fn a_slow_answer_says_no_more_than_it_can() {
        let (machine, steady) = clock();
        hear(&steady, STARTED);
        let asked = steady.uptime();
        machine.advance(Duration::from_secs(15));
        for _ in 0..2 {
            steady.heard(Some(at("2026-11-28T10:20:01Z")), asked);
        }
        assert_eq!(steady.now(), at("2026-11-28T10:20:15Z"), "it was dated when the request came in");
        assert_eq!(steady.at(asked), at(STARTED));
    }

    #[tokio::test]
    async fn a_sleeper_wakes_by_the_time_that_it_is_told() {
        let (_, steady) = clock();
        let steady = Arc::new(steady);
        let sleeper = tokio::spawn({
            let steady = Arc::clone(&steady);
            async move { steady.sleep_until(at("2026-11-28T10:30:00Z")).await }
        });
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        hear(&steady, "2026-11-28T10:30:01Z");
        sleeper.await.unwrap();
    }
}
