//! Rows of jobs and batches whose record this program cannot read: a damaged row costs itself alone. Where many rows are read it is
//! left out, the log says so once, and the status names it until it can be read again or is gone. Nothing about it is guessed, and it
//! is neither changed nor deleted. Who asks for that one by its name gets the error.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::row;
use crate::domain::JobUid;
use crate::engine::batch::Batch;
use crate::engine::ports::store::{StoreError, UnreadableRow};
use crate::engine::record::Record;

/// How many are remembered and told of. If there are more, it is no damaged row but a damaged store, and the first ones tell that.
const MOST: usize = 1000;

/// The table that a row is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Jobs,
    Batches,
}

/// The unreadable rows that were met, and why each cannot be read.
#[derive(Debug, Default)]
pub(super) struct UnreadableRows(Mutex<BTreeMap<(Table, JobUid), String>>);

impl UnreadableRows {
    /// The record of a job; `None` if it cannot be read.
    pub(super) fn job(&self, uid: JobUid, text: &str) -> Option<Record> {
        self.readable(Table::Jobs, uid, row::read(uid, text))
    }

    /// A batch; `None` if it cannot be read.
    pub(super) fn batch(&self, uid: JobUid, text: &str) -> Option<Batch> {
        self.readable(Table::Batches, uid, row::read_batch(uid, text))
    }

    fn readable<T>(&self, table: Table, uid: JobUid, read: Result<T, StoreError>) -> Option<T> {
        let mut rows = self.locked();
        match read {
            Ok(read) => {
                if !rows.is_empty() {
                    rows.remove(&(table, uid));
                }
                Some(read)
            }
            Err(error) => {
                let why = error.to_string();
                if rows.len() < MOST && rows.insert((table, uid), why.clone()).is_none() {
                    tracing::warn!(row.uid = %uid, error = why, "leaves out a row that cannot be read; all others go on");
                }
                None
            }
        }
    }

    /// Those of a table, to be read once more.
    pub(super) fn of(&self, table: Table) -> Vec<JobUid> {
        self.locked().keys().filter(|(of, _)| *of == table).map(|(_, uid)| *uid).collect()
    }

    /// Forgets one whose row is gone.
    pub(super) fn gone(&self, table: Table, uid: JobUid) {
        self.locked().remove(&(table, uid));
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.locked().len()
    }

    /// All of them, jobs first.
    pub(super) fn all(&self) -> Vec<UnreadableRow> {
        let row = |((table, uid), why): (&(Table, JobUid), &String)| UnreadableRow {
            uid: *uid,
            is_batch: *table == Table::Batches,
            why: why.clone(),
        };
        self.locked().iter().map(row).collect()
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<(Table, JobUid), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page of rows in order, each by its uid; `None` where it cannot be read.
pub(super) type Page<T> = Vec<(JobUid, Option<T>)>;

/// Puts a page behind those before it. Returns after which row, and how many more, are to be read: a page that rows were left out
/// of must not look like the last one.
pub(super) fn further<T>(into: &mut Vec<T>, page: Page<T>, limit: usize) -> Option<(JobUid, usize)> {
    let (read, last) = (page.len(), page.last().map(|(uid, _)| *uid));
    let before = into.len();
    into.extend(page.into_iter().filter_map(|(_, read)| read));
    let missing = limit - (into.len() - before).min(limit);
    last.filter(|_| read >= limit && missing > 0).map(|last| (last, missing))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::record;

    #[test]
    fn a_row_is_unreadable_until_it_can_be_read_and_no_more_than_so_many_are_kept() {
        let rows = UnreadableRows::default();
        let good = record("NET-1");
        assert_eq!(rows.job(good.uid, "{}"), None);
        assert_eq!(rows.batch(good.uid, "{}").map(|_| ()), None);
        let all = rows.all();
        assert_eq!((all[0].uid, all[0].is_batch, all[1].is_batch, all.len()), (good.uid, false, true, 2));
        assert!(all[0].why.contains(&format!("job {} cannot be read: missing field", good.uid)), "{}", all[0].why);
        assert_eq!(rows.job(good.uid, &row::write(&good).unwrap()), Some(good.clone()));
        rows.gone(Table::Batches, good.uid);
        assert_eq!(rows.all(), []);
        for n in 0..2 * MOST as u128 {
            rows.job(JobUid(uuid::Uuid::from_u128(n)), "{}");
        }
        assert_eq!(rows.of(Table::Jobs).len(), MOST);
    }

    #[test]
    fn what_was_left_out_of_a_page_is_read_behind_it() {
        let uid = |n: u128| JobUid(uuid::Uuid::from_u128(n));
        let mut all = vec![];
        assert_eq!(further(&mut all, vec![(uid(9), Some('a')), (uid(8), None), (uid(7), None)], 3), Some((uid(7), 2)));
        assert_eq!(further(&mut all, vec![(uid(6), Some('b')), (uid(5), Some('c'))], 2), None);
        assert_eq!(further(&mut all, vec![(uid(4), None)], 2), None, "it was the last page");
        assert_eq!(further(&mut all, vec![], 0), None, "a limit of nothing is nothing");
        assert_eq!(all, ['a', 'b', 'c']);
    }
}
