//! Leave to send a write, asked for directly before its first byte. Between the commit of an intent and that byte lie
//! keys to be fetched and an identity to be verified, and a process can be stopped anywhere: what was sure when the call
//! began need not be when it goes out. Like the urgency it goes with the task: only the worker, who has the lease, and
//! the client, who sends, have to do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::engine::ports::crash_points::{CrashPoint, CrashPoints};

tokio::task_local! {
    static LEAVE: Arc<Leave>;
}

/// Leave for one write.
pub struct Leave {
    clock: Arc<dyn Clock>,
    crash_points: Arc<dyn CrashPoints>,
    /// When it ends, by the uptime clock.
    until: Duration,
    refused: AtomicBool,
}

impl Leave {
    /// Leave until an instant of the uptime clock: the end of the lease under which the write is made.
    pub fn new(clock: Arc<dyn Clock>, crash_points: Arc<dyn CrashPoints>, until: Duration) -> Arc<Self> {
        Arc::new(Self { clock, crash_points, until, refused: AtomicBool::new(false) })
    }

    /// Makes the calls of `work` under it.
    pub async fn scope<F: Future>(self: Arc<Self>, work: F) -> F::Output {
        LEAVE.scope(self, work).await
    }

    /// Whether the write being made may be sent now. Outside of [`Leave::scope`] everything may.
    pub fn to_send() -> bool {
        LEAVE.try_with(|leave| leave.ask()).unwrap_or(true)
    }

    /// Whether it was ever refused; then the write was not sent.
    pub fn was_refused(&self) -> bool {
        self.refused.load(Ordering::SeqCst)
    }

    fn ask(&self) -> bool {
        let given = self.clock.uptime() < self.until && !self.crash_points.cut(CrashPoint::BeforeSend);
        if !given {
            self.refused.store(true, Ordering::SeqCst);
        }
        given
    }
}
