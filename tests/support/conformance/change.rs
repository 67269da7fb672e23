//! Promises about changes.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::store::{Change, Committed, Filter, LeaseUse, Store, StoreError};
use crossgrant::engine::record::{Record, State};

type S = Arc<dyn Store>;

pub async fn a_commit_raises_the_revision(store: S) {
    take(&*store, &[record(1)]).await;
    let mut next = running(record(1));
    next.why = "looking".into();
    assert_eq!(store.commit(change(next.clone(), LeaseUse::None)).await.unwrap(), Committed::Done);
    next.revision = 1;
    assert_eq!(load(&*store, 1).await, next);
}

pub async fn a_commit_on_an_old_revision_changes_nothing(store: S) {
    take(&*store, &[record(1)]).await;
    set(&*store, 1, running).await;
    empty_outbox(&*store).await;
    for revision in [0, 2] {
        let mut stale = change(Record { revision, ..at_rest(record(1), State::Failed) }, LeaseUse::None);
        stale.outbound = vec![event(1, 2, true)];
        assert_eq!(store.commit(stale).await.unwrap(), Committed::Conflict);
    }
    assert_eq!(load(&*store, 1).await.state(), State::Running);
    assert_eq!(outbox(&*store).await, []);
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1);
}

/// Job 1 supersedes job 2, which waits, and job 3, which waits too.
async fn superseding(store: &dyn Store) -> Change {
    take(store, &[record(1), record_on(2, 1), record_on(3, 1)]).await;
    let_wait(store, 2, 3600).await;
    let_wait(store, 3, 3600).await;
    empty_outbox(store).await;
    let mut change = change(running(load(store, 1).await), LeaseUse::None);
    change.outbound = vec![event(1, 2, false)];
    for n in [2, 3] {
        change.also.push((next_of(at_rest(load(store, n).await, State::Superseded)), vec![event(n, 2, true)]));
    }
    change
}

pub async fn others_change_in_the_same_commit(store: S) {
    let change = superseding(&*store).await;
    assert_eq!(store.commit(change).await.unwrap(), Committed::Done);
    let states = [load(&*store, 1).await.state(), load(&*store, 2).await.state(), load(&*store, 3).await.state()];
    assert_eq!(states, [State::Running, State::Superseded, State::Superseded]);
    assert_eq!(load(&*store, 3).await.revision, 3);
    assert_eq!(outbox(&*store).await.len(), 3);
    assert_eq!(store.next_sweep().await.unwrap(), None);
}

pub async fn a_conflict_of_another_leaves_nothing_behind(store: S) {
    let change = superseding(&*store).await;
    set(&*store, 3, |r| at_rest(r, State::Completed)).await;
    assert_eq!(store.commit(change).await.unwrap(), Committed::Conflict);
    let states = [load(&*store, 1).await.state(), load(&*store, 2).await.state(), load(&*store, 3).await.state()];
    assert_eq!(states, [State::Queued, State::Waiting, State::Completed]);
    assert_eq!(load(&*store, 2).await.revision, 2);
    assert_eq!(outbox(&*store).await, []);
    assert_eq!(store.events(uid(2)).await.unwrap().len(), 1);
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(3600)));
}

/// A record in `state`, as it may come in.
fn fresh(n: u32, state: State) -> Record {
    match state {
        State::Queued => record(n),
        State::Running => running(record(n)),
        State::Waiting => waiting(record(n), at(3600)),
        other => at_rest(record(n), other),
    }
}

pub async fn only_the_table_of_transitions_is_allowed(store: S) {
    let mut n = 0;
    for from in State::ALL {
        for to in State::ALL {
            n += 1;
            take(&*store, &[fresh(n, from)]).await;
            let result = store.commit(change(fresh(n, to), LeaseUse::None)).await;
            if from.may_become(to) {
                assert_eq!(result.unwrap(), Committed::Done, "{from:?} to {to:?}");
            } else {
                assert!(matches!(result, Err(StoreError::Corrupt(_))), "{from:?} to {to:?}: {result:?}");
                assert_eq!(load(&*store, n).await, fresh(n, from));
            }
        }
    }
}

pub async fn an_illegal_change_harms_no_other(store: S) {
    let records: Vec<Record> = (1..=30).map(record).collect();
    take(&*store, &records).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=30 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let state = if n % 3 == 0 { State::Superseded } else { State::Failed };
            (n, store.commit(change(at_rest(record(n), state), LeaseUse::None)).await)
        });
    }
    for (n, result) in tasks.join_all().await {
        if n % 3 == 0 {
            assert!(matches!(result, Err(StoreError::Corrupt(_))), "{result:?}");
            assert_eq!(load(&*store, n).await.state(), State::Queued);
        } else {
            assert_eq!(result.unwrap(), Committed::Done);
            assert_eq!(load(&*store, n).await.state(), State::Failed);
        }
    }
}

pub async fn many_changes_are_each_for_themselves(store: S) {
    take(&*store, &(1..=4).map(record).collect::<Vec<_>>()).await;
    let stale = change(Record { revision: 7, ..running(record(2)) }, LeaseUse::None);
    let changes = vec![
        change(running(record(1)), LeaseUse::None),
        stale,
        change(at_rest(record(3), State::Superseded), LeaseUse::None),
        change(running(record(4)), LeaseUse::None),
    ];
    let done = store.commit_all(changes).await.unwrap();
    assert_eq!(done, [Committed::Done, Committed::Conflict, Committed::Conflict, Committed::Done]);
    let states: Vec<State> =
        store.list(&Filter { limit: 100, ..Filter::default() }).await.unwrap().into_iter().map(|r| r.state()).collect();
    assert_eq!(states, [State::Running, State::Queued, State::Queued, State::Running]);
}

pub async fn a_job_that_is_not_there_conflicts(store: S) {
    assert_eq!(store.commit(change(record(1), LeaseUse::None)).await.unwrap(), Committed::Conflict);
}

pub async fn without_a_lease_only_the_revision_counts(store: S) {
    take(&*store, &[record(1)]).await;
    let held = claim(&*store, 10).await;
    set(&*store, 1, |mut r| {
        r.why = "a command".into();
        r
    })
    .await;
    assert_eq!(claimed(&*store, 11).await, [], "the lease is still held");
    let by_holder = change(running(record(1)), LeaseUse::Keep(lease_of(&held, 1), at(99)));
    assert_eq!(store.commit(by_holder).await.unwrap(), Committed::Conflict, "the job moved on meanwhile");
    let informed = change(running(load(&*store, 1).await), LeaseUse::Keep(lease_of(&held, 1), at(99)));
    assert_eq!(store.commit(informed).await.unwrap(), Committed::Done);
}

pub async fn simultaneous_commits_are_won_by_one(store: S) {
    take(&*store, &[record(1)]).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(change(running(record(1)), LeaseUse::None)).await.unwrap() });
    }
    let done = tasks.join_all().await.into_iter().filter(|c| *c == Committed::Done).count();
    assert_eq!(done, 1);
    assert_eq!(load(&*store, 1).await.revision, 1);
}
