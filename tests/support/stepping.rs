//! A machine whose clock can be set, at any moment and by any span, while its uptime goes on as it should.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::clock::{Clock, ManualClock, until};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// The clocks of a machine, over the true time.
pub struct Machine {
    truth: Arc<ManualClock>,
    ahead: watch::Sender<SignedDuration>,
}

impl Machine {
    /// A machine whose clock is `ahead` of the true time.
    pub fn new(truth: &Arc<ManualClock>, ahead: SignedDuration) -> Arc<Self> {
        Arc::new(Self { truth: Arc::clone(truth), ahead: watch::Sender::new(ahead) })
    }

    /// Sets its clock forward, or back.
    pub fn step(&self, by: SignedDuration) {
        self.ahead.send_modify(|ahead| *ahead += by);
    }
}

#[async_trait]
impl Clock for Machine {
    fn now(&self) -> Timestamp {
        self.truth.now() + *self.ahead.borrow()
    }

    fn uptime(&self) -> Duration {
        self.truth.uptime()
    }

    async fn sleep_until(&self, at: Timestamp) {
        let mut steps = self.ahead.subscribe();
        loop {
            steps.mark_unchanged();
            let left = until(self.now(), at);
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = self.truth.sleep(left) => {}
                _ = steps.changed() => {}
            }
        }
    }

    async fn sleep(&self, span: Duration) {
        self.truth.sleep(span).await;
    }
}
