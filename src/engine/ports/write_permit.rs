//! The permit to send one write. Between the commit of an intent and the first byte of its call, keys are fetched and
//! an identity is verified, and the process can be stopped anywhere: a lease that was good when the call began need not
//! be when it goes out. So the writer holds the permit and asks it directly before it sends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::engine::ports::crash_points::{CrashPoint, CrashPoints};

/// A permit that ends with the lease under which the write is made.
pub struct WritePermit {
    clock: Arc<dyn Clock>,
    crash_points: Arc<dyn CrashPoints>,
    /// By the uptime clock.
    until: Duration,
    refused: AtomicBool,
}

impl WritePermit {
    /// A permit until an instant of the uptime clock.
    pub fn new(clock: Arc<dyn Clock>, crash_points: Arc<dyn CrashPoints>, until: Duration) -> Arc<Self> {
        Arc::new(Self { clock, crash_points, until, refused: AtomicBool::new(false) })
    }

    /// Whether the write may be sent now. To be asked once for each attempt, with nothing between the answer and the
    /// sending that could wait.
    pub fn allows_sending(&self) -> bool {
        let allows = self.clock.uptime() < self.until && !self.crash_points.cut(CrashPoint::BeforeSend);
        if !allows {
            self.refused.store(true, Ordering::SeqCst);
        }
        allows
    }

    /// Whether it ever said no: that attempt was not sent.
    pub fn was_refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }
}
