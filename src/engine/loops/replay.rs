//! Publishing kept events again: for those who bind a queue to the events exchange after events were published.
//!
//! The events go through the outbox like every other, with the ids that they had. They come job by job, in the order of acceptance, and
//! of each job in their order; then those of batches, likewise, and those of rejections. Events that happen meanwhile do not wait behind them, so a receiver that
//! needs the order of a job goes by `sequence`.

use jiff::Timestamp;

use crate::domain::{EventType, JobUid, Topic};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{EventHead, KeptEvent, StoreError};

/// The most events of one command. Its choice is held in memory, 24 bytes for each, and an operator waits for the answer.
pub const MOST_EVENTS: usize = 100_000;
/// How many jobs, batches or rejections are read together: a job has some five events, of a few KiB each.
const JOBS: usize = 200;
/// How many events one commit puts into the outbox: it holds up all other writes.
const PIECE: usize = 500;

/// Which kept events are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventChoice {
    /// Events that happened at this time or later.
    pub since: Timestamp,
    /// Events that happened before this time.
    pub until: Timestamp,
    /// Events of this job.
    pub job: Option<JobUid>,
    /// Events of this type.
    pub kind: Option<Topic>,
}

/// The events that a choice means.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenEvents {
    /// Each with its job, batch or rejection, and its number; in the order in which they are published.
    pub events: Vec<(JobUid, u32)>,
    /// How many jobs, batches and rejections they are about.
    pub about: usize,
    /// When the first of them happened.
    pub first: Option<Timestamp>,
    /// When the last of them happened.
    pub last: Option<Timestamp>,
}

impl EventChoice {
    fn takes(&self, at: Timestamp, kind: &str) -> bool {
        (self.since..self.until).contains(&at) && self.kind.is_none_or(|wanted| wanted.name() == kind)
    }

    /// Takes in those of the events, which come in order, that are meant.
    fn add(&self, events: &[KeptEvent], chosen: &mut ChosenEvents) {
        for KeptEvent { uid, sequence, text } in events {
            // It cannot be told whether another one is meant.
            let Some(EventHead { time, kind }) = EventHead::read(text.as_bytes()) else { continue };
            if self.takes(time, &kind) {
                chosen.add(*uid, *sequence, time);
            }
        }
    }
}

impl ChosenEvents {
    fn add(&mut self, uid: JobUid, sequence: u32, at: Timestamp) {
        self.about += usize::from(self.events.last().is_none_or(|(last, _)| *last != uid));
        self.events.push((uid, sequence));
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }
}

impl Engine {
    /// Finds the events that are meant; `None` if they are more than [`MOST_EVENTS`].
    pub async fn choose_events(&self, choice: &EventChoice) -> Result<Option<ChosenEvents>, StoreError> {
        let mut chosen = ChosenEvents::default();
        let mut after = None;
        loop {
            let page = match choice.job {
                Some(uid) if after.is_none() => vec![uid],
                Some(_) => vec![],
                None if matches!(choice.kind, Some(Topic::Batch(_))) => vec![],
                None => self.store.jobs_between(choice.since, choice.until, after, JOBS).await?,
            };
            let Some(last) = page.last() else { break };
            after = Some(*last);
            choice.add(&self.store.kept_events(&page).await?, &mut chosen);
            if chosen.events.len() > MOST_EVENTS {
                return Ok(None);
            }
        }
        if choice.job.is_none() && choice.kind.is_none_or(|kind| matches!(kind, Topic::Batch(_))) {
            for batches in self.batches_between(choice).await?.chunks(JOBS) {
                choice.add(&self.store.kept_events(batches).await?, &mut chosen);
                if chosen.events.len() > MOST_EVENTS {
                    return Ok(None);
                }
            }
        }
        if choice.job.is_none() && choice.kind.is_none_or(|kind| kind == Topic::Job(EventType::Rejected)) {
            let rejected = self.rejected_between(choice, MOST_EVENTS - chosen.events.len()).await?;
            let Some(rejected) = rejected else { return Ok(None) };
            // A rejection has one event, of the time at which the message arrived.
            rejected.into_iter().rev().for_each(|(uid, at)| chosen.add(uid, 1, at));
        }
        Ok(Some(chosen))
    }

    /// The batches that were not over at the beginning of a time, and were accepted before its end; the first accepted first.
    async fn batches_between(&self, choice: &EventChoice) -> Result<Vec<JobUid>, StoreError> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = self.store.batches(false, before, JOBS).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.uid);
            let meant = page.iter().filter(|batch| {
                batch.accepted_at < choice.until && batch.ended_at.is_none_or(|ended| ended >= choice.since)
            });
            found.extend(meant.map(|batch| batch.uid));
        }
        found.reverse();
        Ok(found)
    }

    /// The rejections of a time, newest first, as the store lists them; `None` if there are more than `most`.
    async fn rejected_between(
        &self,
        choice: &EventChoice,
        most: usize,
    ) -> Result<Option<Vec<(JobUid, Timestamp)>>, StoreError> {
        let (mut found, mut before) = (Vec::new(), None);
        loop {
            let page = self.store.rejections(JOBS, before).await?;
            let Some(last) = page.last() else { break };
            before = Some(last.uid);
            // A store keeps whole microseconds.
            let older = last.at.as_microsecond() < choice.since.as_microsecond();
            let since = choice.since.as_microsecond();
            let meant =
                page.iter().filter(|rejected| rejected.at.as_microsecond() >= since && rejected.at < choice.until);
            found.extend(meant.map(|rejected| (rejected.uid, rejected.at)));
            if found.len() > most {
                return Ok(None);
            }
            if older {
                break;
            }
        }
        Ok(Some(found))
    }

    /// Publishes events again. Returns how many there were; what retention has deleted meanwhile is left out.
    pub async fn publish_again(&self, chosen: &ChosenEvents) -> Result<usize, StoreError> {
        let mut published = 0;
        for piece in chosen.events.chunks(PIECE) {
            published += self.store.publish_again(piece).await?;
            self.ring();
        }
        Ok(published)
    }
}
