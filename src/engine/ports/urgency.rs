//! The priority of a call among those that wait for the same budget, and how long it may wait. It goes with the task and
//! not through every signature of the cloud, because only the step or sweep that sets it and the budget that reads it use
//! it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::domain::{Operation, Requester};

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

/// For whom a call is made, so that requesters take turns. What is made for no requester is made for one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct OnBehalf(u64);

impl OnBehalf {
    /// Two names with the same number would share their turns, and nothing else.
    pub fn of(requester: &Requester) -> Self {
        let mut hasher = DefaultHasher::new();
        requester.as_str().hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// How a call waits for its budget. Outside of [`Urgency::scope`] it has the priority of jobs and waits without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Urgency {
    /// Its priority in the queue.
    pub priority: Priority,
    /// For whom it is made.
    pub on_behalf: OnBehalf,
    /// When it gives up waiting, by the uptime clock; `None`: never.
    pub until: Option<Duration>,
    /// The operation for which room was taken beforehand, so that its call does not wait.
    pub room: Option<Operation>,
}

impl Urgency {
    /// Runs `work` with this urgency for all its calls. An `async fn` would hold `work` twice.
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        URGENCY.scope(self, work)
    }

    /// The urgency of the running task.
    pub fn current() -> Self {
        URGENCY.try_with(|urgency| *urgency).unwrap_or_default()
    }
}
