//! Answers of the store that everybody can ask for. They are kept for a moment and asked for once at a time, so that strangers who
//! ask without end cost the store one question a second.

use std::time::Duration;

use tokio::sync::Mutex;

use crate::clock::Clock;

/// How old an answer may be: less than the seconds between two probes or scrapes.
const FRESH: Duration = Duration::from_secs(1);

/// The latest answer to a question, and the uptime at which it came.
pub(super) struct Recent<T>(Mutex<Option<(Duration, T)>>);

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Recent<T> {
    /// The latest answer if it is fresh, or else a new one. Those who ask meanwhile wait for it.
    pub async fn get(&self, clock: &dyn Clock, ask: impl Future<Output = T>) -> T {
        let mut latest = self.0.lock().await;
        if let Some((at, answer)) = &*latest
            && clock.uptime().saturating_sub(*at) < FRESH
        {
            return answer.clone();
        }
        let answer = ask.await;
        *latest = Some((clock.uptime(), answer.clone()));
        answer
    }

    /// Forgets the answer: something has changed, and who changed it wants to see that.
    pub async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{START, at};
    use crate::clock::ManualClock;

    #[tokio::test]
    async fn a_fresh_answer_is_given_again_and_an_old_one_is_not() {
        let clock = ManualClock::new(at(START));
        let recent = Recent::default();
        assert_eq!(recent.get(&clock, async { 1 }).await, 1);
        assert_eq!(recent.get(&clock, async { 2 }).await, 1);
        clock.advance(FRESH);
        assert_eq!(recent.get(&clock, async { 3 }).await, 3);
        recent.forget().await;
        assert_eq!(recent.get(&clock, async { 4 }).await, 4);
    }
}
