//! Which clock says when a lease ends.
//!
//! Workers on several machines have several clocks, and one of them may be wrong by hours. When a job is due is decided by
//! the clock of the worker that asks. Whether the lease of another worker has ended is decided by the one clock that they
//! share, the database's; of a lease, a worker says only how long it is to last.

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::{Clock, until};
use crate::store::row;

/// The clock of the database, in microseconds, when the statement began.
macro_rules! now_us {
    () => {
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
    };
}
pub(super) use now_us;

/// The clock that leases go by.
#[derive(Clone)]
pub enum LeaseClock {
    /// The database's. The worker's own, which is held here, tells how far off it is and how long a lease is to last.
    Database(Arc<dyn Clock>),
    /// The caller's, by the times that it passes: for tests that move a clock by hand.
    Callers,
}

/// The end of a lease: either an instant, or a time from now by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeaseEnd {
    pub(super) until_us: Option<i64>,
    pub(super) length_us: Option<i64>,
}

impl LeaseClock {
    /// What to take as now; `None` for the database's clock.
    pub(super) fn now(&self, now: Timestamp) -> Option<i64> {
        match self {
            Self::Database(_) => None,
            Self::Callers => Some(row::at_or_before(now)),
        }
    }

    /// The end of a lease that is taken at `now` until `end`, both by the caller's clock.
    pub(super) fn end(&self, now: Timestamp, end: Timestamp) -> LeaseEnd {
        match self {
            Self::Database(_) => {
                let length = i64::try_from(until(now, end).as_micros()).unwrap_or(i64::MAX / 4);
                LeaseEnd { until_us: None, length_us: Some(length) }
            }
            Self::Callers => LeaseEnd { until_us: Some(row::not_before(end)), length_us: None },
        }
    }

    /// The end of a lease that is prolonged now until `end`, by the caller's clock.
    pub(super) fn prolonged(&self, end: Timestamp) -> LeaseEnd {
        match self {
            Self::Database(clock) => self.end(clock.now(), end),
            Self::Callers => self.end(end, end),
        }
    }

    /// What the caller's clock shows now, to convert the database's times; `None` if they are the caller's own.
    pub(super) fn caller_us(&self) -> Option<i64> {
        match self {
            Self::Database(clock) => Some(row::at_or_before(clock.now())),
            Self::Callers => None,
        }
    }
}
