//! Changes: every one by compare-and-set on the revision it was decided on, and on the lease it is made under.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::line::{self, Place};
use super::row::{self, Uid};
use super::{guards, letters, writer};
use crate::engine::state::{Record, State};
use crate::engine::store::{Change, Committed, Hold, Letter, StoreError};

/// Applies one change, whole or not at all.
pub(super) fn commit(conn: &Connection, change: Change) -> Result<Committed, StoreError> {
    let Change { record, hold, letters, also, begins } = change;
    let all = || {
        let may_begin = begins.map_or(Ok(Committed::Done), |begins| guards::test(conn, &record, begins))?;
        if apply(conn, *record, &hold, &letters)? == Committed::Conflict {
            return Ok(Committed::Conflict);
        }
        if may_begin != Committed::Done {
            return Ok(may_begin);
        }
        for (other, letters) in also {
            if apply(conn, other, &Hold::None, &letters)? == Committed::Conflict {
                return Ok(Committed::Conflict);
            }
        }
        Ok(Committed::Done)
    };
    writer::part(conn, all, |committed| *committed == Committed::Done)
}

/// Applies many changes, each for itself. One that may not be made at all is reported here and counts as a conflict:
/// nothing of it was done, and the others must not wait for somebody to mend it.
pub(super) fn commit_all(conn: &Connection, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError> {
    changes
        .into_iter()
        .map(|change| {
            let uid = change.record.uid;
            match commit(conn, change) {
                Err(StoreError::Corrupt(error)) => {
                    tracing::error!(job.uid = %uid, error, "a change was refused");
                    Ok(Committed::Conflict)
                }
                other => other,
            }
        })
        .collect()
}

/// What is compared, and what must be known to set the rest.
struct Stored {
    revision: i64,
    state: String,
    place: Place,
    holder: Option<String>,
    token: i64,
    until_us: i64,
}

fn stored(conn: &Connection, uid: Uid) -> Result<Option<Stored>, StoreError> {
    Ok(conn
        .prepare_cached(
            "SELECT revision, state, turn, is_first, lease_holder, lease_token, lease_until_us FROM jobs WHERE uid = ?1",
        )?
        .query_row([uid], |row| {
            Ok(Stored {
                revision: row.get(0)?,
                state: row.get(1)?,
                place: Place { turn: row.get(2)?, is_first: row.get(3)? },
                holder: row.get(4)?,
                token: row.get(5)?,
                until_us: row.get(6)?,
            })
        })
        .optional()?)
}

fn apply(conn: &Connection, mut record: Record, hold: &Hold, letters: &[Letter]) -> Result<Committed, StoreError> {
    let Some(old) = stored(conn, Uid(record.uid))? else { return Ok(Committed::Conflict) };
    let holds = match hold {
        Hold::Keep(lease, _) | Hold::Release(lease) => {
            old.holder.as_deref() == Some(lease.holder.as_str()) && old.token == lease.token
        }
        Hold::None => true,
    };
    if !holds || u64::try_from(old.revision) != Ok(record.revision) {
        return Ok(Committed::Conflict);
    }
    let from = State::parse(&old.state)
        .ok_or_else(|| StoreError::Corrupt(format!("job {} is in the unknown state {}", record.uid, old.state)))?;
    if !from.may_become(record.state) {
        return Err(StoreError::Corrupt(format!(
            "job {} is {} and may not become {}",
            record.uid,
            from.as_str(),
            record.state.as_str()
        )));
    }
    record.revision += 1;
    update(conn, &record, hold, &old)?;
    letters::post(conn, record.uid, letters)?;
    Ok(Committed::Done)
}

fn update(conn: &Connection, record: &Record, hold: &Hold, old: &Stored) -> Result<(), StoreError> {
    let of = row::index(record)?;
    let place = match (old.place.turn, record.in_line) {
        (None, true) => line::enter(conn, of.instance_id)?,
        (Some(_), true) => old.place,
        (_, false) => Place::OUTSIDE,
    };
    let (holder, until_us) = match hold {
        Hold::Keep(lease, until) => (Some(lease.holder.as_str()), row::not_before(*until)),
        Hold::Release(_) => (None, 0),
        Hold::None => (old.holder.as_deref(), old.until_us),
    };
    conn.prepare_cached(
        "UPDATE jobs SET state = ?2, ended = ?3, finished_us = ?4, due_us = ?5, swept = ?6, record = ?7, revision = ?8,
           turn = ?9, is_first = ?10, lease_holder = ?11, lease_until_us = ?12, counted_as = ?13, begun_us = ?14,
           held = ?15
         WHERE uid = ?1",
    )?
    .execute(params![
        Uid(record.uid),
        of.state.as_str(),
        of.ended,
        of.finished_us,
        of.due_us,
        of.swept,
        row::write(record)?,
        of.revision,
        place.turn,
        place.is_first,
        holder,
        until_us,
        of.counted_as,
        of.begun_us,
        of.held,
    ])?;
    if old.place.turn.is_some() && place.turn.is_none() {
        line::hand_on(conn, of.instance_id)?;
    }
    Ok(())
}
