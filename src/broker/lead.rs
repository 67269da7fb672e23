//! Which of several workers consumes, where the broker would give the messages of a queue to all of them.
//!
//! The store says which one leads. A worker that begins to lead waits until the broker has taken back what the one before it had:
//! from then on the oldest message comes first.

use std::sync::Arc;
use std::time::Duration;

use super::connection::BrokerConnection;
use super::declared::counts;
use super::error::BrokerError;
use super::settings::BrokerSettings;
use super::state::{BrokerState, Link};
use crate::clock::Clock;
use crate::engine::ports::mail::Intake;

/// How often a worker that does not lead asks whether it may, and one that leads whether it still does.
const ASK: Duration = Duration::from_secs(2);
/// How long a worker that begins to lead waits for the consumer of another to go: two heartbeats, after which the broker gives up
/// a worker that is stopped or unreachable, and a little.
const OTHERS_GO: Duration = Duration::from_secs(25);
/// How often it looks whether that consumer is gone.
const LOOK: Duration = Duration::from_millis(200);

/// A worker's part in that.
pub(super) struct Lead {
    settings: Arc<BrokerSettings>,
    intake: Arc<dyn Intake>,
    clock: Arc<dyn Clock>,
    state: Arc<BrokerState>,
}

impl Lead {
    pub fn new(
        settings: &Arc<BrokerSettings>,
        intake: &Arc<dyn Intake>,
        clock: &Arc<dyn Clock>,
        state: &Arc<BrokerState>,
    ) -> Self {
        let (settings, intake) = (Arc::clone(settings), Arc::clone(intake));
        Self { settings, intake, clock: Arc::clone(clock), state: Arc::clone(state) }
    }

    /// Whether the broker leaves it to the workers.
    fn is_needed(&self) -> bool {
        !self.settings.topology.kind().has_single_active_consumer()
    }

    /// Returns when this worker may consume, and no other does.
    pub async fn begin(&self, connection: &BrokerConnection) -> Result<(), BrokerError> {
        if !self.is_needed() {
            return Ok(());
        }
        // Waiting for one's turn is no fault.
        self.state.set_consuming(Link::Connected, None);
        let mut waits = false;
        while !self.intake.lead().await {
            if !std::mem::replace(&mut waits, true) {
                tracing::info!("another worker takes the messages; waits to take its place");
            }
            self.clock.sleep(ASK).await;
        }
        let (began, queue) = (self.clock.uptime(), self.settings.topology.jobs_queue());
        while counts(&connection.amqp, self.settings.call_timeout, &queue).await?.consumers > 0 {
            if self.clock.uptime().saturating_sub(began) >= OTHERS_GO {
                tracing::warn!("something else consumes jobs; consumes beside it, and their order is lost");
                break;
            }
            self.clock.sleep(LOOK).await;
        }
        Ok(())
    }

    /// Whether this worker may still consume.
    pub async fn lasts(&self) -> bool {
        !self.is_needed() || self.intake.lead().await
    }

    /// Returns when this worker may not consume any more.
    pub async fn lost(&self) {
        if !self.is_needed() {
            return std::future::pending().await;
        }
        while self.intake.lead().await {
            self.clock.sleep(ASK).await;
        }
    }

    /// Lets another worker consume.
    pub async fn end(&self) {
        if self.is_needed() {
            self.intake.resign().await;
        }
    }
}

pub(super) fn lead_lost() -> BrokerError {
    BrokerError::Ended { why: "another worker may take the messages now".into() }
}
