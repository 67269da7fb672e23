//! The priority of a call among those that wait for the same budget, and how long it may wait. It goes with the task and
//! not through every signature of the cloud, because only the step or sweep that sets it and the budget that reads it use
//! it.

use std::time::Duration;

use crate::domain::Operation;

tokio::task_local! {
    static URGENCY: Urgency;
}

/// Which calls go first: the lesser priority is the more urgent one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Priority {
    /// The writes of jobs and the looks around them.
    #[default]
    Job,
    /// The hourly sweep, which can read a moment later.
    Sweep,
}

/// How a call waits for its budget. Outside of [`Urgency::scope`] it has the priority of jobs and waits without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Urgency {
    /// Its priority in the queue.
    pub priority: Priority,
    /// When it gives up waiting, by the uptime clock; `None`: never.
    pub until: Option<Duration>,
    /// The operation for which room was taken beforehand, so that its call does not wait.
    pub room: Option<Operation>,
}

impl Urgency {
    /// Runs `work` with this urgency for all its calls.
    pub async fn scope<F: Future>(self, work: F) -> F::Output {
        URGENCY.scope(self, work).await
    }

    /// The urgency of the running task.
    pub fn current() -> Self {
        URGENCY.try_with(|urgency| *urgency).unwrap_or_default()
    }
}
