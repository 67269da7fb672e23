//! Promises about what is stored, counted and deleted.

use super::super::outbox::WholeOutbox as _;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, Kind, Reason};
use crossgrant::engine::ports::store::{Ages, Counts, Filter, LeaseUse, Message, Outlook, Store, Taken};
use crossgrant::engine::record::{Ending, Phase, Record, State, Turn, Wait};

use jiff::Timestamp;

type S = Arc<dyn Store>;

pub async fn definitions_are_kept_by_digest(store: S) {
    store.put_definition("d1", "grant", "one").await.unwrap();
    store.put_definition("d2", "grant", "two").await.unwrap();
    store.put_definition("d1", "grant", "one").await.unwrap();
    assert_eq!(store.definition("d1").await.unwrap(), Some(("grant".into(), "one".into())));
    assert_eq!(store.definition("d2").await.unwrap(), Some(("grant".into(), "two".into())));
    assert_eq!(store.definition("d3").await.unwrap(), None);
}

pub async fn jobs_and_messages_are_counted(store: S) {
    assert_eq!(store.counts().await.unwrap(), Counts::default());
    let mut grant = record(3);
    grant.job.kind = Kind::Grant;
    take(&*store, &[record(1), record(2), grant]).await;
    store.take(vec![Message::Rejection(Box::new(rejection(9)))]).await.unwrap();
    set(&*store, 1, running).await;
    set(&*store, 1, running).await;
    assert_eq!(
        store.counts().await.unwrap(),
        Counts {
            jobs: [
                ((Kind::PayerChange, State::Running), 1),
                ((Kind::PayerChange, State::Queued), 1),
                ((Kind::Grant, State::Queued), 1)
            ]
            .into(),
            outbox: 5,
            refused: 0,
            failed: 0,
            undeliverable: 0,
            rejected: 1,
            paused: 0,
            held: BTreeMap::new(),
            parked: BTreeMap::new(),
            unreadable: vec![],
        }
    );
}

pub async fn parked_and_held_jobs_are_counted_by_cause(store: S) {
    let account = |uid: &str| AccountUid::parse(uid).unwrap();
    take(&*store, &(1..=6).map(record).collect::<Vec<_>>()).await;
    let park = |reason, half_done| {
        move |record| {
            let ending = Ending { reason, message: "it \"ending\":{\"reason\":\"done\"".into(), findings: vec![] };
            Record { phase: Phase::Parked { ending, half_done }, ..record }
        }
    };
    set(&*store, 1, park(Reason::GaveUp, true)).await;
    set(&*store, 2, park(Reason::GaveUp, false)).await;
    set(&*store, 3, park(Reason::GaveUp, false)).await;
    set(&*store, 4, park(Reason::CredentialRefused, false)).await;
    let held = |record| {
        let turn = Turn::Held { account: account("1688000000000001"), expires: None };
        Record { phase: Phase::Queued(turn), ..record }
    };
    set(&*store, 5, held).await;
    let counts = store.counts().await.unwrap();
    let parked = [((Some(Reason::GaveUp), true), 1), ((Some(Reason::GaveUp), false), 2)];
    let parked = parked.into_iter().chain([((Some(Reason::CredentialRefused), false), 1)]).collect();
    assert_eq!((counts.parked, counts.held), (parked, [(account("1688000000000001"), 1)].into()));
}

pub async fn ages_are_those_of_the_oldest(store: S) {
    let late = at(4 * 3600);
    assert_eq!(store.ages(late).await.unwrap(), Ages::default());
    take(&*store, &[record(1), record(2), record(3), in_batch(record(4), "B", 9)]).await;
    let waits = |overdue| {
        move |record: Record| {
            let record = waiting(running(record), at(9));
            let wait = record.wait.map(|wait| Wait { overdue, ..wait });
            Record { why: "it says \"overdue\":true".into(), wait, ..record }
        }
    };
    set(&*store, 2, waits(true)).await;
    set(&*store, 3, waits(false)).await;
    let mut said = change(load(&*store, 4).await, LeaseUse::None);
    said.outbound = vec![event(4, 2, false)];
    said.outbound[0].outgoing.body = r#"{"time": "2026-11-03T10:00:04Z"}"#.into();
    store.commit(said).await.unwrap();
    let first = |n| record(n).accepted_at;
    let ages = store.ages(late).await.unwrap();
    assert_eq!(ages.oldest, [(State::Queued, first(1)), (State::Waiting, first(2))].into());
    assert_eq!((ages.overdue, ages.open_batches), (1, 1));
    assert_eq!(ages.oldest_batch, Some(new_batch(&in_batch(record(4), "B", 9)).unwrap().batch.accepted_at));
    assert_eq!(ages.unpublished, None, "the first one does not tell its time");
    let before: Vec<i64> = store.queued(0, 100).await.iter().map(|q| q.number).collect();
    let (last, others) = before.split_last().unwrap();
    store.mark(others, &[]).await;
    assert_eq!(store.ages(late).await.unwrap().unpublished, Some(at(4)));
    store.mark(&[*last], &[]).await;
    assert_eq!(store.ages(late).await.unwrap().unpublished, None);
    // Nothing that was accepted since 1970 can be overdue, so no record is read.
    assert_eq!(store.ages(Timestamp::UNIX_EPOCH).await.unwrap().overdue, 0);
}

pub async fn what_goes_on_by_itself_is_told(store: S) {
    assert_eq!(store.outlook().await.unwrap(), []);
    take(&*store, &(1..=5).map(record).collect::<Vec<_>>()).await;
    let_wait(&*store, 2, 100).await;
    let_wait(&*store, 3, 200).await;
    set(&*store, 4, running).await;
    fail(&*store, 5).await;
    let outlook = |state, jobs, due, oldest| Outlook { state, jobs, due: Some(at(due)), oldest: at(oldest) };
    let expected =
        [outlook(State::Queued, 1, 0, 1), outlook(State::Running, 1, 0, 4), outlook(State::Waiting, 2, 100, 2)];
    assert_eq!(store.outlook().await.unwrap(), expected);
}

pub async fn the_probe_can_be_repeated(store: S) {
    for _ in 0..3 {
        store.probe().await.unwrap();
    }
}

pub async fn old_ended_jobs_are_deleted_whole(store: S) {
    let mut old = record(1);
    old.job.labels.insert("ticket".into(), "NET-1".into());
    take(&*store, &[with_reply(old, "q", "c"), record(2), record(3), record(4)]).await;
    let mut end = change(at_rest(load(&*store, 1).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(1, 2, true)];
    store.commit(end).await.unwrap();
    fail(&*store, 2).await;
    set(&*store, 4, |record| ended_at(record, 70)).await;
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(61)).await.unwrap(), 2, "3 has not ended, and 4 is not old enough");
    assert_eq!(store.load(uid(1)).await.unwrap(), None);
    assert_eq!(store.events(uid(1)).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 2);
    let labelled = Filter { label: Some(("ticket".into(), "NET-1".into())), limit: 9, ..Filter::default() };
    assert_eq!(store.list(&labelled).await.unwrap(), []);
    let taken = store.take(vec![arrival(&record(1)), arrival(&record(3))]).await.unwrap();
    assert_eq!(taken, [Taken::New(uid(1)), Taken::Repeated(uid(3))], "the key is free again");
    assert_eq!(store.prune(at(0)).await.unwrap(), 0);
}

pub async fn a_job_is_kept_from_its_end_on(store: S) {
    take(&*store, &[record(1)]).await;
    set(&*store, 1, |record| ended_at(record, 5000)).await;
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(5000)).await.unwrap(), 0, "it was accepted long before, and has just ended");
    assert_eq!(store.take(vec![arrival(&record(1))]).await.unwrap(), [Taken::Repeated(uid(1))]);
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(5001)).await.unwrap(), 1);
}

pub async fn what_is_unpublished_is_not_deleted(store: S) {
    take(&*store, &[record(1)]).await;
    fail(&*store, 1).await;
    assert_eq!(store.prune(at(1000)).await.unwrap(), 0, "its first event is still to be published");
    let queued = store.queued(0, 10).await;
    assert_eq!(queued[0].outgoing, event(1, 1, false).outgoing);
    store.mark(&[], &[queued[0].number]).await;
    assert_eq!(store.prune(at(1000)).await.unwrap(), 1);
    assert_eq!(store.counts().await.unwrap(), Counts::default());
}

pub async fn old_rejections_are_deleted(store: S) {
    let messages = [1, 2, 3].map(|n| Message::Rejection(Box::new(rejection(n)))).into();
    store.take(messages).await.unwrap();
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(3)).await.unwrap(), 0, "rejections are not jobs");
    assert_eq!(store.counts().await.unwrap().rejected, 1);
    assert_eq!(store.events(uid(1)).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.events(uid(3)).await.unwrap().len(), 1);
}

pub async fn of_rejections_only_the_newest_are_kept(store: S) {
    let messages = [1, 2, 3, 4].map(|n| Message::Rejection(Box::new(rejection(n)))).into();
    store.take(messages).await.unwrap();
    assert_eq!(store.trim_rejections(2).await.unwrap(), 0, "their events are still to be published");
    empty_outbox(&*store).await;
    store.take(vec![Message::Rejection(Box::new(rejection(5)))]).await.unwrap();
    assert_eq!(store.trim_rejections(5).await.unwrap(), 0);
    assert_eq!(store.trim_rejections(2).await.unwrap(), 3);
    let left: Vec<_> = store.rejections(9, None).await.unwrap().iter().map(|rejected| rejected.uid).collect();
    assert_eq!(left, [uid(5), uid(4)]);
    assert_eq!(store.events(uid(1)).await.unwrap(), Vec::<String>::new());
    assert_eq!(store.events(uid(4)).await.unwrap().len(), 1);
    take(&*store, &[record(9)]).await;
    assert_eq!(store.trim_rejections(0).await.unwrap(), 1, "5 has an unpublished event");
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 1, "jobs stay");
}
