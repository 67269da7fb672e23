//! Promises about jobs that begin to write, and about paused accounts.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, CenId, Kind};
use crossgrant::engine::guards::Pause;
use crossgrant::engine::ports::store::{Admission, Change, Committed, LeaseUse, Store};
use crossgrant::engine::record::{Phase, Record, State, Turn};

type S = Arc<dyn Store>;

const RESOURCE: &str = "1688000000000001";
const CEN_OWNER: &str = "1250123456123456";

fn account(uid: &str) -> AccountUid {
    AccountUid::parse(uid).unwrap()
}

fn pause(uid: &str) -> Pause {
    Pause {
        account: account(uid),
        since: at(5),
        by: "ann".into(),
        authority: Some("night-shift".into()),
        reason: "an incident".into(),
    }
}

/// Job `n` as a revoke.
fn revoke(n: u32) -> Record {
    let mut record = record(n);
    (record.job.kind, record.job.order_type) = (Kind::Revoke, None);
    record
}

/// The beginning of `record` at `seconds`, where `most` of its sort may begin within the hour.
fn beginning(record: &Record, seconds: i64, most: Option<u32>) -> Change {
    let mut record = running(record.clone());
    record.begun_at = Some(at(seconds));
    Change { admission: Some(Admission { since: at(seconds - 3600), most }), ..change(record, LeaseUse::None) }
}

async fn begin(store: &dyn Store, record: &Record, seconds: i64, most: u32) -> Committed {
    store.commit(beginning(record, seconds, Some(most))).await.unwrap()
}

pub async fn over_the_limit_nothing_changes(store: S) {
    take(&*store, &[revoke(1), revoke(2), revoke(3), record_on(4, 9)]).await;
    let_wait(&*store, 4, 3600).await;
    empty_outbox(&*store).await;
    for n in [1, 2] {
        assert_eq!(begin(&*store, &revoke(n), 10, 2).await, Committed::Done);
    }
    let mut late = beginning(&revoke(3), 20, Some(2));
    late.outbound = vec![event(3, 2, false)];
    late.also.push((next_of(at_rest(load(&*store, 4).await, State::Superseded)), vec![event(4, 2, true)]));
    assert_eq!(store.commit(late).await.unwrap(), Committed::OverLimit(2));
    assert_eq!(load(&*store, 3).await, revoke(3));
    assert_eq!(load(&*store, 4).await.state(), State::Waiting);
    assert_eq!(outbox(&*store).await, []);
    assert_eq!(begin(&*store, &revoke(3), 20, 3).await, Committed::Done);
}

pub async fn a_place_is_free_again_after_the_hour(store: S) {
    take(&*store, &[revoke(1), revoke(2), revoke(3)]).await;
    assert_eq!(begin(&*store, &revoke(1), 0, 1).await, Committed::Done);
    assert_eq!(begin(&*store, &revoke(2), 3599, 1).await, Committed::OverLimit(1));
    assert_eq!(begin(&*store, &revoke(2), 3600, 1).await, Committed::Done);
    assert_eq!(begin(&*store, &revoke(3), 7199, 1).await, Committed::OverLimit(1), "the hour rolls");
}

pub async fn a_job_is_counted_with_its_like(store: S) {
    let mut elsewhere = revoke(2);
    elsewhere.job.cen.id = CenId::parse("cen-44m0p68spvlrqq0002").unwrap();
    let mut of_another = record(4);
    of_another.job.instance.owner = account("1688000000000002");
    let mut grants = [record(6), record(7)];
    grants.iter_mut().for_each(|grant| grant.job.kind = Kind::Grant);
    let [sixth, seventh] = grants;
    let jobs = [revoke(1), elsewhere, record(3), of_another, record(5), sixth, seventh, revoke(8)];
    take(&*store, &jobs).await;
    let mut came_of = Vec::new();
    for job in &jobs {
        came_of.push(begin(&*store, job, 10, 1).await);
    }
    use Committed::{Done, OverLimit};
    assert_eq!(came_of, [Done, Done, Done, Done, OverLimit(1), Done, Done, OverLimit(1)]);
}

pub async fn a_job_without_a_limit_is_counted(store: S) {
    take(&*store, &[revoke(1), revoke(2), revoke(3)]).await;
    for n in [1, 2] {
        assert_eq!(store.commit(beginning(&revoke(n), 10, None)).await.unwrap(), Committed::Done);
    }
    assert_eq!(begin(&*store, &revoke(3), 11, 2).await, Committed::OverLimit(2));
}

pub async fn a_job_that_has_begun_keeps_its_place(store: S) {
    take(&*store, &[revoke(1), revoke(2)]).await;
    assert_eq!(begin(&*store, &revoke(1), 10, 1).await, Committed::Done);
    let again = load(&*store, 1).await;
    assert_eq!(begin(&*store, &again, 3000, 1).await, Committed::Done, "it is not counted against itself");
    set(&*store, 1, |r| at_rest(r, State::Failed)).await;
    assert_eq!(begin(&*store, &revoke(2), 3700, 1).await, Committed::OverLimit(1), "nor is it forgotten when it ends");
}

pub async fn the_last_place_is_taken_by_one(store: S) {
    let jobs: Vec<Record> = (1..=30).map(revoke).collect();
    take(&*store, &jobs).await;
    let mut tasks = tokio::task::JoinSet::new();
    for job in jobs {
        let store = Arc::clone(&store);
        tasks.spawn(async move { begin(&*store, &job, 10, 7).await });
    }
    let came_of = tasks.join_all().await;
    assert_eq!(came_of.iter().filter(|c| **c == Committed::Done).count(), 7);
    assert_eq!(came_of.iter().filter(|c| **c == Committed::OverLimit(7)).count(), 23);
}

pub async fn no_job_begins_in_a_paused_account(store: S) {
    take(&*store, &[record(1)]).await;
    for uid in [RESOURCE, CEN_OWNER] {
        assert!(store.pause(&pause(uid)).await.unwrap());
        assert_eq!(store.commit(beginning(&record(1), 10, None)).await.unwrap(), Committed::Paused);
        assert_eq!(load(&*store, 1).await, record(1));
        assert!(store.unpause(&account(uid)).await.unwrap());
    }
    store.pause(&pause("1688000000000002")).await.unwrap();
    assert_eq!(store.commit(beginning(&record(1), 10, None)).await.unwrap(), Committed::Done, "another's pause");
    store.pause(&pause(RESOURCE)).await.unwrap();
    set(&*store, 1, |r| r).await;
}

pub async fn a_pause_is_kept_until_it_is_ended(store: S) {
    assert_eq!(store.pauses().await.unwrap(), []);
    assert!(!store.unpause(&account(RESOURCE)).await.unwrap());
    assert!(store.pause(&pause(RESOURCE)).await.unwrap());
    assert!(store.pause(&pause(CEN_OWNER)).await.unwrap());
    let again = Pause { by: "bob".into(), authority: None, reason: "another".into(), ..pause(RESOURCE) };
    assert!(!store.pause(&again).await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), [pause(CEN_OWNER), pause(RESOURCE)]);
    assert_eq!(store.counts().await.unwrap().paused, 2);
    assert!(store.unpause(&account(RESOURCE)).await.unwrap());
    assert!(!store.unpause(&account(RESOURCE)).await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), [pause(CEN_OWNER)]);
    assert!(store.pause(&again).await.unwrap());
    assert_eq!(store.pauses().await.unwrap(), [pause(CEN_OWNER), again]);
}

/// Puts job `n` to rest for the paused account, due at `due` at the latest.
async fn hold(store: &dyn Store, n: u32, due: Option<i64>) {
    let held = |mut r: Record| {
        r.phase = Phase::Queued(Turn::Held { account: account(RESOURCE), expires: due.map(at) });
        r
    };
    set(store, n, held).await;
}

pub async fn a_held_job_can_be_claimed_once_its_account_is_unpaused(store: S) {
    take(&*store, &[record(1), record(2), record_on(3, 1), record(4)]).await;
    store.pause(&pause(RESOURCE)).await.unwrap();
    hold(&*store, 1, None).await;
    hold(&*store, 2, Some(50)).await;
    hold(&*store, 3, None).await;
    set(&*store, 4, |mut r| {
        r.phase.rest_until(at(99));
        r
    })
    .await;
    assert_eq!(claimed(&*store, 10).await, []);
    assert_eq!(store.next_due().await.unwrap(), Some(at(50)));
    store.unpause(&account(RESOURCE)).await.unwrap();
    assert!(store.next_due().await.unwrap().unwrap() <= at(10), "there is something at once");
    assert_eq!(claimed(&*store, 10).await, [uid(1), uid(2)], "3 is behind 1 in its queue");
    assert_eq!(claimed(&*store, 60).await, [], "they are leased");
    assert_eq!(store.next_due().await.unwrap(), Some(at(99)));
}

pub async fn a_held_job_is_due_at_its_own_time_too(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    store.pause(&pause(RESOURCE)).await.unwrap();
    hold(&*store, 1, Some(50)).await;
    assert_eq!(claimed(&*store, 50).await, [uid(2), uid(3), uid(1)]);
}

pub async fn a_job_held_too_late_is_not_forgotten(store: S) {
    take(&*store, &[record(1)]).await;
    let held = claim(&*store, 1).await;
    store.pause(&pause(RESOURCE)).await.unwrap();
    store.unpause(&account(RESOURCE)).await.unwrap();
    let turn = Turn::Held { account: account(RESOURCE), expires: None };
    let late = Record { phase: Phase::Queued(turn), ..record(1) };
    let late = change(late, LeaseUse::Release(lease_of(&held, 1)));
    assert_eq!(store.commit(late).await.unwrap(), Committed::Done);
    let again = claim(&*store, 2).await;
    assert_eq!(again.len(), 1);
    let going = Record { phase: Phase::Running(Turn::Due(at(70))), ..again[0].record.clone() };
    let going = change(going, LeaseUse::Release(lease_of(&again, 1)));
    store.commit(going).await.unwrap();
    assert_eq!(claimed(&*store, 69).await, [], "it is held no longer");
}
