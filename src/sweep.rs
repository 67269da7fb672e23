//! The hourly pass over every payer change that waits: grouped, so that one answer of the cloud serves many jobs.
//!
//! What is due is in the store, as `engine/decide/sweep_times.rs` decided it. The cron only wakes the loop: one that comes
//! late, twice or not at all changes nothing but the moment.

mod attachments;
mod pass;
mod schedule;

pub use pass::{Report, pass};
pub use schedule::run;

use std::time::Duration;

use crate::engine::loops::shared::Engine;
use crate::engine::ports::urgency::{Priority, Urgency};

/// How long a call may wait for its budget, behind the calls of jobs. After that the group is read at its next due time.
const PATIENCE: Duration = Duration::from_secs(60);

/// The urgency of a call that a pass makes now.
fn urgency(engine: &Engine) -> Urgency {
    let until = Some(engine.clock.uptime() + PATIENCE);
    Urgency { priority: Priority::Sweep, until, ..Urgency::default() }
}
