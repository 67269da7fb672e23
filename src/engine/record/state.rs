//! Where a job can be, and from where to where it may go.
//!
//! ```text
//!  queued ──► running ──┬─────────────────► completed, planned, failed, cancelled
//!    ▲                  ├───► waiting ────► completed, failed, cancelled, superseded
//!    │ resume           ▼        │
//!    ├────────────── parked ◄────┤    parked ──► cancelled
//!    └───────────────────────────┘ a write is missing
//! ```

use crate::domain::words;

words! {
    /// Where a job is.
    pub enum State {
        /// Accepted or resumed; waits for its turn or its time.
        Queued = "queued",
        /// A worker works on a step, or tries it again when it is due.
        Running = "running",
        /// Both sides of a payer change are written; the sweep confirms it at the top of the hour.
        Waiting = "waiting",
        /// Waits for an operator to resume, approve or cancel it.
        Parked = "parked",
        /// The result was read back from the cloud.
        Completed = "completed",
        /// A plan that was answered.
        Planned = "planned",
        /// Ended without the result. Nothing it wrote is left in force, or another took its place.
        Failed = "failed",
        /// A newer job on the same grant took over before its change took effect.
        Superseded = "superseded",
        /// Cancelled by an operator; what it had written is put back.
        Cancelled = "cancelled",
    }
}

impl State {
    /// The states that are no ends.
    pub const OPEN: [Self; 4] = [Self::Queued, Self::Running, Self::Waiting, Self::Parked];

    /// Whether nothing more happens to the job.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Planned | Self::Failed | Self::Superseded | Self::Cancelled)
    }

    /// The transition table: whether a job may go from here to `to` (staying is allowed for all but the ends).
    pub fn may_become(self, to: Self) -> bool {
        use State::*;
        match (self, to) {
            (Completed | Planned | Failed | Superseded | Cancelled, _) => false,
            (from, to) if from == to => true,
            // Taking a job up is not a commit of its own, so a queued one may go wherever a running one may.
            (Queued | Running, Running | Waiting | Parked | Completed | Planned | Failed | Cancelled) => true,
            (Queued | Running, _) => false,
            (Waiting, Queued | Parked | Completed | Failed | Cancelled | Superseded) => true,
            (Waiting, _) => false,
            (Parked, Queued | Cancelled) => true,
            (Parked, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_open_or_has_ended() {
        for state in State::ALL {
            assert_ne!(State::OPEN.contains(&state), state.is_terminal(), "{state:?}");
        }
    }

    #[test]
    fn every_pair_of_states_is_decided_as_the_diagram_shows() {
        use State::*;
        let ends = [Completed, Planned, Failed, Superseded, Cancelled];
        for from in State::ALL {
            for to in State::ALL {
                let expected = if ends.contains(&from) {
                    false
                } else if from == to {
                    true
                } else {
                    match from {
                        Queued | Running => ![Queued, Superseded].contains(&to),
                        Waiting => [Queued, Parked, Completed, Failed, Cancelled, Superseded].contains(&to),
                        Parked => [Queued, Cancelled].contains(&to),
                        _ => unreachable!("the ends were handled above"),
                    }
                };
                assert_eq!(from.may_become(to), expected, "{from:?} to {to:?}");
            }
        }
    }
}
