//! Promises about listing jobs.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::{AccountUid, CenId, JobId, Kind, Reason, Requester};
use crossgrant::engine::ports::store::{Filter, Store};
use crossgrant::engine::record::{Ending, Phase, Record, State, Turn};

type S = Arc<dyn Store>;

async fn list(store: &dyn Store, filter: Filter) -> Vec<u128> {
    let filter = Filter { limit: if filter.limit == 0 { 100 } else { filter.limit }, ..filter };
    store.list(&filter).await.unwrap().into_iter().map(|r| r.uid.0.as_u128()).collect()
}

pub async fn newest_first_in_pages(store: S) {
    take(&*store, &(1..=7).map(record).collect::<Vec<_>>()).await;
    assert_eq!(list(&*store, Filter { limit: 3, ..Filter::default() }).await, [7, 6, 5]);
    assert_eq!(list(&*store, Filter { limit: 3, before: Some(uid(5)), ..Filter::default() }).await, [4, 3, 2]);
    assert_eq!(list(&*store, Filter { limit: 3, before: Some(uid(2)), ..Filter::default() }).await, [1]);
    assert_eq!(store.list(&Filter { limit: 2, ..Filter::default() }).await.unwrap()[0], record(7));
    assert_eq!(store.list(&Filter::default()).await.unwrap(), [], "a limit of nothing is nothing");
}

pub async fn every_filter_narrows(store: S) {
    let cen = CenId::parse("cen-44m0p68spvlrqq0009").unwrap();
    let bots = Requester::parse("bots").unwrap();
    let mut records: Vec<Record> = (1..=8).map(record).collect();
    records[0].job.kind = Kind::Grant;
    records[1].job.instance.id = instance(1);
    records[2].job.cen.id = cen.clone();
    records[3].requester = bots.clone();
    for (n, value) in [(4, "NET-1"), (5, "NET-2"), (6, "NET-1")] {
        records[n].job.labels.insert("ticket".into(), value.into());
        records[n].job.labels.insert("team".into(), "NET-1".into());
    }
    take(&*store, &records).await;
    fail(&*store, 7).await;
    set(&*store, 8, running).await;
    let label = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
    let none = Filter::default;
    assert_eq!(list(&*store, Filter { kind: Some(Kind::Grant), ..none() }).await, [1]);
    assert_eq!(list(&*store, Filter { instance: Some(instance(1)), ..none() }).await, [2, 1]);
    assert_eq!(list(&*store, Filter { cen: Some(cen), ..none() }).await, [3]);
    assert_eq!(list(&*store, Filter { requester: Some(bots), ..none() }).await, [4]);
    assert_eq!(list(&*store, Filter { label: label("ticket", "NET-1"), ..none() }).await, [7, 5]);
    assert_eq!(list(&*store, Filter { label: label("ticket", "NET-1"), limit: 1, ..none() }).await, [7]);
    assert_eq!(list(&*store, Filter { label: label("ticket", "NET-1"), before: Some(uid(7)), ..none() }).await, [5]);
    assert_eq!(list(&*store, Filter { states: vec![State::Failed, State::Running], ..none() }).await, [8, 7]);
    let both = Filter { states: vec![State::Queued], label: label("ticket", "NET-1"), ..none() };
    assert_eq!(list(&*store, both).await, [5]);
    let several = Filter { states: vec![State::Failed, State::Queued, State::Failed], limit: 3, ..none() };
    assert_eq!(list(&*store, several.clone()).await, [7, 6, 5], "newest first over all states");
    assert_eq!(list(&*store, Filter { before: Some(uid(7)), ..several.clone() }).await, [6, 5, 4]);
    let narrow = Filter { instance: Some(instance(1)), cen: Some(record(1).job.cen.id), ..several };
    assert_eq!(list(&*store, narrow.clone()).await, [2, 1]);
    let narrower = Filter { kind: Some(Kind::Grant), requester: Some(record(1).requester), ..narrow };
    assert_eq!(list(&*store, narrower).await, [1]);
    assert_eq!(list(&*store, Filter { states: vec![State::Waiting], ..none() }).await, []);
}

/// What a store finds is what the filter says of each record, but for the reason, which no column has.
pub async fn a_store_and_a_record_agree_on_a_filter(store: S) {
    let other = AccountUid::parse("1688000000000002").unwrap();
    let mut records: Vec<Record> = (1..=9).map(record).collect();
    records[0].job.instance.owner = other.clone();
    records[1].job.cen.owner = other.clone();
    records[2].job.kind = Kind::Grant;
    take(&*store, &records).await;
    set(&*store, 3, running).await;
    set(&*store, 4, |record| parked(record, Reason::GaveUp, true)).await;
    set(&*store, 5, |record| parked(record, Reason::NeedsApproval, false)).await;
    set(&*store, 6, |record| hold(record, Turn::Held { account: other.clone(), expires: None })).await;
    set(&*store, 7, |record| waiting(record, at(100))).await;
    fail(&*store, 8).await;

    let (none, account) = (Filter::default, |uid: &str| Some(AccountUid::parse(uid).unwrap()));
    let filters = [
        none(),
        Filter { states: vec![State::Parked, State::Queued], ..none() },
        Filter { held: true, ..none() },
        Filter { account: account("1688000000000001"), ..none() },
        Filter { account: account("1688000000000002"), ..none() },
        Filter { since: Some(at(4)), ..none() },
        Filter { until: Some(at(4)), ..none() },
        Filter { since: Some(at(2)), until: Some(at(8)), kind: Some(Kind::PayerChange), ..none() },
        Filter { since: Some(at(2)), before: Some(uid(7)), account: account("1688000000000001"), ..none() },
        Filter { held: true, states: vec![State::Parked], ..none() },
    ];
    let mut stored = Vec::new();
    for n in 1..=9 {
        stored.push(load(&*store, n).await);
    }
    let mut found = 0;
    for filter in filters {
        let right: Vec<u128> =
            stored.iter().rev().filter(|record| filter.matches(record)).map(|record| record.uid.0.as_u128()).collect();
        found += right.len();
        assert_eq!(list(&*store, filter.clone()).await, right, "{filter:?}");
    }
    assert_eq!(found, 9 + 6 + 1 + 8 + 2 + 6 + 3 + 5 + 5, "the filters mean something");
    let reasons = Filter { reasons: vec![Reason::GaveUp], ..none() };
    assert_eq!(list(&*store, reasons.clone()).await, [8, 5, 4], "what can have a reason");
    assert_eq!(stored.iter().filter(|record| reasons.matches(record)).count(), 1);
    let half_done = Filter { half_done: Some(true), ..none() };
    assert_eq!(list(&*store, half_done.clone()).await, [4, 3], "what can be half done");
    assert_eq!(stored.iter().filter(|record| half_done.matches(record)).count(), 1);
    let blames = Filter { blames: account("1688000000000002"), ..none() };
    assert_eq!(
        list(&*store, blames.clone()).await,
        [2, 1],
        "what can be put down to an account: it owns one of the two"
    );
    assert_eq!(stored.iter().filter(|record| blames.matches(record)).count(), 1);
    let overdue = Filter { overdue: true, ..none() };
    assert_eq!(list(&*store, overdue.clone()).await, [7], "what can be overdue");
    assert_eq!(stored.iter().filter(|record| overdue.matches(record)).count(), 0);
}

fn parked(mut record: Record, reason: Reason, half_done: bool) -> Record {
    let ending = Ending { reason, message: "it stopped".into(), findings: vec![] };
    record.phase = Phase::Parked { ending, half_done };
    record
}

fn hold(mut record: Record, turn: Turn) -> Record {
    record.phase = Phase::Queued(turn);
    record
}

pub async fn one_job_by_either_name(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    set(&*store, 2, running).await;
    let found = store.find(&record(2).requester, &record(2).job.id).await.unwrap();
    assert_eq!(found, store.load(uid(2)).await.unwrap());
    assert_eq!(found.unwrap().state(), State::Running);
    assert_eq!(store.find(&Requester::anonymous(), &record(2).job.id).await.unwrap(), None);
    assert_eq!(store.find(&record(2).requester, &JobId::parse("none").unwrap()).await.unwrap(), None);
    assert_eq!(store.load(uid(3)).await.unwrap(), None);
}

pub async fn jobs_of_all_requesters_by_an_id(store: S) {
    let id = JobId::parse("shared").unwrap();
    let mut records: Vec<Record> = (1..=4).map(record).collect();
    for (n, requester) in [(0, "anonymous"), (1, "bots"), (3, "zed")] {
        records[n].requester = Requester::parse(requester).unwrap();
        records[n].job.id = id.clone();
    }
    take(&*store, &records).await;
    let found = store.find_by_id(&id).await.unwrap();
    assert_eq!(found.iter().map(|record| record.uid).collect::<Vec<_>>(), [uid(1), uid(2), uid(4)]);
    assert_eq!(store.find_by_id(&record(3).job.id).await.unwrap().len(), 1);
    assert_eq!(store.find_by_id(&JobId::parse("none").unwrap()).await.unwrap(), []);
}

pub async fn waiting_jobs_oldest_first(store: S) {
    let mut elsewhere = waiting(record_on(4, 1), at(100));
    elsewhere.job.cen.id = CenId::parse("cen-44m0p68spvlrqq0009").unwrap();
    let mut doubtful = waiting(record_on(2, 1), at(100));
    doubtful.wait.as_mut().unwrap().doubt = true;
    let records = [waiting(record_on(3, 1), at(100)), doubtful, record(1), elsewhere, waiting(record(5), at(100))];
    take(&*store, &records).await;
    let waiting = store.waiting_on(&instance(1), &record(1).job.cen.id).await.unwrap();
    assert_eq!(waiting.into_iter().map(|r| r.uid).collect::<Vec<_>>(), [uid(2), uid(3)]);
}
