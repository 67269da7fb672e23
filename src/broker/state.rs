//! The condition of the connections, for `/readyz` and the metrics.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::engine::ports::mail::{Lane, Lanes};

/// The condition of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "link", rename_all = "kebab-case")]
pub enum Link {
    /// Not connected.
    Down,
    /// Connected, and messages pass.
    Connected,
    /// The broker takes nothing from publishers, because of a memory or disk alarm.
    Blocked {
        /// The broker's words.
        reason: String,
    },
    /// Deliveries are held, or not yet asked for, because the store cannot be written.
    Held {
        /// The store's error.
        reason: String,
    },
}

/// A condition, since when, and the last error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkStatus {
    /// The condition now.
    #[serde(flatten)]
    pub link: Link,
    /// When the condition last changed.
    pub since: Timestamp,
    /// The last error, which may be an old one.
    pub last_error: Option<String>,
}

/// Sessions and messages since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BrokerCounts {
    /// Consumer sessions in which consuming began.
    pub consumer_sessions: u64,
    /// Publisher sessions that were opened.
    pub publisher_sessions: u64,
    /// Messages delivered to this process.
    pub delivered: u64,
    /// Deliveries that the broker marked as redelivered.
    pub redelivered: u64,
    /// Messages whose acknowledgement was written to the socket.
    pub acked: u64,
    /// Of the messages delivered, those that the broker had dead-lettered.
    pub dead_lettered: u64,
    /// Published messages that the broker confirmed.
    pub confirmed: u64,
    /// Published messages that were routed to no queue.
    pub undeliverable: u64,
    /// Published messages that a queue refused, or did not confirm in time.
    pub refused: u64,
    /// Published messages for which the broker closed the channel or the connection.
    pub unpublishable: u64,
}

/// The state of all connections. The consumer and the publishers write it; `/readyz` and the metrics read it.
pub struct BrokerState {
    clock: Arc<dyn Clock>,
    consuming: Watched,
    publishing: Lanes<Watched>,
    counts: Mutex<BrokerCounts>,
    dead_lettered: AtomicU32,
}

/// The condition of a connection; since when it was down if it is not up since then, and what was logged of that last.
struct Watched {
    status: watch::Sender<LinkStatus>,
    down: Mutex<Option<Timestamp>>,
    told: Mutex<Option<String>>,
}

impl Watched {
    fn new(status: LinkStatus) -> Self {
        Self { down: Mutex::new(Some(status.since)), told: Mutex::default(), status: watch::Sender::new(status) }
    }

    /// Changes the condition at `now`. A connection that is down stays down since the moment it went down, also if it waits
    /// for the store between two tries.
    fn set(&self, link: Link, error: Option<String>, now: Timestamp) {
        let mut down = self.down.lock().expect("no holder of this lock panics");
        let since = match link {
            Link::Down => *down.get_or_insert(now),
            Link::Held { .. } => now,
            Link::Connected | Link::Blocked { .. } => {
                *down = None;
                *self.told.lock().expect("no holder of this lock panics") = None;
                now
            }
        };
        self.status.send_if_modified(|status| {
            let changed = status.link != link || error.is_some();
            if status.link != link {
                status.link = link;
                status.since = since;
            }
            if error.is_some() {
                status.last_error = error;
            }
            changed
        });
    }
}

impl Watched {
    /// Whether an error is another one than that which was logged last, and this connection was not up since then.
    fn is_news(&self, error: &str) -> bool {
        let mut told = self.told.lock().expect("no holder of this lock panics");
        let news = told.as_deref() != Some(error);
        if news {
            *told = Some(error.to_owned());
        }
        news
    }
}

impl BrokerState {
    /// All connections down.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let down = LinkStatus { link: Link::Down, since: clock.now(), last_error: None };
        Self {
            clock,
            consuming: Watched::new(down.clone()),
            publishing: Lanes::new(|| Watched::new(down.clone())),
            counts: Mutex::default(),
            dead_lettered: AtomicU32::new(0),
        }
    }

    /// The condition of the consumer's connection.
    pub fn consuming(&self) -> LinkStatus {
        self.consuming.status.borrow().clone()
    }

    /// The condition of a publisher's connection.
    pub fn publishing(&self, lane: Lane) -> LinkStatus {
        self.publishing.of(lane).status.borrow().clone()
    }

    /// Watches the condition of the consumer's connection.
    pub fn watch_consuming(&self) -> watch::Receiver<LinkStatus> {
        self.consuming.status.subscribe()
    }

    /// Watches the condition of a publisher's connection.
    pub fn watch_publishing(&self, lane: Lane) -> watch::Receiver<LinkStatus> {
        self.publishing.of(lane).status.subscribe()
    }

    /// The counts up to now.
    pub fn counts(&self) -> BrokerCounts {
        *self.counts.lock().expect("no holder of this lock panics")
    }

    /// How many dead-lettered messages the broker kept when they were last counted.
    pub fn dead_lettered(&self) -> u32 {
        self.dead_lettered.load(Relaxed)
    }

    pub(super) fn set_dead_lettered(&self, kept: u32) {
        self.dead_lettered.store(kept, Relaxed);
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut BrokerCounts)) {
        add(&mut self.counts.lock().expect("no holder of this lock panics"));
    }

    /// Whether an error of the consumer is to be logged as a warning: of a broker that is away for hours, each try fails alike.
    pub(super) fn is_news_of_consuming(&self, error: &str) -> bool {
        self.consuming.is_news(error)
    }

    /// The same of an error of a publisher.
    pub(super) fn is_news_of_publishing(&self, lane: Lane, error: &str) -> bool {
        self.publishing.of(lane).is_news(error)
    }

    pub(super) fn set_consuming(&self, link: Link, error: Option<String>) {
        self.consuming.set(link, error, self.clock.now());
    }

    pub(super) fn set_publishing(&self, lane: Lane, link: Link, error: Option<String>) {
        self.publishing.of(lane).set(link, error, self.clock.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn an_outage_is_told_once_for_each_error() {
        let state = BrokerState::new(Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
        let told =
            ["refused", "refused", "no login", "no login", "refused"].map(|error| state.is_news_of_consuming(error));
        assert_eq!(told, [true, false, true, false, true]);
        state.set_consuming(Link::Down, Some("refused".into()));
        assert!(!state.is_news_of_consuming("refused"));
        state.set_consuming(Link::Connected, None);
        assert!(state.is_news_of_consuming("refused"), "it is another outage");
        assert!(state.is_news_of_publishing(Lane::Events, "refused"), "each connection has its own");
    }

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
        assert_eq!(state.publishing(Lane::Events).last_error, None);
    }

    #[test]
    fn a_connection_is_down_since_it_went_down_whatever_was_tried_since() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let state = BrokerState::new(clock.clone());
        state.set_consuming(Link::Connected, None);
        clock.advance(Duration::from_secs(5));
        let went_down = clock.now();
        state.set_consuming(Link::Down, Some("reset".into()));
        for _ in 0..3 {
            clock.advance(Duration::from_secs(2));
            let held = Link::Held { reason: "waiting for the store".into() };
            state.set_consuming(held.clone(), None);
            assert_eq!((state.consuming().link, state.consuming().since), (held, clock.now()));
            state.set_consuming(Link::Down, None);
            state.set_consuming(Link::Down, Some("refused".into()));
            assert_eq!(state.consuming().since, went_down);
        }
        state.set_consuming(Link::Connected, None);
        clock.advance(Duration::from_secs(1));
        state.set_consuming(Link::Down, Some("again".into()));
        assert_eq!(state.consuming().since, clock.now());
    }
}
