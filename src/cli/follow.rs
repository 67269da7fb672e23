//! Follows submitted jobs by their events. Pure.
//!
//! The same event may arrive several times: on the reply queue, from the exchange, and once more after a lost connection.
//! It is shown once. Events are matched by their correlation id, which is made for one submission, so another requester's
//! job with the same id is not mistaken for one of these.
//!
//! No event tells when a job begins, so what only events tell of is `accepted` until it waits or ends. A worker that can be
//! asked tells the rest ([`Follow::hear`]).

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::progress::{CurrentJob, Tally};
use crate::clock::later;
use crate::domain::{Event, EventType, JobUid, spoken, whole_second};
use crate::engine::record::State;

/// The states of jobs that have not ended, as they are said, in this order.
const STATES: [&str; 7] = ["parked", "waiting", "in work", "queued", HELD, ACCEPTED, PUBLISHED];
const HELD: &str = "held";
/// By a worker; whether it has begun is not known.
const ACCEPTED: &str = "accepted";
/// To the broker; no worker has said anything yet.
const PUBLISHED: &str = "published";

/// The most jobs that are named one by one, so that they fit on a screen or in a mail.
const NAMED: usize = 50;

/// The submitted jobs in their order, and the events that were seen.
pub(super) struct Follow {
    jobs: Vec<FollowedJob>,
    places: HashMap<String, usize>,
    seen: HashSet<(String, String)>,
    /// How many jobs of the submission were not published.
    unpublished: usize,
    /// When they were published. An event that is older tells of a job that was there already.
    published: Timestamp,
}

/// By how much the clocks of this machine and of the worker may differ.
const CLOCKS: Duration = Duration::from_secs(5);

struct FollowedJob {
    id: String,
    /// Once a worker has accepted it.
    uid: Option<JobUid>,
    /// The highest sequence number among its events.
    sequence: u64,
    state: &'static str,
    next: Option<Timestamp>,
    /// Why it is where it is, as a worker says.
    why: Option<String>,
    end: Option<JobEnd>,
}

/// How a job ended.
struct JobEnd {
    kind: EventType,
    reason: Option<String>,
    message: String,
    /// When it ended, if that was before it was published.
    before: Option<Timestamp>,
}

/// An event that was not seen before.
pub(super) struct NewEvent {
    /// The body as it was published.
    pub text: String,
    /// What a person must be told at once.
    pub notice: Option<String>,
}

/// A job as a worker knows it.
pub(super) struct KnownJob {
    pub uid: JobUid,
    pub state: State,
    pub held: bool,
    pub next: Option<Timestamp>,
    pub why: String,
}

/// Whether an event ends a submission: a terminal one, or a rejection.
fn ends(event: EventType) -> bool {
    event.is_terminal() || event == EventType::Rejected
}

/// Whether a message is the event that ends its job, or rejects it.
pub(super) fn is_last(body: &[u8]) -> bool {
    let event: Option<Event> = serde_json::from_slice(body).ok();
    event.and_then(|event| event_type(&event.kind)).is_some_and(ends)
}

impl Follow {
    /// Follows jobs, each given by its correlation id and its own, in the order of the submission. `unpublished` more could not
    /// be published.
    pub fn new(ids: Vec<(String, String)>, unpublished: usize, published: Timestamp) -> Self {
        let places = ids.iter().enumerate().map(|(place, (correlation, _))| (correlation.clone(), place)).collect();
        let job =
            |(_, id)| FollowedJob { id, uid: None, sequence: 0, state: PUBLISHED, next: None, why: None, end: None };
        Self { jobs: ids.into_iter().map(job).collect(), places, seen: HashSet::new(), unpublished, published }
    }

    /// Takes in a message. `None` when it is about no followed job, is no event, or was seen before.
    pub fn take(&mut self, correlation: &str, body: &[u8]) -> Option<NewEvent> {
        let job = &mut self.jobs[*self.places.get(correlation)?];
        let event: Event = serde_json::from_slice(body).ok()?;
        let kind = event_type(&event.kind)?;
        if !self.seen.insert((correlation.to_owned(), event.id.clone())) {
            return None;
        }
        let text = |name: &str| event.data.get(name).and_then(|value| value.as_str());
        let message = text("message").unwrap_or_default();
        let uid = text("uid").unwrap_or_default();
        job.uid = uid.parse().ok().or(job.uid);
        // Events may arrive in any order; the sequence tells which is the latest.
        let sequence = event.sequence.parse().unwrap_or(0);
        if sequence >= job.sequence {
            job.sequence = sequence;
            job.next = text("expected_at").filter(|_| kind == EventType::Waiting).and_then(|at| at.parse().ok());
            job.state = match text("state").and_then(State::parse) {
                Some(State::Parked) => "parked",
                Some(State::Waiting) => "waiting",
                Some(State::Running) => "in work",
                // It is older than the event is, and may have begun.
                _ => ACCEPTED,
            };
        }
        let before = Some(event.time).filter(|at| ends(kind) && later(*at, CLOCKS) < self.published);
        if ends(kind) {
            let reason = text("reason").map(str::to_owned);
            job.end = Some(JobEnd { kind, reason, message: message.to_owned(), before });
        }
        let notice = match kind {
            _ if before.is_some() => {
                let at = before.map(whole_second).unwrap_or_default();
                Some(format!(
                    "{} {kind} already at {at}; the same id again is the same job, and nothing was done for it",
                    job.id
                ))
            }
            EventType::Parked => {
                Some(format!("{} needs a person: {message} (details: `crossgrant show {uid}`)", job.id))
            }
            EventType::Overdue => Some(format!("{} is overdue: {message}", job.id)),
            _ => None,
        };
        Some(NewEvent { text: String::from_utf8_lossy(body).into_owned(), notice })
    }

    /// Takes in how a worker says that jobs stand. Jobs that are not followed are passed over.
    pub fn hear(&mut self, known: &[KnownJob]) {
        let known: HashMap<JobUid, &KnownJob> = known.iter().map(|job| (job.uid, job)).collect();
        for job in self.jobs.iter_mut().filter(|job| job.end.is_none()) {
            let Some(known) = job.uid.and_then(|uid| known.get(&uid)) else { continue };
            job.next = known.next;
            job.why = Some(known.why.clone());
            job.state = match known.state {
                _ if known.held => HELD,
                State::Queued => "queued",
                State::Running => "in work",
                State::Waiting => "waiting",
                State::Parked => "parked",
                // Its event is on the way.
                _ => continue,
            };
        }
    }

    /// How many jobs there are.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Whether no worker has said anything of one of them yet.
    pub fn waits_for_worker(&self) -> bool {
        self.jobs.iter().any(|job| job.end.is_none() && job.state == PUBLISHED)
    }

    /// The first that has not ended, with why it has not, if a worker has said that.
    pub fn oldest(&self) -> Option<(&str, &str)> {
        let job = self.jobs.iter().find(|job| job.end.is_none())?;
        Some((&job.id, job.why.as_deref()?))
    }

    /// Whether all jobs have ended.
    pub fn ended(&self) -> bool {
        self.jobs.iter().all(|job| job.end.is_some())
    }

    /// Whether every job has the wanted result: completed, or for a plan planned.
    pub fn completed(&self) -> bool {
        self.unpublished == 0 && self.jobs.iter().all(|job| job.end.as_ref().is_some_and(JobEnd::is_good))
    }

    /// How many jobs were rejected.
    pub fn rejected(&self) -> usize {
        let rejected = |end: &JobEnd| end.kind == EventType::Rejected;
        self.jobs.iter().filter(|job| job.end.as_ref().is_some_and(rejected)).count()
    }

    /// The ids of the jobs that have not ended, the first ones only.
    pub fn open(&self) -> String {
        let open: Vec<&str> = self.jobs.iter().filter(|job| job.end.is_none()).map(|job| job.id.as_str()).collect();
        let shown = open[..open.len().min(NAMED)].join(", ");
        if open.len() > NAMED { format!("{shown} and {} more", open.len() - NAMED) } else { shown }
    }

    /// How far they are.
    pub fn tally(&self) -> Tally {
        let open = || self.jobs.iter().filter(|job| job.end.is_none());
        let count = |state: &'static str| (state, open().filter(|job| job.state == state).count());
        Tally {
            ended: self.jobs.len() - open().count(),
            total: self.jobs.len(),
            states: STATES.map(count).to_vec(),
            oldest: open().next().map(|job| CurrentJob { id: job.id.clone(), state: job.state, step: None }),
            next: open().filter_map(|job| job.next).min(),
        }
    }

    /// What became of them after `took`: a line for all, and one for each that has not the wanted result.
    pub fn summary(&self, took: Duration) -> Vec<String> {
        let ends: Vec<(&FollowedJob, &JobEnd)> =
            self.jobs.iter().filter_map(|job| Some((job, job.end.as_ref()?))).collect();
        let mut groups = BTreeMap::<(usize, Option<&str>), usize>::new();
        for (_, end) in &ends {
            let reason = end.reason.as_deref().filter(|_| !end.is_good() && end.kind != EventType::Rejected);
            *groups.entry((rank(end.kind), reason)).or_default() += 1;
        }
        let group = |((rank, reason), jobs): (&(usize, Option<&str>), &usize)| {
            let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{jobs} {}{reason}", ENDS[*rank])
        };
        let mut says: Vec<String> = groups.iter().map(group).collect();
        says.extend((self.unpublished > 0).then(|| format!("{} not published", self.unpublished)));
        let before = ends.iter().filter(|(_, end)| end.before.is_some()).count();
        says.extend((before > 0).then(|| format!("{before} of them before they were submitted")));
        let says = if says.is_empty() { String::new() } else { format!(": {}", says.join(", ")) };
        let all = self.jobs.len() + self.unpublished;
        let mut lines = vec![format!("{} of {all} ended in {}{says}", ends.len(), spoken(took))];
        let bad = || ends.iter().filter(|(_, end)| !end.is_good());
        lines.extend(
            bad().take(NAMED).map(|(job, end)| format!("{} {}{}: {}", job.id, end.kind, end.why(), end.message)),
        );
        let more = bad().count().saturating_sub(NAMED);
        lines.extend((more > 0).then(|| format!("and {more} more that did not complete")));
        lines
    }
}

/// How jobs end, as it is told.
const ENDS: [EventType; 6] = [
    EventType::Completed,
    EventType::Planned,
    EventType::Failed,
    EventType::Superseded,
    EventType::Cancelled,
    EventType::Rejected,
];

fn rank(kind: EventType) -> usize {
    ENDS.iter().position(|end| *end == kind).unwrap_or(ENDS.len() - 1)
}

impl JobEnd {
    fn is_good(&self) -> bool {
        matches!(self.kind, EventType::Completed | EventType::Planned)
    }

    fn why(&self) -> String {
        self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
    }
}

fn event_type(name: &str) -> Option<EventType> {
    EventType::ALL.into_iter().find(|kind| kind.name() == name)
}
