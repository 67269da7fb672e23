//! Promises about leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, Requester};
use crossgrant::engine::guards::Pause;
use crossgrant::engine::ports::store::{Committed, LatestDue, LeaseUse, Store, Turns};
use crossgrant::engine::record::{Phase, State, Turn};

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

/// Jobs of these requesters, due one after the other.
async fn of_requesters(store: &dyn Store, requesters: &[&str]) {
    let job = |(n, requester): (u32, &&str)| {
        let mut record = record(n);
        record.requester = Requester::parse(*requester).unwrap();
        record.phase.rest_until(at(n.into()));
        record
    };
    take(store, &(1..).zip(requesters).map(job).collect::<Vec<_>>()).await;
}

/// The numbers of the jobs that a claim of up to `limit` takes.
async fn in_turn(store: &dyn Store, limit: usize, turns: &Turns) -> Vec<u128> {
    let claimed = store.claim_in_turn("w1", at(100), at(200), limit, turns).await.unwrap();
    claimed.into_iter().map(|claimed| claimed.record.uid.0.as_u128()).collect()
}

fn after(requester: &str) -> Turns {
    Turns { after: Some(Requester::parse(requester).unwrap()), ..Turns::default() }
}

pub async fn requesters_take_turns(store: S) {
    of_requesters(&*store, &["mallory", "mallory", "mallory", "mallory", "ann", "ann", "zoe", "mallory", "mallory"])
        .await;
    assert_eq!(in_turn(&*store, 1, &Turns::default()).await, [5], "by name, each its earliest");
    assert_eq!(in_turn(&*store, 1, &after("ann")).await, [1]);
    assert_eq!(in_turn(&*store, 4, &after("mallory")).await, [7, 6, 2, 3]);
    assert_eq!(in_turn(&*store, 10, &after("zoe")).await, [4, 8, 9], "one that is alone has all");
    assert_eq!(in_turn(&*store, 10, &Turns::default()).await, [0; 0]);
}

pub async fn one_requester_has_no_more_than_its_part(store: S) {
    of_requesters(&*store, &["mallory", "mallory", "mallory", "mallory", "ann"]).await;
    let mallory =
        |jobs: &[u32]| jobs.iter().map(|n| (uid(*n), Requester::parse("mallory").unwrap())).collect::<BTreeMap<_, _>>();
    let turns = Turns { in_hand: mallory(&[77]), most: 3, ..Turns::default() };
    assert_eq!(in_turn(&*store, 10, &turns).await, [5, 1, 2]);
    let turns = Turns { in_hand: mallory(&[77, 1, 2]), most: 3, ..Turns::default() };
    assert_eq!(in_turn(&*store, 10, &turns).await, [0; 0]);
    assert_eq!(in_turn(&*store, 1, &Turns { most: 4, ..turns }).await, [3]);
}

pub async fn what_is_in_hand_is_not_claimed(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let in_hand = BTreeMap::from([(uid(1), record(1).requester)]);
    assert_eq!(in_turn(&*store, 1, &Turns { in_hand, ..Turns::default() }).await, [2]);
    assert_eq!(in_turn(&*store, 1, &Turns::default()).await, [1]);
}

pub async fn a_flood_that_was_held_waits_for_its_turn_too(store: S) {
    of_requesters(&*store, &["mallory", "mallory", "mallory", "ann"]).await;
    let account = record(1).job.instance.owner;
    let pause = Pause {
        account: account.clone(),
        since: at(5),
        by: "bob".into(),
        reason: "an incident".into(),
        authority: None,
    };
    store.pause(&pause).await.unwrap();
    for n in 1..=3 {
        set(&*store, n, |mut r| {
            r.phase = Phase::Queued(Turn::Held { account: account.clone(), expires: None });
            r
        })
        .await;
    }
    assert_eq!(in_turn(&*store, 1, &Turns::default()).await, [4]);
    store.reclaim("w1").await.unwrap();
    store.unpause(&account).await.unwrap();
    assert_eq!(in_turn(&*store, 3, &Turns::default()).await, [4, 1, 2]);
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

pub async fn of_an_account_only_its_own_jobs_are_brought_forward(store: S) {
    let mut jobs = [record(1), record(2), record(3), record(4)];
    jobs.iter_mut().for_each(|job| job.phase.rest_until(at(300_000)));
    let account = AccountUid::parse("1688000000000009").unwrap();
    jobs[1].job.instance.owner = account.clone();
    jobs[2].job.cen.owner = account.clone();
    take(&*store, &jobs).await;
    assert_eq!(store.bring_forward(at(10), LatestDue::all(at(10)), Some(&account)).await.unwrap(), 2);
    assert_eq!(claimed(&*store, 10).await, [uid(2), uid(3)]);
}

pub async fn what_is_brought_forward_is_due_at_once(store: S) {
    let (mut near, mut far, at_rest) = (record(1), record(2), at_rest(record(3), State::Parked));
    near.phase.rest_until(at(5));
    far.phase.rest_until(at(300_000));
    take(&*store, &[near, far, at_rest, waiting(record(4), at(400_000))]).await;
    assert_eq!(
        store.bring_forward(at(10), LatestDue::all(at(10)), None).await.unwrap(),
        2,
        "the one that is due stays so, and one at rest has no time"
    );
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(10)));
    assert_eq!(claimed(&*store, 10).await, [uid(1), uid(2)]);
}

pub async fn only_what_is_put_off_too_far_is_brought_forward(store: S) {
    let (mut near, mut far, mut later) = (record(1), record(2), record(3));
    near.phase.rest_until(at(100));
    far.phase.rest_until(at(101));
    later.phase = Phase::Queued(Turn::NotBefore(at(300_000)));
    let mut held = record(4);
    let account = held.job.instance.owner.clone();
    held.phase = Phase::Queued(Turn::Held { account, expires: Some(at(300_000)) });
    // Behind the second in the queue of its instance.
    let mut behind = record(5);
    behind.job.instance = far.job.instance.clone();
    behind.phase.rest_until(at(101));
    let waits = [waiting(record(6), at(3600)), waiting(record(7), at(3601))];
    take(&*store, &[near, far, later, held, behind]).await;
    take(&*store, &waits).await;
    let leased = store.claim("w1", at(101), at(500), 1, &[]).await.unwrap();
    assert_eq!(leased[0].record.uid, uid(1));
    let latest = LatestDue { resting: at(100), waiting: at(3600) };
    assert_eq!(store.bring_forward(at(10), latest, None).await.unwrap(), 3);
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(10)));
    assert_eq!(claimed(&*store, 10).await, [uid(2)], "the others are as they were, or behind it");
    let goes_on = change(running(record(1)), LeaseUse::Release(lease_of(&leased, 1)));
    assert_eq!(store.commit(goes_on).await.unwrap(), Committed::Done, "a lease is kept");
}
