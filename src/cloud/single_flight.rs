//! Single flight: concurrent callers share one attempt and its result, failure included. Otherwise a hundred jobs would
//! ask a service that does not answer one after the other. Failures are not cached.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use tokio::sync::Mutex;

/// Attempts at one thing, at most one at a time.
pub(super) struct SingleFlight<E> {
    /// How many attempts have ended. By this a caller that waited knows whether one ended meanwhile.
    ended: AtomicU64,
    /// The failure of the last attempt. Held while one runs.
    last: Mutex<Option<E>>,
}

impl<E> Default for SingleFlight<E> {
    fn default() -> Self {
        Self { ended: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<E: Clone> SingleFlight<E> {
    /// Returns what is `known`, or makes an `attempt` at it. An attempt that succeeds has made it known.
    pub async fn run<T, F>(&self, known: impl Fn() -> Option<T>, attempt: impl FnOnce() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
    {
        if let Some(known) = known() {
            return Ok(known);
        }
        let seen = self.ended.load(Acquire);
        let mut last = self.last.lock().await;
        if let Some(known) = known() {
            return Ok(known);
        }
        if self.ended.load(Acquire) != seen
            && let Some(error) = &*last
        {
            return Err(error.clone());
        }
        let result = attempt().await;
        *last = result.as_ref().err().cloned();
        self.ended.fetch_add(1, Release);
        result
    }
}
