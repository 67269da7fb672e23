//! A store that was put back from a backup: its jobs look before they write, and a person decides about each write.

use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::ports::store::{Change, Committed, Filter, LeaseUse, Store, StoreError};
use crate::engine::record::{Record, State};

/// Jobs that are changed in one commit.
const PAGE: usize = 200;

/// Marks every job that has not ended, so that it parks instead of a write, also if it is resumed without knowing of the backup. No worker may use the store meanwhile. Returns how
/// many there are.
///
/// # Errors
/// Those of the store, and `Unavailable` if a job changed meanwhile: a worker uses the store, then.
pub async fn mark(store: &dyn Store, now: Timestamp) -> Result<usize, StoreError> {
    let mut filter = Filter {
        states: State::ALL.into_iter().filter(|state| !state.is_terminal()).collect(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{START, at, engine, incoming};
    use crate::domain::Reason;
    use crate::engine::decide::command::Command;
    use crate::engine::loops::intake::Inbox;
    use crate::engine::ports::mail::Intake as _;
    use crate::engine::record::{Ending, Phase};
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn only_who_has_read_what_a_job_would_write_lets_it_write() {
        let engine = engine(Metrics::new().engine()).await;
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
        inbox.take(vec![incoming("bot", "1")]).await.unwrap();
        let uid = engine.store.list(&Filter { limit: 1, ..Filter::default() }).await.unwrap()[0].uid;
        let parks = async |reason| {
            let record = engine.store.load(uid).await.unwrap().unwrap();
            let ending = Ending { reason, message: "m".into(), findings: vec![] };
            let restored_at = record.restored_at;
            let parked = Record { phase: Phase::Parked { ending, half_done: false }, ..record };
            let mut parked = change(parked, at(START));
            Arc::make_mut(&mut parked.record).restored_at = restored_at;
            assert_eq!(engine.store.commit(parked).await.unwrap(), Committed::Done);
        };
        let resumed = async || engine.command(uid, Command::Resume, "t").await.unwrap().restored_at;
        parks(Reason::GaveUp).await;
        assert_eq!(mark(engine.store.as_ref(), at(START)).await.unwrap(), 1, "a parked one, too");
        assert!(resumed().await.is_some(), "it gave up before, and says nothing of the backup");
        parks(Reason::Restored).await;
        assert_eq!(resumed().await, None);
    }
}
