//! One physical commit of many logical transactions, of which any may fail by itself.
//!
//! What can be undone by itself needs a savepoint, and with one SQLite copies every page again that somebody before it has
//! touched. Almost nothing is ever undone. So a group is first run without; when a part of it has to be undone that has
//! written something, all of it is, and the group is run once more with a savepoint for each part.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Deref;

use rusqlite::Connection;

use super::error::of_the_group;
use super::keep;
use super::writer::Task;
use crate::domain::Kind;
use crate::engine::ports::store::StoreError;
use crate::engine::record::State as JobState;

/// How many jobs more there are, by kind and state.
pub(super) type Tally = BTreeMap<(Kind, JobState), i64>;

/// The physical transaction, as those see it who share it.
pub(super) struct Transaction<'a> {
    conn: &'a Connection,
    savepoints: bool,
    state: Cell<State>,
    /// Written once, when the group is through.
    tally: RefCell<Tally>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    /// It holds something that has to be undone.
    Spoiled,
    /// It is gone, or not what it should be.
    Broken,
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl Transaction<'_> {
    /// Runs a part so that nothing of it stays when it fails, or when `keep` says of its result that it is not to stay.
    pub(super) fn part<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
        keep: impl FnOnce(&T) -> bool,
    ) -> Result<T, StoreError> {
        if self.savepoints {
            self.execute_batch("SAVEPOINT part").map_err(|error| self.broken(of_the_group(error)))?;
        }
        let (before, counted) = (self.total_changes(), self.savepoints.then(|| self.tally.borrow().clone()));
        let result = work();
        let kept = result.as_ref().is_ok_and(keep);
        if self.is_autocommit() {
            // SQLite ends the whole transaction by itself on some failures of the disk.
            self.state.set(State::Broken);
        } else if self.savepoints {
            self.execute_batch(if kept { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" })
                .map_err(|error| self.broken(of_the_group(error)))?;
            if let Some(counted) = counted.filter(|_| !kept) {
                self.tally.replace(counted);
            }
        } else if !kept && self.total_changes() != before {
            self.state.set(State::Spoiled);
        }
        result
    }

    /// Counts a job that came into a state, or left it.
    pub(super) fn count(&self, kind: Kind, state: JobState, jobs: i64) {
        *self.tally.borrow_mut().entry((kind, state)).or_default() += jobs;
    }

    fn broken(&self, error: StoreError) -> StoreError {
        self.state.set(State::Broken);
        error
    }
}

/// Runs a group and commits it.
pub(super) fn commit(conn: &Connection, group: &mut [Box<dyn Task>]) -> Result<(), StoreError> {
    let state = match run(conn, group, false)? {
        State::Spoiled => {
            conn.execute_batch("ROLLBACK").map_err(of_the_group)?;
            run(conn, group, true)?
        }
        state => state,
    };
    if state == State::Broken {
        return Err(StoreError::Unavailable("a failed write undid the transactions it was grouped with".into()));
    }
    conn.execute_batch("COMMIT").map_err(of_the_group)
}

/// Runs a group in a new transaction, as far as it stays sound.
fn run(conn: &Connection, group: &mut [Box<dyn Task>], savepoints: bool) -> Result<State, StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(of_the_group)?;
    let tx = Transaction { conn, savepoints, state: Cell::new(State::Sound), tally: RefCell::default() };
    for task in group {
        task.run(&tx);
        if tx.state.get() != State::Sound {
            break;
        }
    }
    if tx.state.get() == State::Sound {
        keep::count(conn, &tx.tally.borrow()).map_err(of_the_group)?;
    }
    Ok(tx.state.get())
}
