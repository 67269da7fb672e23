//! The outbox of a store, both lanes at once, for tests that are not about lanes.

use async_trait::async_trait;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{Outbox, OutboxPage, OutboxRow, SetAside, Settlement, Store};

/// Why the messages of [`WholeOutbox::mark`] are set aside.
pub const NO_QUEUE: &str = "no queue takes it";

/// A page of what no queue has refused in one lane, without a limit of bytes.
pub fn page(lane: Lane, after: i64, messages: usize) -> OutboxPage {
    OutboxPage { lane, which: Outbox::Fresh(after), messages, bytes: usize::MAX }
}

#[async_trait]
pub trait WholeOutbox: Store {
    /// The next messages of both lanes: events, then replies.
    async fn queued(&self, after: i64, limit: usize) -> Vec<OutboxRow> {
        let mut rows = Vec::new();
        for lane in Lane::ALL {
            rows.extend(self.outbox(page(lane, after, limit)).await.unwrap());
        }
        rows.truncate(limit);
        rows
    }

    /// Settles messages as published, and others as undeliverable.
    async fn mark(&self, done: &[i64], undeliverable: &[i64]) {
        let aside = |number: &i64| SetAside { number: *number, reason: NO_QUEUE.into(), tries: 0, given_up: false };
        let undeliverable = undeliverable.iter().map(aside).collect();
        let settlement = Settlement { done: done.to_vec(), undeliverable, ..Settlement::default() };
        for lane in Lane::ALL {
            self.settle(lane, &settlement).await.unwrap();
        }
    }
}

impl<T: Store + ?Sized> WholeOutbox for T {}
