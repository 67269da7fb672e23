//! Which jobs are meant: the one filter of every list, and of every command on many jobs.

use jiff::Timestamp;

use crate::domain::{AccountUid, CenId, InstanceId, JobUid, Kind, Reason, Requester};
use crate::engine::record::{Record, State};

/// Which jobs are meant. A field that is left empty excludes no job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Jobs in one of these states.
    pub states: Vec<State>,
    /// Jobs that are parked, or have ended, for one of these reasons.
    pub reasons: Vec<Reason>,
    /// Jobs that are half done and do not go on, or all others.
    pub half_done: Option<bool>,
    /// Jobs that wait for an hour that is long over.
    pub overdue: bool,
    /// Jobs that are held, because one of their accounts is paused.
    pub held: bool,
    /// Jobs of this kind.
    pub kind: Option<Kind>,
    /// Jobs on this instance.
    pub instance: Option<InstanceId>,
    /// Jobs on this CEN.
    pub cen: Option<CenId>,
    /// Jobs that act in this account: the owner of their instance, or of their CEN.
    pub account: Option<AccountUid>,
    /// Jobs that are put down to this account, as [`Record::blames`] says.
    pub blames: Option<AccountUid>,
    /// Jobs from this requester.
    pub requester: Option<Requester>,
    /// Jobs of this batch.
    pub batch: Option<JobUid>,
    /// Jobs with this label: its name and value.
    pub label: Option<(String, String)>,
    /// Jobs accepted at this time or later, in whole microseconds as stores keep it.
    pub since: Option<Timestamp>,
    /// Jobs accepted before this time.
    pub until: Option<Timestamp>,
    /// Jobs accepted before this one: the last job of the previous page.
    pub before: Option<JobUid>,
    /// The length of a page, newest first; 0 lists nothing.
    pub limit: usize,
}

impl Filter {
    /// The states in which a job can match; `None` for any.
    pub fn possible_states(&self) -> Option<Vec<State>> {
        let mut states = if self.states.is_empty() { State::ALL.to_vec() } else { self.states.clone() };
        if !self.reasons.is_empty() {
            states.retain(|state| *state == State::Parked || state.is_terminal());
        }
        if self.half_done == Some(true) {
            states.retain(|state| matches!(state, State::Running | State::Parked));
        }
        if self.overdue {
            states.retain(|state| *state == State::Waiting);
        }
        if self.held {
            states.retain(|state| matches!(state, State::Queued | State::Running));
        }
        (states != State::ALL).then_some(states)
    }

    /// Whether it asks for what only the record holds, so that many may be read of which few match.
    pub fn is_of_records(&self) -> bool {
        !self.reasons.is_empty() || self.half_done.is_some() || self.overdue || self.blames.is_some()
    }

    /// Whether a job matches; the length of a page aside.
    pub fn matches(&self, record: &Record) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, value: &T) -> bool {
            wanted.as_ref().is_none_or(|wanted| wanted == value)
        }
        let job = &record.job;
        let reason = record.phase.ending().map(|ending| ending.reason);
        let accepted = record.accepted_at.as_microsecond();
        (self.states.is_empty() || self.states.contains(&record.state()))
            && (self.reasons.is_empty() || reason.is_some_and(|reason| self.reasons.contains(&reason)))
            && is(&self.half_done, &record.stands_half_done())
            && (!self.overdue || record.is_overdue())
            && (!self.held || record.phase.held().is_some())
            && is(&self.kind, &job.kind)
            && is(&self.instance, &job.instance.id)
            && is(&self.cen, &job.cen.id)
            && self.account.as_ref().is_none_or(|uid| [&job.instance.owner, &job.cen.owner].contains(&uid))
            && self.blames.as_ref().is_none_or(|uid| record.blames() == uid)
            && is(&self.requester, &record.requester)
            && (self.batch.is_none() || self.batch == record.batch())
            && self.label.as_ref().is_none_or(|(name, value)| job.labels.get(name) == Some(value))
            && self.since.is_none_or(|at| accepted >= at.as_microsecond())
            && self.until.is_none_or(|at| accepted < at.as_microsecond())
            && self.before.is_none_or(|before| record.uid < before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_of_a_job_follow_from_all_of_the_filter() {
        let none = Filter::default;
        let states = |filter: Filter| filter.possible_states();
        assert_eq!(states(none()), None);
        assert_eq!(states(Filter { half_done: Some(true), ..none() }), Some(vec![State::Running, State::Parked]));
        assert_eq!(states(Filter { half_done: Some(false), ..none() }), None);
        assert_eq!(states(Filter { overdue: true, ..none() }), Some(vec![State::Waiting]));
        assert_eq!(states(Filter { held: true, ..none() }), Some(vec![State::Queued, State::Running]));
        let reasons = vec![Reason::GaveUp];
        let ended = states(Filter { reasons: reasons.clone(), ..none() }).unwrap();
        assert!(ended.iter().all(|state| *state == State::Parked || state.is_terminal()) && ended.len() == 6);
        let impossible = Filter { reasons, states: vec![State::Queued], ..none() };
        assert_eq!(states(impossible), Some(vec![]), "no job is queued for a reason");
    }
}
