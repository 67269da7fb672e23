//! A store that was put back from a backup: its jobs look before they write, and a person decides about each write.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::ports::store::{Change, Committed, Filter, LeaseUse, Store, StoreError};
use crate::engine::record::{Record, State};

/// Jobs that are changed in one commit.
const PAGE: usize = 200;

/// Marks every job that goes on by itself, so that it parks instead of a write. No worker may use the store meanwhile. Returns how
/// many there are.
///
/// # Errors
/// Those of the store, and `Unavailable` if a job changed meanwhile: a worker uses the store, then.
pub async fn mark(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut filter = Filter {
        states: State::ALL.into_iter().filter(|state| goes_on(*state)).collect(),
        limit: PAGE,
        ..Filter::default()
    };
    let mut marked = 0;
    loop {
        let page = store.list(&filter).await?;
        let Some(last) = page.last() else { return Ok(marked) };
        filter.before = Some(last.uid);
        let changes: Vec<Change> = page.into_iter().map(|record| change(record, now)).collect();
        marked += changes.len();
        if store.commit_all(changes).await?.iter().any(|committed| *committed != Committed::Done) {
            return Err(StoreError::Unavailable("a worker uses it: stop all workers, and repeat".into()));
        }
    }
}

/// Whether a job in this state is worked on without a person.
fn goes_on(state: State) -> bool {
    !state.is_terminal() && state != State::Parked
}

fn change(mut record: Record, now: Timestamp) -> Change {
    record.revision += 1;
    record.restored_at = Some(now);
    Change {
        record: Arc::new(record),
        lease: LeaseUse::None,
        outbound: vec![],
        also: vec![],
        admission: None,
        intends: false,
    }
}
