//! What is to be said or done of a batch, given how its jobs stand.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{later, until};
use crate::domain::{OnFailure, Reason};
use crate::engine::batch::{Batch, Tally};
use crate::engine::decide::decision::{Context, Deciding, Decision};
use crate::engine::record::{Record, State};

/// Between two events that tell how far a batch has come.
const BETWEEN_TELLING: Duration = Duration::from_secs(60);

/// What follows from how the jobs of a batch stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchStep {
    /// Nothing before this time, unless one of its jobs moves on.
    Rest(Timestamp),
    /// Tell how far it has come.
    Tell,
    /// One of its jobs has failed: from here on no other begins.
    Stop,
    /// All its jobs have ended, and no further one is taken: tell what became of them.
    End,
}

/// What to do about a batch at `now`.
pub fn batch_step(batch: &Batch, tally: &Tally, now: Timestamp) -> BatchStep {
    let all_came = tally.members >= batch.terms.size;
    let closed = now >= batch.closes_at;
    if tally.ended() == u64::from(tally.members) && (all_came || closed) {
        return BatchStep::End;
    }
    if batch.terms.on_failure == OnFailure::Stop && batch.stopped.is_none() && tally.failed() > 0 {
        return BatchStep::Stop;
    }
    let moved = tally.states != batch.told;
    if moved && until(batch.told_at, now) >= BETWEEN_TELLING {
        return BatchStep::Tell;
    }
    let tells = if moved { later(batch.told_at, BETWEEN_TELLING) } else { later(now, BETWEEN_TELLING) };
    BatchStep::Rest(if closed || all_came { tells } else { tells.min(batch.closes_at) })
}

/// Ends a job of a batch that was stopped, for `message`. `None` if it has ended, or has begun to write.
pub fn stopped(context: &Context<'_>, record: &Record, message: String, now: Timestamp) -> Option<Decision> {
    if record.state().is_terminal() || record.begun_at.is_some() || record.has_written() {
        return None;
    }
    let mut deciding = Deciding::new(context, record.clone(), now);
    let next = deciding.finish(State::Cancelled, Reason::BatchStopped, message, vec![]);
    Some(deciding.into_decision(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{BatchId, BatchTerms, Requester};
    use crate::engine::record::Origin;

    fn at(seconds: u64) -> Timestamp {
        later("2026-11-21T10:20:00Z".parse().unwrap(), Duration::from_secs(seconds))
    }

    fn batch(size: u32, on_failure: OnFailure) -> Batch {
        let terms = BatchTerms { id: BatchId::parse("B-1").unwrap(), size, on_failure, not_after: Some(at(3600)) };
        Batch::new(Requester::parse("tickets").unwrap(), terms, Origin::default(), at(0))
    }

    fn tally(states: &[(State, u64)]) -> Tally {
        let members = states.iter().map(|(_, jobs)| u32::try_from(*jobs).unwrap()).sum();
        Tally { members, states: states.iter().copied().collect() }
    }

    #[test]
    fn it_ends_when_all_came_and_all_ended() {
        let three = batch(3, OnFailure::GoOn);
        let all = tally(&[(State::Completed, 1), (State::Failed, 1), (State::Superseded, 1)]);
        assert_eq!(batch_step(&three, &all, at(1)), BatchStep::End);
        let open = tally(&[(State::Completed, 2), (State::Parked, 1)]);
        assert_eq!(batch_step(&three, &open, at(1)), BatchStep::Rest(at(60)));
        let two = tally(&[(State::Completed, 2)]);
        assert_eq!(batch_step(&three, &two, at(1)), BatchStep::Rest(at(60)), "a third is to come");
    }

    #[test]
    fn what_has_not_come_in_time_is_not_waited_for() {
        let three = batch(3, OnFailure::GoOn);
        let two = tally(&[(State::Completed, 2)]);
        assert_eq!(
            batch_step(&Batch { told: two.states.clone(), ..three.clone() }, &two, at(3590)),
            BatchStep::Rest(at(3600))
        );
        assert_eq!(batch_step(&three, &two, at(3600)), BatchStep::End);
        let open = tally(&[(State::Completed, 1), (State::Waiting, 1)]);
        let told = Batch { told: open.states.clone(), ..three };
        assert_eq!(batch_step(&told, &open, at(3600)), BatchStep::Rest(at(3660)), "what came is waited for");
    }

    #[test]
    fn progress_is_told_once_a_minute_and_only_if_there_is_any() {
        let three = batch(3, OnFailure::GoOn);
        let some = tally(&[(State::Completed, 1), (State::Queued, 2)]);
        assert_eq!(batch_step(&three, &some, at(59)), BatchStep::Rest(at(60)));
        assert_eq!(batch_step(&three, &some, at(60)), BatchStep::Tell);
        let told = Batch { told: some.states.clone(), told_at: at(60), ..three };
        assert_eq!(batch_step(&told, &some, at(200)), BatchStep::Rest(at(260)));
        let more = tally(&[(State::Completed, 2), (State::Queued, 1)]);
        assert_eq!(batch_step(&told, &more, at(100)), BatchStep::Rest(at(120)));
    }

    #[test]
    fn only_a_batch_that_is_told_to_stops_and_only_once() {
        let one_failed = tally(&[(State::Failed, 1), (State::Queued, 2)]);
        assert_eq!(batch_step(&batch(3, OnFailure::GoOn), &one_failed, at(1)), BatchStep::Rest(at(60)));
        let stops = batch(3, OnFailure::Stop);
        assert_eq!(batch_step(&stops, &one_failed, at(1)), BatchStep::Stop);
        for good in [State::Completed, State::Planned, State::Parked] {
            let fine = tally(&[(good, 1), (State::Queued, 2)]);
            assert_eq!(batch_step(&stops, &fine, at(1)), BatchStep::Rest(at(60)), "{good}");
        }
        let job = crate::domain::JobId::parse("j-1").unwrap();
        let stopped = Batch { stopped: Some(crate::engine::batch::Stopped { at: at(1), job }), ..stops };
        assert_eq!(batch_step(&stopped, &one_failed, at(2)), BatchStep::Rest(at(60)));
    }
}
