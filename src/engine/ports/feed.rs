//! The feed, as the store keeps it: every event of jobs, batches and rejections in one order, each once.

use crate::domain::Requester;
use crate::engine::ports::outbox::KeptEvent;

/// How many events a page looks at, of whomever they are: a requester's page may be empty, with a cursor that has moved on.
pub const FEED_SCAN: usize = 5_000;

/// What is asked of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPage {
    /// Events with a higher number.
    pub after: i64,
    /// Events of this requester alone.
    pub requester: Option<Requester>,
    /// The most events.
    pub events: usize,
    /// The most bytes of their bodies; but the first event whatever its size.
    pub bytes: usize,
}

/// An event with its number, which rises in the order of the commits and is never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// Its number.
    pub number: i64,
    /// The event.
    pub event: KeptEvent,
}

/// A part of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// In the order of their numbers.
    pub events: Vec<FeedEvent>,
    /// Everything up to this number has been looked at, and nothing will appear before it.
    pub after: i64,
    /// Whether there may be more by now.
    pub more: bool,
    /// A number that none in the feed is above, at the end of this read. A cursor above it is of another store.
    pub end: i64,
}
