//! Promises about the line of an instance.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::Reason;
use crossgrant::engine::ports::store::{Committed, LeaseUse, Store};
use crossgrant::engine::record::{Ending, Phase, Record, State, Turn};

type S = Arc<dyn Store>;

/// Three jobs on one instance.
async fn three(store: &dyn Store) {
    take(store, &[record(1), record_on(2, 1), record_on(3, 1)]).await;
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
    assert_eq!(store.first_in_queue(&instance(1)).await.unwrap(), None);
}

pub async fn a_blocked_job_is_not_claimable_however_due(store: S) {
    let mut later = record(1);
    later.phase.rest_until(at(500));
    take(&*store, &[later, record_on(2, 1)]).await;
    assert_eq!(claimed(&*store, 499).await, []);
    assert_eq!(store.next_due().await.unwrap(), Some(at(500)));
    assert_eq!(claimed(&*store, 500).await, [uid(1)]);
    assert_eq!(store.first_in_queue(&instance(1)).await.unwrap(), Some(uid(1)));
}

pub async fn leaving_lets_the_next_job_go(store: S) {
    three(&*store).await;
    let_wait(&*store, 1, 3600).await;
    assert_eq!(store.first_in_queue(&instance(1)).await.unwrap(), Some(uid(2)));
    assert_eq!(claimed(&*store, 1).await, [uid(2)]);
}

pub async fn a_job_that_comes_back_is_last(store: S) {
    three(&*store).await;
    set(&*store, 1, |r| at_rest(r, State::Parked)).await;
    set(&*store, 1, |r| queued(r, true)).await;
    let mut order = Vec::new();
    while let Some(next) = store.first_in_queue(&instance(1)).await.unwrap() {
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
    assert_eq!(store.first_in_queue(&instance(1)).await.unwrap(), Some(uid(1)));
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
    // One that enters when its time has come stands behind, and is not claimed again before it is first.
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
    assert_eq!(store.first_in_queue(&instance(1)).await.unwrap(), Some(uid(1)));
    set(&*store, 1, |r| at_rest(r, State::Cancelled)).await;
    assert_eq!(claimed(&*store, 1000).await, [uid(2)]);
}
