//! Whose clock says when a lease is over.
//!
//! Workers on several machines have several clocks, and one of them may be wrong by hours. When a job is due is told by
//! the worker that asks: what one worker planned, it finds in its own time. But whether another's lease is over is decided
//! by the one clock they share, the database's, and what a worker says of a lease is only how long it is to last.

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{Clock, until};
use crate::store::row;

/// The clock of the database, in microseconds, at the begin of the statement.
macro_rules! now_us {
    () => {
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use now_us;

/// Who tells the time of leases.
#[derive(Clone)]
pub enum Time {
    /// The database. The worker's own clock is read to tell how far off it is, and how long a lease is to last.
    Database(Arc<dyn Clock>),
    /// Whoever calls, by the times he names: for tests that move a clock by hand.
    Callers,
}

/// The end of a lease: at an instant, or so long after now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) until_us: Option<i64>,
    pub(super) length_us: Option<i64>,
}

impl Time {
    /// What is now, when a caller says so; `None` for the database to say.
    pub(super) fn now(&self, now: Timestamp) -> Option<i64> {
        match self {
            Self::Database(_) => None,
            Self::Callers => Some(row::at_or_before(now)),
        }
    }

    /// The end of a lease taken at `now`, by the caller's clock.
    pub(super) fn end(&self, now: Timestamp, end: Timestamp) -> End {
        match self {
            Self::Database(_) => {
                let length = i64::try_from(until(now, end).as_micros()).unwrap_or(i64::MAX / 4);
                End { until_us: None, length_us: Some(length) }
            }
            Self::Callers => End { until_us: Some(row::not_before(end)), length_us: None },
        }
    }

    /// The end of a lease prolonged now.
    pub(super) fn prolonged(&self, end: Timestamp) -> End {
        match self {
            Self::Database(clock) => self.end(clock.now(), end),
            Self::Callers => self.end(end, end),
        }
    }

    /// What the caller's clock shows, to translate the database's times by; `None` when they are the caller's own.
    pub(super) fn caller_us(&self) -> Option<i64> {
        match self {
            Self::Database(clock) => Some(row::at_or_before(clock.now())),
            Self::Callers => None,
        }
    }
}
