//! Changes of jobs, each by compare-and-set on the revision it was decided on and on its lease.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, QueuePlace, Uid};
use super::transaction::SharedTransaction;
use super::{guards, instance_queue, outbound};
use crate::engine::ports::store::{Admission, Change, Committed, LeaseUse, OutboundMessage, StoreError};
use crate::engine::record::{Record, State};
use crate::store::judge::{self, Compared};

/// A change with its records as texts. They are made before the writer, for which all others wait, gets the change.
pub(super) struct PreparedChange {
    job: PreparedJob,
    lease: LeaseUse,
    also: Vec<PreparedJob>,
    admission: Option<Admission>,
    intends: bool,
}

struct PreparedJob {
    record: Arc<Record>,
    text: String,
    outbound: Vec<OutboundMessage>,
}

impl PreparedJob {
    fn new(record: Arc<Record>, outbound: Vec<OutboundMessage>) -> Result<Self, StoreError> {
        Ok(Self { text: row::write(&record)?, record, outbound })
    }
}

impl PreparedChange {
    /// Fails if a record cannot be written as a text.
    pub(super) fn new(change: Change) -> Result<Self, StoreError> {
        let Change { record, lease, outbound, also, admission, intends } = change;
        let also =
            also.into_iter().map(|(record, outbound)| PreparedJob::new(record, outbound)).collect::<Result<_, _>>()?;
        Ok(Self { job: PreparedJob::new(record, outbound)?, lease, also, admission, intends })
    }

    /// Applies the change, whole or not at all.
    pub(super) fn commit(&self, tx: &SharedTransaction<'_>) -> Result<Committed, StoreError> {
        let all = || {
            let Some(stored) = compare(tx, &self.job.record, &self.lease)? else { return Ok(Committed::Conflict) };
            let record = &self.job.record;
            if self.intends
                && !stored.0.locks
                && let Some(other) = instance_queue::locked_by(tx, record.job.instance.id.as_str(), record.uid)?
            {
                return Ok(Committed::Locked(other));
            }
            let admitted = self.admission.map(|admission| guards::check(tx, record, admission)).transpose()?;
            if let Some(refused) = admitted.filter(|admitted| *admitted != Committed::Done) {
                return Ok(refused);
            }
            apply(tx, &self.job, &self.lease, self.intends, &stored)?;
            for other in &self.also {
                let lease = &LeaseUse::None;
                let Some(stored) = compare(tx, &other.record, lease)? else { return Ok(Committed::Conflict) };
                apply(tx, other, lease, false, &stored)?;
            }
            Ok(Committed::Done)
        };
        tx.part(all, |committed| *committed == Committed::Done)
    }
}

pub(super) fn commit_all(tx: &SharedTransaction<'_>, changes: &[PreparedChange]) -> Result<Vec<Committed>, StoreError> {
    let each = changes.iter().map(|change| judge::refusal_as_conflict(change.job.record.uid, change.commit(tx)));
    each.collect()
}

/// A job's row as it is stored, without its record.
struct JobRow {
    rowid: i64,
    revision: i64,
    state: String,
    place: QueuePlace,
    locks: bool,
    lease_holder: Option<String>,
    lease_token: i64,
    lease_until_us: i64,
    due_us: Option<i64>,
    swept: bool,
    begun_us: Option<i64>,
    held: Option<String>,
}

fn stored(conn: &Connection, uid: Uid) -> Result<Option<JobRow>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT rowid, revision, state, turn, is_first, lease_holder, lease_token, lease_until_us, due_us, swept,
               begun_us, held, locks
             FROM jobs WHERE uid = ?1",
        )?
        .query_row([uid], |row| {
            Ok(JobRow {
                rowid: row.get(0)?,
                revision: row.get(1)?,
                state: row.get(2)?,
                place: QueuePlace { turn: row.get(3)?, is_first: row.get(4)? },
                lease_holder: row.get(5)?,
                lease_token: row.get(6)?,
                lease_until_us: row.get(7)?,
                due_us: row.get(8)?,
                swept: row.get(9)?,
                begun_us: row.get(10)?,
                held: row.get(11)?,
                locks: row.get(12)?,
            })
        })
        .optional()?)
}

/// The stored row, and the state that the job leaves, if it may become `record`; `None` is a conflict.
fn compare(conn: &Connection, record: &Record, lease: &LeaseUse) -> Result<Option<(JobRow, State)>, StoreError> {
    let Some(row) = stored(conn, Uid(record.uid))? else { return Ok(None) };
    let compared = Compared {
        revision: row.revision,
        state: &row.state,
        lease_holder: row.lease_holder.as_deref(),
        lease_token: row.lease_token,
    };
    Ok(judge::compare(compared, record, lease)?.map(|from| (row, from)))
}

fn apply(
    tx: &SharedTransaction<'_>,
    PreparedJob { record, text, outbound }: &PreparedJob,
    lease: &LeaseUse,
    intends: bool,
    (old, from): &(JobRow, State),
) -> Result<(), StoreError> {
    let new = row::index(record)?;
    let place = match old.place.after(record) {
        Some(place) => place,
        None => instance_queue::enter(tx, &new)?,
    };
    let locks = row::locks(old.locks, intends, record);
    let (holder, until_us) = match lease {
        LeaseUse::Keep(lease, until) => (Some(lease.holder.as_str()), row::not_before(*until)),
        LeaseUse::Release(_) => (None, 0),
        LeaseUse::None => (old.lease_holder.as_deref(), old.lease_until_us),
    };
    let (state, held, held_by) = (old.state.as_str(), old.held.as_deref(), old.lease_holder.as_deref());
    let before = (state, old.due_us, old.swept, old.begun_us, held, old.place, old.locks, held_by);
    if (new.state.as_str(), new.due_us, new.swept, new.begun_us, new.held, place, locks, holder) != before {
        tx.prepare_cached(
            "UPDATE jobs SET state = ?2, ended = ?3, finished_us = ?4, due_us = ?5, swept = ?6, record = ?7, revision = ?8,
               turn = ?9, is_first = ?10, lease_holder = ?11, lease_until_us = ?12, counted_as = ?13, begun_us = ?14,
               held = ?15, locks = ?16
             WHERE rowid = ?1",
        )?
        .execute(params![
            old.rowid,
            new.state.as_str(),
            new.ended,
            new.finished_us,
            new.due_us,
            new.swept,
            text,
            new.revision,
            place.turn,
            place.is_first,
            holder,
            until_us,
            new.counted_as,
            new.begun_us,
            new.held,
            locks,
        ])?;
    } else {
        // SQLite would write the index of every column that the statement names, whether it changes or not.
        tx.prepare_cached("UPDATE jobs SET record = ?2, revision = ?3, lease_until_us = ?4 WHERE rowid = ?1")?
            .execute(params![old.rowid, text, new.revision, until_us])?;
    }
    if new.state != *from {
        tx.count(new.kind, *from, -1);
        tx.count(new.kind, new.state, 1);
    }
    if old.place.turn.is_some() && place.turn.is_none() {
        instance_queue::mark_first(tx, &new)?;
    }
    outbound::add(tx, record.uid, outbound)
}
