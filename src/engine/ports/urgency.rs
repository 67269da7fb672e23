//! How a call stands among those that wait for the same budget, and how long it may wait. It goes with the task and not
//! through every signature of the cloud: only who begins (a step, the sweep) and who waits in the end (the budget) have
//! anything to do with it.

use std::time::Duration;

use crate::domain::Operation;

tokio::task_local! {
    static URGENCY: Urgency;
}

/// Who goes first. The lesser is the more urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// Writes, and the looks around them.
    #[default]
    Job,
    /// The hourly pass, which can read a moment later.
    Sweep,
}

/// What a call may ask of its budget. Outside of [`Urgency::scope`]: first, and for as long as it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Urgency {
    /// Its place in line.
    pub priority: Priority,
    /// When, by the uptime clock, waiting makes no sense any more.
    pub until: Option<Duration>,
    /// The operation that room was already taken for.
    pub room: Option<Operation>,
}

impl Urgency {
    /// Makes the calls of `work` with this urgency.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        URGENCY.scope(self, work).await
    }

    /// That of the call being made.
    pub fn current() -> Self {
        URGENCY.try_with(|urgency| *urgency).unwrap_or_default()
    }
}
