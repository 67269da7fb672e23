//! How the two connections are, for `/readyz` and the metrics.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;

/// The condition of one of the two connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "link", rename_all = "kebab-case")]
pub enum Link {
    /// Not connected.
    Down,
    /// At work.
    Connected,
    /// The broker takes nothing from publishers: a memory or disk alarm.
    Blocked {
        /// The broker's words.
        reason: String,
    },
    /// Connected, and holding deliveries back because the store cannot be written.
    Held {
        /// Why not.
        reason: String,
    },
}

/// A condition and its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkStatus {
    /// The condition.
    #[serde(flatten)]
    pub link: Link,
    /// Since when.
    pub since: Timestamp,
    /// The last error, which may be long past.
    pub last_error: Option<String>,
}

/// What has passed, since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BrokerCounts {
    /// Sessions of the consumer that got as far as consuming.
    pub consumer_sessions: u64,
    /// Sessions of the publisher.
    pub publisher_sessions: u64,
    /// Messages delivered to us.
    pub delivered: u64,
    /// Those of them that the broker had handed out before.
    pub redelivered: u64,
    /// Messages acknowledged, as far as writing to the socket shows.
    pub acked: u64,
    /// Messages the broker confirmed.
    pub confirmed: u64,
    /// Messages that no queue took.
    pub undeliverable: u64,
    /// Messages that a queue refused.
    pub refused: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) consumer_sessions: AtomicU64,
    pub(super) publisher_sessions: AtomicU64,
    pub(super) delivered: AtomicU64,
    pub(super) redelivered: AtomicU64,
    pub(super) acked: AtomicU64,
    pub(super) confirmed: AtomicU64,
    pub(super) undeliverable: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// Adds to a counter.
pub(super) fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Relaxed);
}

/// The state of both connections. Written by the consumer and the publisher, read by anyone.
pub struct BrokerState {
    clock: Arc<dyn Clock>,
    consuming: watch::Sender<LinkStatus>,
    publishing: watch::Sender<LinkStatus>,
    pub(super) counters: Counters,
}

impl BrokerState {
    /// Both down.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let down = LinkStatus { link: Link::Down, since: clock.now(), last_error: None };
        Self {
            clock,
            consuming: watch::Sender::new(down.clone()),
            publishing: watch::Sender::new(down),
            counters: Counters::default(),
        }
    }

    /// How the consumer's connection is.
    pub fn consuming(&self) -> LinkStatus {
        self.consuming.borrow().clone()
    }

    /// How the publisher's connection is.
    pub fn publishing(&self) -> LinkStatus {
        self.publishing.borrow().clone()
    }

    /// Follows the consumer's connection.
    pub fn watch_consuming(&self) -> watch::Receiver<LinkStatus> {
        self.consuming.subscribe()
    }

    /// Follows the publisher's connection.
    pub fn watch_publishing(&self) -> watch::Receiver<LinkStatus> {
        self.publishing.subscribe()
    }

    /// What has passed.
    pub fn counts(&self) -> BrokerCounts {
        let c = &self.counters;
        BrokerCounts {
            consumer_sessions: c.consumer_sessions.load(Relaxed),
            publisher_sessions: c.publisher_sessions.load(Relaxed),
            delivered: c.delivered.load(Relaxed),
            redelivered: c.redelivered.load(Relaxed),
            acked: c.acked.load(Relaxed),
            confirmed: c.confirmed.load(Relaxed),
            undeliverable: c.undeliverable.load(Relaxed),
            refused: c.refused.load(Relaxed),
        }
    }

    pub(super) fn set_consuming(&self, link: Link, error: Option<String>) {
        self.set(&self.consuming, link, error);
    }

    pub(super) fn set_publishing(&self, link: Link, error: Option<String>) {
        self.set(&self.publishing, link, error);
    }

    fn set(&self, status: &watch::Sender<LinkStatus>, link: Link, error: Option<String>) {
        let now = self.clock.now();
        status.send_if_modified(|status| {
            let changed = status.link != link || error.is_some();
            if status.link != link {
                status.link = link;
                status.since = now;
            }
            if error.is_some() {
                status.last_error = error;
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn since_moves_only_with_the_condition_and_the_last_error_stays() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let state = BrokerState::new(clock.clone());
        clock.advance(Duration::from_secs(1));
        state.set_consuming(Link::Down, Some("refused".into()));
        assert_eq!(state.consuming().since, Timestamp::UNIX_EPOCH);
        clock.advance(Duration::from_secs(1));
        state.set_consuming(Link::Connected, None);
        let status = state.consuming();
        assert_eq!((status.since, status.last_error), (clock.now(), Some("refused".into())));
        assert_eq!(state.publishing().last_error, None);
    }
}
