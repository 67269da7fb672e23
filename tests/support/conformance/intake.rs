//! Promises about messages that come in.

use super::super::outbox::WholeOutbox as _;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::Requester;
use crossgrant::engine::ports::store::{LeaseUse, Message, Rejection, Store, StoreError, Taken};
use crossgrant::engine::record::{Origin, Phase, Record, State, Turn};

type S = Arc<dyn Store>;

pub async fn a_message_becomes_a_job(store: S) {
    take(&*store, &[record(1)]).await;
    assert_eq!(load(&*store, 1).await, record(1));
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1);
    let queued = store.queued(0, 10).await;
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0].outgoing, event(1, 1, false).outgoing);
}

pub async fn the_same_id_and_content_is_no_second_job(store: S) {
    take(&*store, &[record(1)]).await;
    let mut again = record(2);
    again.job = record(1).job;
    again.job.labels.insert("ticket".into(), "other labels are not other content".into());
    assert_eq!(store.take(vec![arrival(&again)]).await.unwrap(), [Taken::Repeated(uid(1))]);
    assert_eq!(store.load(uid(2)).await.unwrap(), None);
    assert_eq!(claimed(&*store, 1).await, [uid(1)]);
}

pub async fn repetitions_are_seen_within_one_batch(store: S) {
    let mut again = record(2);
    again.job = record(1).job;
    let mut other = record(3);
    other.job.id = record(1).job.id;
    let taken =
        store.take(vec![arrival(&record(1)), arrival(&again), arrival(&other), arrival(&record(4))]).await.unwrap();
    assert_eq!(taken, [Taken::New(uid(1)), Taken::Repeated(uid(1)), Taken::Reused(uid(1003)), Taken::New(uid(4))]);
}

pub async fn the_same_id_with_other_content_is_rejected(store: S) {
    take(&*store, &[record(1)]).await;
    empty_outbox(&*store).await;
    let mut other = record(2);
    other.job.id = record(1).job.id;
    assert_eq!(store.take(vec![arrival(&other)]).await.unwrap(), [Taken::Reused(uid(1002))]);
    assert_eq!(store.load(uid(2)).await.unwrap(), None);
    assert_eq!(load(&*store, 1).await, record(1));
    let said: Vec<String> = outbox(&*store).await.into_iter().map(|m| m.0).collect();
    assert_eq!(said, ["copy-1002".to_owned(), format!("{}.1", uid(1002))], "the rejection's outbound and no others");
    assert_eq!(store.counts().await.unwrap().rejected, 1);
}

pub async fn ids_are_scoped_by_requester(store: S) {
    let mut other = record(2);
    other.job = record(1).job;
    other.requester = Requester::parse("bots").unwrap();
    take(&*store, &[record(1), other]).await;
}

pub async fn a_repetition_is_answered_to_the_new_reply_to(store: S) {
    take(&*store, &[record(1)]).await;
    empty_outbox(&*store).await;
    let again = with_reply(record(1), "answers", "second");
    assert_eq!(store.take(vec![arrival(&again)]).await.unwrap(), [Taken::Repeated(uid(1))]);
    let queued = store.queued(0, 10).await;
    let first = event(1, 1, false).outgoing;
    assert_eq!(queued.len(), 1);
    let out = &queued[0].outgoing;
    assert_eq!((out.exchange.as_str(), out.routing_key.as_str()), ("", "answers"));
    assert_eq!(out.correlation_id.as_deref(), Some("second"));
    assert_eq!((&out.message_id, &out.body, &out.headers), (&first.message_id, &first.body, &first.headers));
}

pub async fn a_repetition_without_reply_to_is_answered_where_it_was_first(store: S) {
    take(&*store, &[record(1)]).await;
    empty_outbox(&*store).await;
    store.take(vec![arrival(&record(1))]).await.unwrap();
    let queued = store.queued(0, 10).await;
    assert_eq!(queued.len(), 1);
    assert_eq!(queued[0].outgoing, event(1, 1, false).outgoing);
}

pub async fn a_rejection_again_is_published_again_unchanged(store: S) {
    let origin = Origin { reply_to: Some("answers".into()), ..Origin::default() };
    let first = Rejection { origin: origin.clone(), ..rejection(7) };
    store.take(vec![Message::Rejection(Box::new(first.clone()))]).await.unwrap();
    let said = store.queued(0, 10).await;
    let places: Vec<&str> = said.iter().map(|queued| queued.outgoing.routing_key.as_str()).collect();
    assert_eq!((said.len(), places[2]), (3, "answers"), "a copy, the event, and the answer: {places:?}");
    empty_outbox(&*store).await;
    let mut again = first;
    again.outbound[1].outgoing.body = "said at another time".into();
    let taken = store.take(vec![Message::Rejection(Box::new(again)), arrival(&record(1))]).await.unwrap();
    assert_eq!(taken, [Taken::Rejected(uid(7)), Taken::New(uid(1))], "it disturbs nothing else");
    let repeated = store.queued(0, 10).await;
    assert_eq!(repeated.len(), 3, "the event, what the new job says, and the answer; no second copy");
    assert_eq!(repeated[0].outgoing, said[1].outgoing);
    assert_eq!(repeated[2].outgoing, said[2].outgoing);
    assert_eq!(store.counts().await.unwrap().rejected, 1);
}

pub async fn a_repetition_gets_the_latest_event(store: S) {
    take(&*store, &[record(1)]).await;
    let mut end = change(at_rest(load(&*store, 1).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(1, 2, true)];
    store.commit(end).await.unwrap();
    empty_outbox(&*store).await;
    store.take(vec![arrival(&with_reply(record(1), "answers", "late"))]).await.unwrap();
    let said = outbox(&*store).await;
    assert_eq!(said, [(format!("{}.2", uid(1)), String::new(), "answers".into(), Some("late".into()))]);
}

pub async fn a_rejection_is_stored_and_published(store: S) {
    let taken = store.take(vec![Message::Rejection(Box::new(rejection(7))), arrival(&record(1))]).await.unwrap();
    assert_eq!(taken, [Taken::Rejected(uid(7)), Taken::New(uid(1))]);
    let said: Vec<(String, String)> = outbox(&*store).await.into_iter().map(|m| (m.0, m.1)).collect();
    assert_eq!(said[0], ("copy-7".into(), "crossgrant.dead".into()));
    assert_eq!(said[1].0, format!("{}.1", uid(7)));
    assert_eq!(store.events(uid(7)).await.unwrap().len(), 1);
    assert_eq!(store.counts().await.unwrap().rejected, 1);
}

/// The uid of a job is unique: another job under it is what no store takes, and not the fault of the store.
pub async fn what_a_message_holds_is_refused_with_no_trace(store: S) {
    take(&*store, &[record(1)]).await;
    empty_outbox(&*store).await;
    let mut bad = record(2);
    bad.uid = uid(1);
    let refused = store.take(vec![arrival(&record(3)), arrival(&bad), arrival(&record(4))]).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
    assert_eq!((store.load(uid(3)).await.unwrap(), store.load(uid(4)).await.unwrap()), (None, None));
    assert_eq!(outbox(&*store).await.len(), 0);
    assert!(matches!(store.take(vec![arrival(&bad)]).await, Err(StoreError::Refused(_))));
    take(&*store, &[record(3), record(4)]).await;
    store.probe().await.unwrap();
}

pub async fn simultaneous_repetitions_make_one_job(store: S) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=40 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut same = record(n);
            same.job = record(1).job;
            store.take(vec![arrival(&same)]).await.unwrap()[0]
        });
    }
    let taken = tasks.join_all().await;
    let new: Vec<&Taken> = taken.iter().filter(|t| matches!(t, Taken::New(_))).collect();
    let [Taken::New(winner)] = new[..] else { panic!("{new:?}") };
    assert!(taken.iter().all(|t| matches!(t, Taken::New(u) | Taken::Repeated(u) if u == winner)));
    assert_eq!(claimed(&*store, 1).await, [*winner]);
}

/// What becomes of jobs where a requester may have two on an instance that have not begun.
async fn taken_among_two(store: &dyn Store, records: &[Record]) -> Vec<Taken> {
    store.take(records.iter().map(|record| arrival_among(record, 2)).collect()).await.unwrap()
}

pub async fn one_job_too_many_is_not_taken(store: S) {
    let mut of_another = record_on(5, 1);
    of_another.requester = Requester::parse("bots").unwrap();
    let mut later = record_on(2, 1);
    later.phase = Phase::Queued(Turn::NotBefore(at(1000)));
    let mut again = record_on(7, 1);
    again.job = record_on(3, 1).job;
    let jobs = [record(1), later, record_on(3, 1), record(4), of_another, again];
    let [one, two, third, _, _, _] = &jobs;
    use Taken::{New, Repeated, TooMany};
    let taken = taken_among_two(&*store, &jobs).await;
    assert_eq!(taken, [New(uid(1)), New(uid(2)), TooMany, New(uid(4)), New(uid(5)), TooMany]);
    assert_eq!((store.load(uid(3)).await.unwrap(), store.events(uid(3)).await.unwrap().len()), (None, 0));
    assert_eq!(
        taken_among_two(&*store, std::slice::from_ref(two)).await,
        [Repeated(uid(2))],
        "what is known is no more"
    );
    let mut other_owner = record_on(6, 1);
    other_owner.job.instance.owner = "1377000000000003".parse().unwrap();
    assert_eq!(taken_among_two(&*store, &[other_owner]).await, [TooMany], "whatever owner it names");

    set(&*store, 1, |r| Record { begun_at: Some(at(5)), ..running(r) }).await;
    assert_eq!(taken_among_two(&*store, std::slice::from_ref(third)).await, [New(uid(3))], "one has begun");
    assert_eq!(taken_among_two(&*store, &[record_on(8, 1)]).await, [TooMany]);
    set(&*store, 3, |r| at_rest(r, State::Parked)).await;
    assert_eq!(taken_among_two(&*store, &[record_on(8, 1)]).await, [TooMany], "one that is parked may still begin");
    fail(&*store, 2).await;
    assert_eq!(taken_among_two(&*store, &[record_on(8, 1)]).await, [New(uid(8))], "one has ended");
    assert_eq!(claimed(&*store, 10).await, [one.uid, uid(4)]);
}

pub async fn messages_that_come_at_once_are_not_too_many_together(store: S) {
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=30 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.take(vec![arrival_among(&record_on(n, 1), 7)]).await.unwrap()[0] });
    }
    let taken = tasks.join_all().await;
    assert_eq!(taken.iter().filter(|taken| matches!(taken, Taken::New(_))).count(), 7);
    assert_eq!(taken.iter().filter(|taken| **taken == Taken::TooMany).count(), 23);
}
