//! One physical transaction for a group of logical ones, any of which may fail alone.
//!
//! To undo one alone takes a savepoint, and after a savepoint SQLite copies every page again that an earlier one has
//! touched. Almost none is ever undone. So a group first runs without savepoints. If one that has written something must be
//! undone, the whole group is undone and runs once more, with a savepoint for each.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use rusqlite::Connection;

use super::counts::{self, CountChanges};
use super::error::of_the_group;
use crate::domain::Kind;
use crate::engine::ports::store::StoreError;
use crate::engine::record::State;

/// A logical transaction. It may run twice; the last run counts.
pub(super) trait LogicalTransaction: Send {
    fn run(&mut self, tx: &SharedTransaction<'_>);
    /// Tells the caller the result of the run, or why the physical commit failed.
    fn answer(self: Box<Self>, committed: &Result<(), StoreError>);
}

/// The physical transaction, which the logical ones of a group share.
pub(super) struct SharedTransaction<'a> {
    conn: &'a Connection,
    savepoints: bool,
    health: Cell<Health>,
    /// Written once, at the end of the group.
    counts: RefCell<CountChanges>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    /// It can be committed.
    Sound,
    /// It holds writes that must be undone.
    Spoiled,
    /// SQLite has ended it, or a savepoint failed.
    Broken,
}

impl Deref for SharedTransaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl SharedTransaction<'_> {
    /// Runs `work` and undoes what it wrote if it fails, or if `keep` says so of its result.
    pub(super) fn part<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
        keep: impl FnOnce(&T) -> bool,
    ) -> Result<T, StoreError> {
        if self.savepoints {
            self.execute_batch("SAVEPOINT part").map_err(|error| self.broken(of_the_group(error)))?;
        }
        let (before, counted) = (self.total_changes(), self.savepoints.then(|| self.counts.borrow().clone()));
        let result = work();
        let kept = result.as_ref().is_ok_and(keep);
        if self.is_autocommit() {
            // SQLite itself ends the whole transaction on some failures of the disk.
            self.health.set(Health::Broken);
        } else if self.savepoints {
            self.execute_batch(if kept { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" })
                .map_err(|error| self.broken(of_the_group(error)))?;
            if let Some(counted) = counted.filter(|_| !kept) {
                self.counts.replace(counted);
            }
        } else if !kept && self.total_changes() != before {
            self.health.set(Health::Spoiled);
        }
        result
    }

    /// Adds to the count of jobs of this kind in this state.
    pub(super) fn count(&self, kind: Kind, state: State, jobs: i64) {
        *self.counts.borrow_mut().entry((kind, state)).or_default() += jobs;
    }

    fn broken(&self, error: StoreError) -> StoreError {
        self.health.set(Health::Broken);
        error
    }
}

/// Runs a group and commits it.
pub(super) fn commit(conn: &Connection, group: &mut [Box<dyn LogicalTransaction>]) -> Result<(), StoreError> {
    let health = match run(conn, group, false)? {
        Health::Spoiled => {
            conn.execute_batch("ROLLBACK").map_err(of_the_group)?;
            run(conn, group, true)?
        }
        health => health,
    };
    if health == Health::Broken {
        return Err(StoreError::Unavailable("a failed write undid the transactions it was grouped with".into()));
    }
    conn.execute_batch("COMMIT").map_err(of_the_group)
}

/// Runs a group in a new transaction, for as long as that stays sound.
fn run(conn: &Connection, group: &mut [Box<dyn LogicalTransaction>], savepoints: bool) -> Result<Health, StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(of_the_group)?;
    let tx = SharedTransaction { conn, savepoints, health: Cell::new(Health::Sound), counts: RefCell::default() };
    for logical in group {
        logical.run(&tx);
        if tx.health.get() != Health::Sound {
            break;
        }
    }
    if tx.health.get() == Health::Sound {
        counts::write(conn, &tx.counts.borrow()).map_err(of_the_group)?;
    }
    Ok(tx.health.get())
}
