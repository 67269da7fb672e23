//! Something that is found out once for all who wait for it. Those who wait while it is being found out share its end,
//! also a bad one: otherwise a hundred jobs would ask a service that does not answer one after the other. A bad end is
//! kept for nobody else.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use tokio::sync::Mutex;

/// One at a time.
pub(super) struct Turns<E> {
    /// How many have ended: tells a caller that waited whether one ended meanwhile.
    ended: AtomicU64,
    /// How the last one failed. Held while one runs.
    last: Mutex<Option<E>>,
}

impl<E> Default for Turns<E> {
    fn default() -> Self {
        Self { ended: AtomicU64::new(0), last: Mutex::new(None) }
    }
}

impl<E: Clone> Turns<E> {
    /// What is `known`, or else what `find_out` finds; by that it must have become known.
    pub async fn take<T, F>(&self, known: impl Fn() -> Option<T>, find_out: impl FnOnce() -> F) -> Result<T, E>
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
        let found = find_out().await;
        *last = found.as_ref().err().cloned();
        self.ended.fetch_add(1, Release);
        found
    }
}
