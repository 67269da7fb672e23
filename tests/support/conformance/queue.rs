//! Promises about the queue of an instance.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, Operation, Reason};
use crossgrant::engine::ports::store::{Change, Committed, LeaseUse, Store};
use crossgrant::engine::record::{Ending, Outcome, Phase, Record, State, Turn, Write};

type S = Arc<dyn Store>;

/// Three jobs on one instance.
async fn three(store: &dyn Store) {
    take(store, &[record(1), record_on(2, 1), record_on(3, 1)]).await;
}

/// The record with another owner of its instance.
fn owned(mut record: Record, owner: u32) -> Record {
    record.job.instance.owner = AccountUid::parse(format!("16880000{owner:08}")).unwrap();
    record
}

/// The record with an intent, or with a write that came to `outcome`.
fn with_write(mut record: Record, outcome: Outcome) -> Record {
    record.writes = vec![Write {
        step: "grant".into(),
        operation: Operation::GrantInstanceToTransitRouter,
        account: record.job.instance.owner.clone(),
        resource: record.job.instance.id.to_string(),
        order_type: record.job.order_type,
        undo: false,
        generation: 0,
        client_token: None,
        sends: 1,
        unsettled: false,
        intended_at: at(1),
        outcome,
    }];
    running(record)
}

fn refused() -> Outcome {
    let code = "Forbidden.NotOwner".into();
    let (message, request_id, judged) = (String::new(), None, None);
    Outcome::Refused { code, message, request_id, at: at(1), retry: true, unclassified: false, judged, done: false }
}

/// Lets job `n` intend a write, or the next one.
async fn intend(store: &dyn Store, n: u32) -> Committed {
    let record = with_write(load(store, n).await, Outcome::Unknown);
    store.commit(Change { intends: true, ..change(record, LeaseUse::None) }).await.unwrap()
}

/// In the queue of its instance, or outside of it.
fn queued(mut record: Record, inside: bool) -> Record {
    record.phase = Phase::Queued(if inside { Turn::Due(at(0)) } else { Turn::NotBefore(at(0)) });
    record
}

pub async fn jobs_on_one_instance_go_in_order(store: S) {
    three(&*store).await;
    for n in 1..=3 {
        let claims = claim(&*store, 1).await;
        assert_eq!(claims.len(), 1);
        assert_eq!(claims[0].record.uid, uid(n));
        let end = at_rest(claims[0].record.clone(), State::Failed);
        let done = store.commit(change(end, LeaseUse::Release(lease_of(&claims, n)))).await.unwrap();
        assert_eq!(done, Committed::Done);
    }
    assert_eq!(store.first_in_queue(&record(1).job.instance).await.unwrap(), None);
}

pub async fn a_blocked_job_is_not_claimable_however_due(store: S) {
    let mut later = record(1);
    later.phase.rest_until(at(500));
    take(&*store, &[later, record_on(2, 1)]).await;
    assert_eq!(claimed(&*store, 499).await, []);
    assert_eq!(store.next_due().await.unwrap(), Some(at(500)));
    assert_eq!(claimed(&*store, 500).await, [uid(1)]);
    assert_eq!(store.first_in_queue(&record(1).job.instance).await.unwrap(), Some(uid(1)));
}

pub async fn leaving_lets_the_next_job_go(store: S) {
    three(&*store).await;
    let_wait(&*store, 1, 3600).await;
    assert_eq!(store.first_in_queue(&record(1).job.instance).await.unwrap(), Some(uid(2)));
    assert_eq!(claimed(&*store, 1).await, [uid(2)]);
}

pub async fn a_job_that_comes_back_is_last(store: S) {
    three(&*store).await;
    set(&*store, 1, |r| at_rest(r, State::Parked)).await;
    set(&*store, 1, |r| queued(r, true)).await;
    let mut order = Vec::new();
    while let Some(next) = store.first_in_queue(&record(1).job.instance).await.unwrap() {
        assert_eq!(claimed(&*store, 1000 * order.len() as i64).await, [next]);
        order.push(next);
        fail(&*store, u32::try_from(next.0.as_u128()).unwrap()).await;
    }
    assert_eq!(order, [uid(2), uid(3), uid(1)]);
}

pub async fn a_job_that_stays_keeps_its_place(store: S) {
    three(&*store).await;
    set(&*store, 2, |mut r| {
        r.phase.rest_until(at(1));
        r
    })
    .await;
    set(&*store, 1, running).await;
    assert_eq!(store.first_in_queue(&record(1).job.instance).await.unwrap(), Some(uid(1)));
    fail(&*store, 3).await;
    set(&*store, 1, |r| at_rest(r, State::Completed)).await;
    assert_eq!(claimed(&*store, 1).await, [uid(2)]);
}

pub async fn leaving_from_the_middle_frees_no_other(store: S) {
    three(&*store).await;
    fail(&*store, 2).await;
    assert_eq!(claimed(&*store, 1).await, [uid(1)]);
    set(&*store, 1, |r| at_rest(r, State::Failed)).await;
    assert_eq!(claimed(&*store, 1).await, [uid(3)]);
}

pub async fn jobs_outside_the_queue_are_not_blocked(store: S) {
    take(&*store, &[record(1), queued(record_on(2, 1), false), record(3)]).await;
    assert_eq!(claimed(&*store, 1).await, [uid(1), uid(2), uid(3)]);
    // One that enters when its time has come is last, and is not claimed again before it is first.
    set(&*store, 2, |r| queued(r, true)).await;
    store.reclaim("w1").await.unwrap();
    assert_eq!(claimed(&*store, 1).await, [uid(1), uid(3)]);
}

pub async fn a_half_done_job_blocks_the_queue(store: S) {
    three(&*store).await;
    set(&*store, 1, running).await;
    let half_done = |mut r: Record| {
        let ending = Ending { reason: Reason::HalfDone, message: "half done".into(), findings: vec![] };
        r.phase = Phase::Parked { ending, half_done: true };
        r
    };
    set(&*store, 1, half_done).await;
    assert_eq!(claimed(&*store, 1000).await, []);
    assert_eq!(store.next_due().await.unwrap(), None);
    assert_eq!(store.first_in_queue(&record(1).job.instance).await.unwrap(), Some(uid(1)));
    set(&*store, 1, |r| at_rest(r, State::Cancelled)).await;
    assert_eq!(claimed(&*store, 1000).await, [uid(2)]);
}

pub async fn jobs_that_name_different_owners_do_not_wait_for_each_other(store: S) {
    let jobs = [owned(record(1), 1), owned(record_on(2, 1), 2), owned(record_on(3, 1), 1), owned(record_on(4, 1), 2)];
    take(&*store, &jobs).await;
    assert_eq!(claimed(&*store, 1).await, [uid(1), uid(2)]);
    for (job, first) in jobs.iter().zip([1, 2, 1, 2]) {
        assert_eq!(store.first_in_queue(&job.job.instance).await.unwrap(), Some(uid(first)));
    }
    fail(&*store, 1).await;
    assert_eq!(claimed(&*store, 1).await, [uid(3)], "each owner's own go in order");
    assert_eq!(store.first_in_queue(&jobs[1].job.instance).await.unwrap(), Some(uid(2)));
    set(&*store, 2, |r| at_rest(r, State::Parked)).await;
    set(&*store, 2, |r| queued(r, true)).await;
    assert_eq!(claimed(&*store, 1).await, [uid(4)], "and one that comes back is last of its own");
}

/// Two owners' jobs on one instance.
async fn of_two_owners(store: &dyn Store) {
    take(store, &[owned(record(1), 1), owned(record_on(2, 1), 2), owned(record(3), 2)]).await;
}

pub async fn one_job_at_a_time_has_the_lock_of_an_instance(store: S) {
    of_two_owners(&*store).await;
    assert_eq!(intend(&*store, 1).await, Committed::Done);
    let before = load(&*store, 2).await;
    let mut late = Change { intends: true, ..change(with_write(before.clone(), Outcome::Unknown), LeaseUse::None) };
    late.outbound = vec![event(2, 2, false)];
    assert_eq!(store.commit(late).await.unwrap(), Committed::Locked(uid(1)));
    assert_eq!((load(&*store, 2).await, store.events(uid(2)).await.unwrap().len()), (before, 1), "nothing changed");
    assert_eq!(intend(&*store, 3).await, Committed::Done, "another instance");
    assert_eq!(intend(&*store, 1).await, Committed::Done, "its own lock is no obstacle");
    fail(&*store, 1).await;
    assert_eq!(intend(&*store, 2).await, Committed::Done);
}

pub async fn a_job_whose_write_was_refused_gives_the_lock_back(store: S) {
    of_two_owners(&*store).await;
    assert_eq!(intend(&*store, 1).await, Committed::Done);
    set(&*store, 1, |r| with_write(r, refused())).await;
    assert_eq!(intend(&*store, 2).await, Committed::Done);
    assert_eq!(intend(&*store, 1).await, Committed::Locked(uid(2)), "it has to get it anew");
}

pub async fn a_job_that_comes_back_gets_the_lock_with_its_next_intent(store: S) {
    of_two_owners(&*store).await;
    assert_eq!(intend(&*store, 1).await, Committed::Done);
    set(&*store, 1, |r| waiting(r, at(3600))).await;
    assert_eq!(intend(&*store, 2).await, Committed::Done, "one that waits for the hour has no lock");
    set(&*store, 1, |r| queued(r, true)).await;
    set(&*store, 1, running).await;
    assert_eq!(intend(&*store, 1).await, Committed::Locked(uid(2)));
    assert_eq!(intend(&*store, 2).await, Committed::Done, "it has not taken the lock away");
    fail(&*store, 2).await;
    assert_eq!(intend(&*store, 1).await, Committed::Done);
}

pub async fn a_half_done_job_keeps_the_lock(store: S) {
    of_two_owners(&*store).await;
    let half_done = |mut r: Record| {
        let ending = Ending { reason: Reason::HalfDone, message: "half done".into(), findings: vec![] };
        r.phase = Phase::Parked { ending, half_done: true };
        r
    };
    assert_eq!(intend(&*store, 1).await, Committed::Done);
    set(&*store, 1, half_done).await;
    assert_eq!(intend(&*store, 2).await, Committed::Locked(uid(1)));
    // Also one that was parked without the lock.
    set(&*store, 1, |r| queued(r, true)).await;
    set(&*store, 1, |r| waiting(running(r), at(3600))).await;
    set(&*store, 1, |r| queued(r, true)).await;
    set(&*store, 1, half_done).await;
    assert_eq!(intend(&*store, 2).await, Committed::Locked(uid(1)));
    set(&*store, 1, |r| at_rest(r, State::Cancelled)).await;
    assert_eq!(intend(&*store, 2).await, Committed::Done);
}

pub async fn the_lock_is_given_to_one(store: S) {
    take(&*store, &(1..=30).map(|n| owned(record_on(n, 1), n)).collect::<Vec<_>>()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { intend(&*store, n).await });
    }
    let mut came_of = tasks.join_all().await;
    let together = intents(&*store, 21..=30).await;
    came_of.extend(store.commit_all(together).await.unwrap());
    assert_eq!(came_of.iter().filter(|came_of| **came_of == Committed::Done).count(), 1);
    assert_eq!(came_of.iter().filter(|came_of| matches!(came_of, Committed::Locked(_))).count(), 29);
    // Of changes in one commit too.
    let winner = came_of.iter().find_map(|came_of| match came_of {
        Committed::Locked(uid) => Some(*uid),
        _ => None,
    });
    let winner = u32::try_from(winner.unwrap().0.as_u128()).unwrap();
    fail(&*store, winner).await;
    let rest = intents(&*store, (1..=30).filter(|n| *n != winner)).await;
    let came_of = store.commit_all(rest).await.unwrap();
    assert_eq!(came_of.iter().filter(|came_of| **came_of == Committed::Done).count(), 1);
}

/// An intent of each of these jobs.
async fn intents(store: &dyn Store, jobs: impl IntoIterator<Item = u32>) -> Vec<Change> {
    let mut changes = Vec::new();
    for n in jobs {
        let record = with_write(load(store, n).await, Outcome::Unknown);
        changes.push(Change { intends: true, ..change(record, LeaseUse::None) });
    }
    changes
}
