//! Follows submitted jobs by their events. Pure.
//!
//! The same event may arrive several times: on the reply queue, from the exchange, and once more after a lost connection.
//! It is shown once. Events are matched by their correlation id, which is made for one submission, so another requester's
//! job with the same id is not mistaken for one of these.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::progress::{self, CurrentJob};
use crate::domain::{Event, EventType};

/// The submitted jobs by correlation id, and the events that were seen.
pub(super) struct Follow {
    jobs: BTreeMap<String, FollowedJob>,
    seen: HashSet<(String, String)>,
}

struct FollowedJob {
    id: String,
    /// The highest sequence number among its events.
    sequence: u64,
    last: Option<(EventType, CurrentJob)>,
}

/// An event that was not seen before.
pub(super) struct NewEvent {
    /// The body as it was published.
    pub text: String,
    /// What a person must be told at once.
    pub notice: Option<String>,
}

/// Whether an event ends a submission: a terminal one, or a rejection.
fn ends(event: EventType) -> bool {
    event.is_terminal() || event == EventType::Rejected
}

impl Follow {
    /// Follows the jobs with these ids, given by correlation id.
    pub fn new(ids: HashMap<String, String>) -> Self {
        let job = |(correlation, id)| (correlation, FollowedJob { id, sequence: 0, last: None });
        Self { jobs: ids.into_iter().map(job).collect(), seen: HashSet::new() }
    }

    /// Takes in a message. `None` when it is about no followed job, is no event, or was seen before.
    pub fn take(&mut self, correlation: &str, body: &[u8]) -> Option<NewEvent> {
        let job = self.jobs.get_mut(correlation)?;
        let event: Event = serde_json::from_slice(body).ok()?;
        let kind = event_type(&event.kind)?;
        if !self.seen.insert((correlation.to_owned(), event.id.clone())) {
            return None;
        }
        // Events may arrive in any order; the sequence tells which is the latest.
        let sequence = event.sequence.parse().unwrap_or(0);
        if sequence >= job.sequence {
            job.sequence = sequence;
            let text = |name: &str| event.data.get(name).and_then(|value| value.as_str());
            let next = text("expected_at").filter(|_| kind == EventType::Waiting).and_then(|at| at.parse().ok());
            let state = text("state").unwrap_or_else(|| kind.as_str()).to_owned();
            job.last = Some((kind, CurrentJob { id: job.id.clone(), state, step: None, next }));
        }
        let message = event.data.get("message").and_then(|message| message.as_str()).unwrap_or_default();
        let uid = event.data.get("uid").and_then(|uid| uid.as_str()).unwrap_or_default();
        let notice = match kind {
            EventType::Parked => {
                Some(format!("{} needs a person: {message} (details: `crossgrant show {uid}`)", job.id))
            }
            EventType::Overdue => Some(format!("{} is overdue: {message}", job.id)),
            _ => None,
        };
        Some(NewEvent { text: String::from_utf8_lossy(body).into_owned(), notice })
    }

    /// Whether all jobs have ended.
    pub fn ended(&self) -> bool {
        self.jobs.values().all(FollowedJob::ended)
    }

    /// Whether every job has the wanted result: completed, or for a plan planned.
    pub fn completed(&self) -> bool {
        let good = |job: &FollowedJob| matches!(job.last, Some((EventType::Completed | EventType::Planned, _)));
        self.jobs.values().all(good)
    }

    /// How many jobs were rejected.
    pub fn rejected(&self) -> usize {
        self.jobs.values().filter(|job| matches!(job.last, Some((EventType::Rejected, _)))).count()
    }

    /// The ids of the jobs that have not ended.
    pub fn open(&self) -> Vec<String> {
        self.jobs.values().filter(|job| !job.ended()).map(|job| job.id.clone()).collect()
    }

    /// The progress line.
    pub fn line(&self, now: Timestamp) -> String {
        let ended = self.jobs.values().filter(|job| job.ended()).count();
        let open = self.jobs.values().filter(|job| !job.ended());
        let current = open.filter_map(|job| job.last.as_ref()).map(|(_, current)| current).next();
        progress::line(ended, self.jobs.len(), current, now)
    }
}

impl FollowedJob {
    fn ended(&self) -> bool {
        self.last.as_ref().is_some_and(|(kind, _)| ends(*kind))
    }
}

fn event_type(name: &str) -> Option<EventType> {
    EventType::ALL.into_iter().find(|kind| kind.name() == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::domain::JobUid;

    fn event(kind: EventType, sequence: u32) -> Vec<u8> {
        let data = json!({
            "uid": "u", "state": "waiting", "message": "the cloud said no", "expected_at": "2026-11-21T11:00:00Z"
        });
        serde_json::to_vec(&Event::new(kind, JobUid(Uuid::nil()), sequence, Timestamp::UNIX_EPOCH, data)).unwrap()
    }

    fn two() -> Follow {
        Follow::new([("a".to_owned(), "NET-1".to_owned()), ("b".to_owned(), "NET-2".to_owned())].into())
    }

    #[test]
    fn it_ends_when_every_job_has_ended_and_is_good_only_if_all_completed() {
        let mut follow = two();
        assert!(follow.take("a", &event(EventType::Completed, 3)).is_some());
        assert!(!follow.ended() && follow.open() == ["NET-2"]);
        follow.take("b", &event(EventType::Completed, 2));
        assert!(follow.ended() && follow.completed());
        for bad in [EventType::Failed, EventType::Rejected, EventType::Superseded, EventType::Cancelled] {
            let mut follow = two();
            follow.take("a", &event(EventType::Completed, 3));
            follow.take("b", &event(bad, 2));
            assert!(follow.ended() && !follow.completed(), "{bad:?}");
        }
    }

    #[test]
    fn an_event_counts_once_and_late_ones_change_nothing() {
        let mut follow = two();
        assert!(follow.take("a", &event(EventType::Completed, 3)).is_some());
        assert!(follow.take("a", &event(EventType::Completed, 3)).is_none());
        assert!(follow.take("a", &event(EventType::Waiting, 2)).is_some(), "shown, though it comes late");
        assert_eq!(follow.open(), ["NET-2"]);
        assert!(follow.take("c", &event(EventType::Completed, 1)).is_none(), "of another submission");
        assert!(follow.take("b", b"{}").is_none());
    }

    #[test]
    fn a_job_that_needs_a_person_is_told_of_and_followed_on() {
        let mut follow = two();
        let notice = follow.take("a", &event(EventType::Parked, 2)).unwrap().notice.unwrap();
        assert!(notice.contains("NET-1 needs a person: the cloud said no"), "{notice}");
        assert_eq!(follow.open().len(), 2);
        follow.take("a", &event(EventType::Waiting, 3));
        let now = "2026-11-21T10:59:00Z".parse().unwrap();
        assert_eq!(follow.line(now), "0 of 2 ended · NET-1 waiting · next check in 1 min 0 s");
    }
}
