//! What a committed decision means for metrics, the log, traces and the other loops.

use std::time::Duration;

use crate::clock::until;
use crate::domain::{EventType, InstanceId, JobId, JobUid, Kind, TraceContext};
use crate::engine::decide::decision::Decision;
use crate::engine::guards::setting;
use crate::engine::ports::trace::Span;
use crate::engine::record::{Ending, Record, State};

/// What follows from a committed decision for metrics and the other loops.
#[derive(Debug, Clone)]
pub struct Moved {
    /// The kind of the job.
    pub kind: Kind,
    /// The state it is in now.
    pub state: State,
    /// Its events, and those of other jobs in the same commit.
    pub(super) says: Vec<EventType>,
    pub(super) swept: bool,
    pub(super) limited: Option<&'static str>,
    pub(super) parked: Option<Parked>,
    /// A job that is half done, and whose next write the cloud refuses.
    pub(super) stuck: Option<Stuck>,
    /// The other jobs that the same commit leaves in a state, by kind.
    pub(super) also: Vec<(Kind, State)>,
    /// The jobs that have ended with it.
    pub(super) ended: Vec<Ended>,
    /// The span of its acceptance, and what the decision adds to its trace.
    pub(super) span: Option<TraceContext>,
    pub(super) spans: Vec<Span>,
}

/// A job that a decision has ended.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) batch: Option<JobUid>,
    pub(super) took: Duration,
    /// How long after the hour that it waited for its effect was seen.
    pub(super) after_hour: Option<Duration>,
}

impl Ended {
    /// `None` for a job that has not ended.
    fn of(record: &Record) -> Option<Self> {
        let at = record.phase.finished_at()?;
        let hour = record.wait.as_ref().map(|wait| wait.expected_at);
        Some(Self {
            kind: record.job.kind,
            state: record.state(),
            batch: record.batch(),
            took: until(record.accepted_at, at),
            after_hour: hour.zip(record.effective_seen).map(|(hour, seen)| until(hour, seen)),
        })
    }
}

/// A job that a decision has parked, as the log tells of it.
#[derive(Debug, Clone)]
pub(super) struct Parked {
    pub(super) uid: JobUid,
    pub(super) id: JobId,
    pub(super) instance: InstanceId,
    pub(super) half_done: bool,
    pub(super) ending: Ending,
}

/// A job that has written something and is refused the rest for now, as the log tells of it.
#[derive(Debug, Clone)]
pub(super) struct Stuck {
    pub(super) uid: JobUid,
    pub(super) id: JobId,
    pub(super) instance: InstanceId,
    pub(super) why: String,
}

impl Moved {
    pub(super) fn by(decision: &Decision) -> Self {
        let Decision { record, says, also, .. } = decision;
        let all = std::iter::once(record).chain(also.iter().map(|(other, _)| other));
        Self {
            ended: all.filter_map(Ended::of).collect(),
            span: None,
            spans: vec![],
            also: also.iter().map(|(other, _)| (other.job.kind, other.state())).collect(),
            kind: record.job.kind,
            state: record.state(),
            says: says.iter().copied().chain(also.iter().map(|(_, said)| *said)).collect(),
            swept: record.is_swept(),
            limited: setting(record.job.kind).filter(|_| record.needs_approval()),
            parked: record.phase.ending().filter(|_| says.contains(&EventType::Parked)).map(|ending| Parked {
                uid: record.uid,
                id: record.job.id.clone(),
                instance: record.job.instance.id.clone(),
                half_done: record.is_half_done(),
                ending: ending.clone(),
            }),
            stuck: (says.contains(&EventType::Waiting) && record.state() == State::Running).then(|| Stuck {
                uid: record.uid,
                id: record.job.id.clone(),
                instance: record.job.instance.id.clone(),
                why: record.why.clone(),
            }),
        }
    }
}
