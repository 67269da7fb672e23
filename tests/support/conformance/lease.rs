//! Promises about leases.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::store::{Committed, LeaseUse, Store};
use crossgrant::engine::record::State;

type S = Arc<dyn Store>;

pub async fn a_claim_is_exclusive_until_it_ends(store: S) {
    take(&*store, &[record(1)]).await;
    let first = store.claim("w1", at(10), at(20), 10, &[]).await.unwrap();
    assert_eq!(first.len(), 1);
    assert_eq!(first[0].record, record(1));
    assert_eq!(first[0].lease.until, at(20));
    for holder in ["w1", "w2"] {
        assert!(store.claim(holder, at(19), at(30), 10, &[]).await.unwrap().is_empty());
    }
    let second = store.claim("w2", at(20), at(30), 10, &[]).await.unwrap();
    assert_eq!(second.len(), 1);
    assert!(second[0].lease.token > first[0].lease.token);
}

pub async fn claims_take_the_earliest_due_first(store: S) {
    let mut records: Vec<_> = (1..=5).map(record).collect();
    for (record, due) in records.iter_mut().zip([30, 10, 50, 20, 40]) {
        record.phase.rest_until(at(due));
    }
    take(&*store, &records).await;
    let first: Vec<_> = store.claim("w1", at(100), at(200), 2, &[]).await.unwrap();
    assert_eq!(first.iter().map(|c| c.record.uid).collect::<Vec<_>>(), [uid(2), uid(4)]);
    assert_eq!(claimed(&*store, 100).await, [uid(1), uid(5), uid(3)]);
}

pub async fn nothing_is_claimed_before_its_time(store: S) {
    let (mut soon, mut never) = (record(1), record(2));
    soon.phase.rest_until("2026-11-03T10:00:10.000000001Z".parse().unwrap());
    never.phase = at_rest(record(2), State::Parked).phase;
    take(&*store, &[soon, never]).await;
    assert_eq!(claimed(&*store, 10).await, []);
    let next = store.next_due().await.unwrap().unwrap();
    assert!(next > at(10) && next < at(11));
    assert_eq!(store.claim("w1", next, at(100), 10, &[]).await.unwrap().len(), 1, "at next_due there is something");
}

pub async fn an_old_token_commits_nothing(store: S) {
    take(&*store, &[record(1)]).await;
    let old = store.claim("w1", at(10), at(20), 10, &[]).await.unwrap();
    let new = store.claim("w1", at(20), at(30), 10, &[]).await.unwrap();
    for named in [LeaseUse::Keep(lease_of(&old, 1), at(99)), LeaseUse::Release(lease_of(&old, 1))] {
        let mut late = change(running(record(1)), named);
        late.outbound = vec![event(1, 2, false)];
        assert_eq!(store.commit(late).await.unwrap(), Committed::Conflict);
    }
    assert_eq!(load(&*store, 1).await, record(1));
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1);
    let right = change(running(record(1)), LeaseUse::Keep(lease_of(&new, 1), at(30)));
    assert_eq!(store.commit(right).await.unwrap(), Committed::Done);
    let mut other = lease_of(&new, 1);
    other.holder = "w2".into();
    let wrong = change(load(&*store, 1).await, LeaseUse::Keep(other, at(99)));
    assert_eq!(store.commit(wrong).await.unwrap(), Committed::Conflict, "the token of another holder");
}

pub async fn a_lease_can_be_prolonged(store: S) {
    take(&*store, &[record(1)]).await;
    let held = store.claim("w1", at(10), at(20), 10, &[]).await.unwrap();
    store.commit(change(running(record(1)), LeaseUse::Keep(lease_of(&held, 1), at(40)))).await.unwrap();
    assert_eq!(claimed(&*store, 39).await, []);
    assert_eq!(store.next_due().await.unwrap(), Some(at(40)));
    assert_eq!(claimed(&*store, 40).await, [uid(1)]);
}

pub async fn a_released_job_is_free_at_once(store: S) {
    take(&*store, &[record(1)]).await;
    let held = claim(&*store, 10).await;
    store.commit(change(running(record(1)), LeaseUse::Release(lease_of(&held, 1)))).await.unwrap();
    let again = change(load(&*store, 1).await, LeaseUse::Keep(lease_of(&held, 1), at(99)));
    assert_eq!(store.commit(again).await.unwrap(), Committed::Conflict, "a lease that was released is over");
    let next = claim(&*store, 10).await;
    assert_eq!(next[0].record.revision, 1);
    assert!(next[0].lease.token > held[0].lease.token);
}

pub async fn a_restarted_worker_takes_back_its_own_leases_only(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    let mine = store.claim("w1", at(10), at(1000), 2, &[]).await.unwrap();
    store.claim("w2", at(10), at(1000), 1, &[]).await.unwrap();
    assert_eq!(store.reclaim("w1").await.unwrap(), 2);
    assert_eq!(store.reclaim("w1").await.unwrap(), 0);
    let stale = change(running(record(1)), LeaseUse::Keep(lease_of(&mine, 1), at(99)));
    assert_eq!(store.commit(stale).await.unwrap(), Committed::Conflict);
    assert_eq!(claimed(&*store, 11).await, [uid(1), uid(2)]);
}

pub async fn next_due_is_when_a_claim_finds_something(store: S) {
    assert_eq!(store.next_due().await.unwrap(), None);
    let (mut near, mut far) = (record(1), record(2));
    near.phase.rest_until(at(50));
    far.phase.rest_until(at(70));
    take(&*store, &[near, far, waiting(record(3), at(1))]).await;
    assert_eq!(store.next_due().await.unwrap(), Some(at(50)));
    store.claim("w1", at(50), at(60), 10, &[]).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(60)), "the lease ends before the other is due");
    store.claim("w1", at(60), at(90), 10, &[]).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(70)));
    store.claim("w1", at(70), at(80), 10, &[]).await.unwrap();
    assert_eq!(store.next_due().await.unwrap(), Some(at(80)), "both are leased: the first lease to end");
    fail(&*store, 1).await;
    fail(&*store, 2).await;
    assert_eq!(store.next_due().await.unwrap(), None, "the swept one is not for claiming");
}

pub async fn simultaneous_claims_share_without_overlap(store: S) {
    take(&*store, &(1..=60).map(record).collect::<Vec<_>>()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for worker in 0..20 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.claim(&format!("w{worker}"), at(1), at(100), 5, &[]).await.unwrap() });
    }
    let claims: Vec<_> = tasks.join_all().await.into_iter().flatten().map(|c| c.record.uid).collect();
    assert_eq!(claims.len(), 60);
    assert_eq!(claims.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

pub async fn a_worker_never_claims_what_it_has_in_hand(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    let held = store.claim("w1", at(10), at(20), 1, &[]).await.unwrap();
    let in_hand: Vec<_> = held.iter().map(|claimed| claimed.record.uid).collect();
    let others = store.claim("w1", at(1000), at(2000), 2, &in_hand).await.unwrap();
    assert_eq!(others.iter().map(|c| c.record.uid).collect::<Vec<_>>(), [uid(2), uid(3)], "as many as were asked for");
    let goes_on = change(running(record(1)), LeaseUse::Keep(lease_of(&held, 1), at(2000)));
    assert_eq!(store.commit(goes_on).await.unwrap(), Committed::Done, "its lease ended, and no other took it");
}

pub async fn what_is_brought_forward_is_due_at_once(store: S) {
    let (mut near, mut far, at_rest) = (record(1), record(2), at_rest(record(3), State::Parked));
    near.phase.rest_until(at(5));
    far.phase.rest_until(at(300_000));
    take(&*store, &[near, far, at_rest, waiting(record(4), at(400_000))]).await;
    assert_eq!(
        store.bring_forward(at(10)).await.unwrap(),
        2,
        "the one that is due stays so, and one at rest has no time"
    );
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(10)));
    assert_eq!(claimed(&*store, 10).await, [uid(1), uid(2)]);
}
