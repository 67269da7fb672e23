//! Changes: every one by compare-and-set on the revision it was decided on, and on the lease it is made under.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::line::{self, Place};
use super::row::{self, Uid};
use super::transaction::Transaction;
use super::{guards, outbound};
use crate::engine::ports::store::{Admission, Change, Committed, LeaseUse, OutboundMessage, StoreError};
use crate::engine::record::{Record, State};

/// A change with the texts of its records: made before the writer, which all others wait for, has it.
pub(super) struct Prepared {
    first: Next,
    hold: LeaseUse,
    also: Vec<Next>,
    begins: Option<Admission>,
}

/// What a job becomes.
struct Next {
    record: Arc<Record>,
    text: String,
    outbound: Vec<OutboundMessage>,
}

impl Next {
    fn new(record: Arc<Record>, outbound: Vec<OutboundMessage>) -> Result<Self, StoreError> {
        Ok(Self { text: row::write(&record)?, record, outbound })
    }
}

impl Prepared {
    /// Fails if a record cannot be written as a text.
    pub(super) fn new(change: Change) -> Result<Self, StoreError> {
        let Change { record, hold, outbound, also, begins } = change;
        let also = also.into_iter().map(|(record, outbound)| Next::new(record, outbound)).collect::<Result<_, _>>()?;
        Ok(Self { first: Next::new(record, outbound)?, hold, also, begins })
    }

    /// Applies the change, whole or not at all.
    pub(super) fn commit(&self, tx: &Transaction<'_>) -> Result<Committed, StoreError> {
        let all = || {
            let Some(old) = judge(tx, &self.first.record, &self.hold)? else { return Ok(Committed::Conflict) };
            let may_begin = self.begins.map(|begins| guards::test(tx, &self.first.record, begins)).transpose()?;
            if let Some(refused) = may_begin.filter(|tested| *tested != Committed::Done) {
                return Ok(refused);
            }
            apply(tx, &self.first, &self.hold, &old)?;
            for other in &self.also {
                let Some(old) = judge(tx, &other.record, &LeaseUse::None)? else { return Ok(Committed::Conflict) };
                apply(tx, other, &LeaseUse::None, &old)?;
            }
            Ok(Committed::Done)
        };
        tx.part(all, |committed| *committed == Committed::Done)
    }
}

/// Applies many changes, each for itself. One that may not be made at all is reported here and counts as a conflict:
/// nothing of it was done, and the others must not wait for somebody to mend it.
pub(super) fn commit_all(tx: &Transaction<'_>, changes: &[Prepared]) -> Result<Vec<Committed>, StoreError> {
    changes
        .iter()
        .map(|change| match change.commit(tx) {
            Err(StoreError::Corrupt(error)) => {
                tracing::error!(job.uid = %change.first.record.uid, error, "a change was refused");
                Ok(Committed::Conflict)
            }
            other => other,
        })
        .collect()
}

/// What is compared, and what must be known to set the rest.
struct Stored {
    rowid: i64,
    revision: i64,
    state: String,
    place: Place,
    holder: Option<String>,
    token: i64,
    until_us: i64,
    due_us: Option<i64>,
    swept: bool,
    begun_us: Option<i64>,
    held: Option<String>,
}

fn stored(conn: &Connection, uid: Uid) -> Result<Option<Stored>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT rowid, revision, state, turn, is_first, lease_holder, lease_token, lease_until_us, due_us, swept,
               begun_us, held
             FROM jobs WHERE uid = ?1",
        )?
        .query_row([uid], |row| {
            Ok(Stored {
                rowid: row.get(0)?,
                revision: row.get(1)?,
                state: row.get(2)?,
                place: Place { turn: row.get(3)?, is_first: row.get(4)? },
                holder: row.get(5)?,
                token: row.get(6)?,
                until_us: row.get(7)?,
                due_us: row.get(8)?,
                swept: row.get(9)?,
                begun_us: row.get(10)?,
                held: row.get(11)?,
            })
        })
        .optional()?)
}

/// What is stored of a job, and the state it is in, if it may become `record`; `None` is a conflict.
fn judge(conn: &Connection, record: &Record, hold: &LeaseUse) -> Result<Option<(Stored, State)>, StoreError> {
    let Some(old) = stored(conn, Uid(record.uid))? else { return Ok(None) };
    let holds = match hold {
        LeaseUse::Keep(lease, _) | LeaseUse::Release(lease) => {
            old.holder.as_deref() == Some(lease.holder.as_str()) && old.token == lease.token
        }
        LeaseUse::None => true,
    };
    if !holds || u64::try_from(old.revision).map(|revision| revision + 1) != Ok(record.revision) {
        return Ok(None);
    }
    let from = State::parse(&old.state)
        .ok_or_else(|| StoreError::Corrupt(format!("job {} is in the unknown state {}", record.uid, old.state)))?;
    if !from.may_become(record.state()) {
        return Err(StoreError::Corrupt(format!(
            "job {} is {} and may not become {}",
            record.uid,
            from.as_str(),
            record.state().as_str()
        )));
    }
    Ok(Some((old, from)))
}

fn apply(
    conn: &Transaction<'_>,
    next: &Next,
    hold: &LeaseUse,
    (old, from): &(Stored, State),
) -> Result<(), StoreError> {
    let of = row::index(&next.record)?;
    let place = match (old.place.turn, next.record.phase.in_queue()) {
        (None, true) => line::enter(conn, of.instance_id)?,
        (Some(_), true) => old.place,
        (_, false) => Place::OUTSIDE,
    };
    let (holder, until_us) = match hold {
        LeaseUse::Keep(lease, until) => (Some(lease.holder.as_str()), row::not_before(*until)),
        LeaseUse::Release(_) => (None, 0),
        LeaseUse::None => (old.holder.as_deref(), old.until_us),
    };
    let moves = (of.state.as_str(), of.due_us, of.swept, of.begun_us, of.held, place, holder)
        != (&*old.state, old.due_us, old.swept, old.begun_us, old.held.as_deref(), old.place, old.holder.as_deref());
    if moves {
        conn.prepare_cached(
            "UPDATE jobs SET state = ?2, ended = ?3, finished_us = ?4, due_us = ?5, swept = ?6, record = ?7, revision = ?8,
               turn = ?9, is_first = ?10, lease_holder = ?11, lease_until_us = ?12, counted_as = ?13, begun_us = ?14,
               held = ?15
             WHERE rowid = ?1",
        )?
        .execute(params![
            old.rowid,
            of.state.as_str(),
            of.ended,
            of.finished_us,
            of.due_us,
            of.swept,
            next.text,
            of.revision,
            place.turn,
            place.is_first,
            holder,
            until_us,
            of.counted_as,
            of.begun_us,
            of.held,
        ])?;
    } else {
        // Nothing that an index holds: SQLite would write each of them again, whether it changes or not.
        conn.prepare_cached("UPDATE jobs SET record = ?2, revision = ?3, lease_until_us = ?4 WHERE rowid = ?1")?
            .execute(params![old.rowid, next.text, of.revision, until_us])?;
    }
    let (kind, state) = (next.record.job.kind, next.record.state());
    if state != *from {
        conn.count(kind, *from, -1);
        conn.count(kind, state, 1);
    }
    if old.place.turn.is_some() && place.turn.is_none() {
        line::hand_on(conn, of.instance_id)?;
    }
    outbound::post(conn, next.record.uid, &next.outbound)
}
