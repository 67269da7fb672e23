//! Changes of jobs, decided in memory: each by compare-and-set on the revision it was decided on and on its lease.
//!
//! The transaction has locked the rows of a whole group of changes and read what is compared. The changes are then decided
//! one after the other, without a statement. So one that is refused does not disturb the others, and the group is written
//! by as few statements as a single change.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use super::counts::CountChanges;
use super::guards::{Counted, Guards};
use super::instance_queue::{LastTurns, QueueKey};
use super::lease_clock::{LeaseClock, LeaseEnd};
use super::outbound::OutboundBatch;
use crate::domain::JobUid;
use crate::engine::ports::store::{Change, Committed, LeaseUse, OutboundMessage, StoreError, Wakeup};
use crate::engine::record::Record;
use crate::store::judge::{self, Compared};
use crate::store::row::{self, QueuePlace};

/// The rows of a group, and what the changes decided so far make of them.
pub(super) struct Ledger<'a> {
    rows: HashMap<Uuid, JobRow>,
    last_turns: LastTurns,
    locked_queues: &'a HashSet<QueueKey>,
    /// The jobs that had the locks of instances, with the instances, when the group was read.
    locked_by: Vec<(Uuid, String)>,
    pub(super) outbound: OutboundBatch,
    guards: Guards,
    clock: &'a LeaseClock,
}

/// A job's row as it is after the changes decided so far, without its record.
#[derive(Clone)]
struct JobRow {
    revision: i64,
    state: String,
    kind: String,
    queue: QueueKey,
    place: QueuePlace,
    locks: bool,
    lease_holder: Option<String>,
    lease_token: i64,
    counted: Counted,
    stored: StoredRow,
    /// Set once a change of the group has changed it.
    update: Option<Box<JobUpdate>>,
}

/// What the row held when it was read.
#[derive(Clone)]
struct StoredRow {
    state: String,
    is_first: bool,
    counted: Counted,
}

/// The record that a job gets, and what becomes of its lease.
#[derive(Clone)]
pub(super) struct JobUpdate {
    pub(super) record: Arc<Record>,
    pub(super) lease: LeaseUpdate,
    pub(super) locks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseUpdate {
    Unchanged,
    Prolonged(LeaseEnd),
    Released,
}

/// Why a change was not decided.
pub(super) enum Undecided {
    /// A job enters this queue, or wants the lock of its instance, and the queue is not locked. Queues are locked before
    /// anything else, so the transaction must begin anew.
    QueueNotLocked(QueueKey),
    Refused(StoreError),
}

impl From<StoreError> for Undecided {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What a group writes to jobs and their counts.
pub(super) struct GroupUpdate<'a> {
    pub(super) jobs: Vec<(&'a JobUpdate, QueuePlace)>,
    /// Jobs that become the first of their queue, and change in nothing else.
    pub(super) first: Vec<Uuid>,
    pub(super) counts: CountChanges<'a>,
    /// What the other workers are notified of.
    pub(super) wakeup: Wakeup,
}

impl JobRow {
    fn read(row: &Row) -> Self {
        let place = QueuePlace { turn: row.get("turn"), is_first: row.get("is_first") };
        let counted = Counted { counted_as: row.get("counted_as"), begun_us: row.get("begun_us") };
        let state: String = row.get("state");
        Self {
            revision: row.get("revision"),
            kind: row.get("kind"),
            queue: QueueKey { instance: row.get("instance_id"), owner: row.get("instance_owner") },
            place,
            locks: row.get("locks"),
            lease_holder: row.get("lease_holder"),
            lease_token: row.get("lease_token"),
            stored: StoredRow { state: state.clone(), is_first: place.is_first, counted: counted.clone() },
            state,
            counted,
            update: None,
        }
    }

    fn compared(&self) -> Compared<'_> {
        Compared {
            revision: self.revision,
            state: &self.state,
            lease_holder: self.lease_holder.as_deref(),
            lease_token: self.lease_token,
        }
    }

    /// What becomes of its lease after one more change.
    fn lease_update(&self, lease: &LeaseUse, clock: &LeaseClock) -> LeaseUpdate {
        match (lease, &self.update) {
            (LeaseUse::Keep(_, until), _) => LeaseUpdate::Prolonged(clock.prolonged(*until)),
            (LeaseUse::Release(_), _) => LeaseUpdate::Released,
            (LeaseUse::None, Some(earlier)) => earlier.lease,
            (LeaseUse::None, None) => LeaseUpdate::Unchanged,
        }
    }

    /// The row after one more change.
    fn updated(
        &self,
        record: &Arc<Record>,
        place: QueuePlace,
        locks: bool,
        lease: LeaseUpdate,
    ) -> Result<Self, StoreError> {
        let columns = row::index(record)?;
        Ok(Self {
            revision: columns.revision,
            state: columns.state.as_str().to_owned(),
            place,
            locks,
            lease_holder: self.lease_holder.clone().filter(|_| lease != LeaseUpdate::Released),
            counted: Counted { counted_as: columns.counted_as, begun_us: columns.begun_us },
            update: Some(Box::new(JobUpdate { record: Arc::clone(record), lease, locks })),
            ..self.clone()
        })
    }
}

impl<'a> Ledger<'a> {
    /// A ledger of the rows that were read under the locks of `locked_queues`.
    pub(super) fn new(
        rows: &[Row],
        last_turns: LastTurns,
        locked_queues: &'a HashSet<QueueKey>,
        locked_by: &[Row],
        outbound: OutboundBatch,
        guards: Guards,
        clock: &'a LeaseClock,
    ) -> Self {
        let rows = rows.iter().map(|row| (row.get("uid"), JobRow::read(row))).collect();
        let locked_by = locked_by.iter().map(|row| (row.get("uid"), row.get("instance_id"))).collect();
        Self { rows, last_turns, locked_queues, locked_by, outbound, guards, clock }
    }

    /// Decides one change, whole or not at all.
    pub(super) fn apply(&mut self, change: &Change) -> Result<Committed, Undecided> {
        let mark = self.outbound.mark();
        let mut before = Vec::new();
        let applied = self.apply_all(change, &mut before);
        if !matches!(applied, Ok(Committed::Done)) {
            self.outbound.back_to(mark);
            self.rows.extend(before.into_iter().rev());
        }
        applied
    }

    /// Decides one change, job by job. Rows that it has replaced are in `before`.
    fn apply_all(&mut self, change: &Change, before: &mut Vec<(Uuid, JobRow)>) -> Result<Committed, Undecided> {
        let admitted = match self.lock(change)? {
            Committed::Done => self.admit(change),
            locked => locked,
        };
        match self.apply_one(&change.record, &change.lease, change.intends, &change.outbound, before)? {
            Committed::Done if admitted == Committed::Done => {}
            Committed::Done => return Ok(admitted),
            conflict => return Ok(conflict),
        }
        for (record, outbound) in &change.also {
            let applied = self.apply_one(record, &LeaseUse::None, false, outbound, before)?;
            if applied != Committed::Done {
                return Ok(applied);
            }
        }
        Ok(Committed::Done)
    }

    /// Whether the job of a change may have the lock of its instance, if it needs it and has it not.
    fn lock(&self, Change { record, intends, .. }: &Change) -> Result<Committed, Undecided> {
        let uid = record.uid.0;
        let Some(job) = self.rows.get(&uid).filter(|job| *intends && !job.locks) else { return Ok(Committed::Done) };
        if !self.locked_queues.contains(&job.queue) {
            return Err(Undecided::QueueNotLocked(job.queue.clone()));
        }
        let instance = &job.queue.instance;
        let read = self.locked_by.iter().filter(|(other, of)| of == instance && !self.rows.contains_key(other));
        let changed = self.rows.iter().filter(|(_, row)| row.locks && row.queue.instance == *instance);
        let other = read.map(|(other, _)| *other).chain(changed.map(|(other, _)| *other)).find(|other| *other != uid);
        Ok(other.map_or(Committed::Done, |other| Committed::Locked(JobUid(other))))
    }

    /// Whether the job of a change may begin to write, if it does.
    fn admit(&self, Change { record, admission, .. }: &Change) -> Committed {
        let Some(admission) = *admission else { return Committed::Done };
        let others = self.rows.iter().filter(|(uid, _)| **uid != record.uid.0);
        self.guards.check(record, admission, others.map(|(_, row)| (&row.stored.counted, &row.counted)))
    }

    fn apply_one(
        &mut self,
        record: &Arc<Record>,
        lease: &LeaseUse,
        intends: bool,
        outbound: &[OutboundMessage],
        before: &mut Vec<(Uuid, JobRow)>,
    ) -> Result<Committed, Undecided> {
        let Some(row) = self.rows.get_mut(&record.uid.0) else { return Ok(Committed::Conflict) };
        if judge::compare(row.compared(), record, lease)?.is_none() {
            return Ok(Committed::Conflict);
        }
        let place = match row.place.after(record) {
            Some(place) => place,
            None if !self.locked_queues.contains(&row.queue) => {
                return Err(Undecided::QueueNotLocked(row.queue.clone()));
            }
            // `mark_first` finds out whether it is first.
            None => QueuePlace { turn: Some(self.last_turns.enter(&row.queue)), is_first: false },
        };
        let locks = row::locks(row.locks, intends, record);
        let updated = row.updated(record, place, locks, row.lease_update(lease, self.clock))?;
        before.push((record.uid.0, std::mem::replace(row, updated)));
        self.outbound.add(record.uid, outbound)?;
        Ok(Committed::Done)
    }

    /// Marks the first of each locked queue, once all jobs of the group have entered or left.
    pub(super) fn mark_first(&mut self) {
        let mut lowest: HashMap<&QueueKey, i64> = HashMap::new();
        for row in self.rows.values() {
            if let (Some(turn), Some(queue)) = (row.place.turn, self.locked_queues.get(&row.queue)) {
                lowest.entry(queue).and_modify(|lowest| *lowest = turn.min(*lowest)).or_insert(turn);
            }
        }
        for row in self.rows.values_mut() {
            if let (Some(turn), Some(lowest)) = (row.place.turn, lowest.get(&row.queue)) {
                row.place.is_first = turn == *lowest;
            }
        }
    }

    /// What is to be written.
    pub(super) fn update(&self) -> GroupUpdate<'_> {
        let (mut jobs, mut first, mut counts) = (Vec::new(), Vec::new(), CountChanges::new());
        let mut wakeup = Wakeup { mail: self.outbound.has_mail(), ..Wakeup::default() };
        for (uid, row) in &self.rows {
            match &row.update {
                Some(update) => {
                    jobs.push((&**update, row.place));
                    if row.stored.state != row.state {
                        *counts.entry((&row.kind, &row.stored.state)).or_default() -= 1;
                        *counts.entry((&row.kind, &row.state)).or_default() += 1;
                    }
                    let swept = update.record.is_swept();
                    wakeup.sweep |= swept;
                    // A lease that was prolonged keeps the job from the others.
                    let leased = matches!(update.lease, LeaseUpdate::Prolonged(_));
                    wakeup.work |= !leased && !swept && update.record.phase.due().is_some() && row.place.is_first;
                }
                None if row.place.is_first && !row.stored.is_first => {
                    first.push(*uid);
                    wakeup.work = true;
                }
                None => {}
            }
        }
        GroupUpdate { jobs, first, counts, wakeup }
    }
}
