//! Promises about what is said.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::store::{LeaseUse, OutboundMessage, Store, StoreError};
use crossgrant::engine::record::State;

type S = Arc<dyn Store>;

/// Ends job `n` with its terminal event, number 2.
async fn end(store: &dyn Store, n: u32) {
    let mut end = change(at_rest(load(store, n).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(n, 2, true)];
    store.commit(end).await.unwrap();
}

pub async fn messages_come_in_the_order_of_their_commits(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    end(&*store, 2).await;
    end(&*store, 1).await;
    let ids: Vec<String> = outbox(&*store).await.into_iter().map(|m| m.0).collect();
    let expected = [(1, 1), (2, 1), (2, 2), (1, 2)].map(|(n, sequence)| format!("{}.{sequence}", uid(n)));
    assert_eq!(ids, expected);
    let page = store.outbox(0, 2).await.unwrap();
    assert_eq!(page.len(), 2);
    let rest = store.outbox(page[1].number, 10).await.unwrap();
    assert_eq!(rest.iter().map(|q| q.outgoing.message_id.clone()).collect::<Vec<_>>(), expected[2..]);
}

pub async fn published_messages_are_gone_and_numbers_never_return(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let queued = store.outbox(0, 10).await.unwrap();
    store.mark_sent(&[queued[1].number], &[]).await.unwrap();
    assert_eq!(store.outbox(0, 10).await.unwrap(), queued[..1]);
    store.mark_sent(&[queued[0].number, queued[1].number], &[]).await.unwrap();
    assert_eq!(store.outbox(0, 10).await.unwrap(), []);
    take(&*store, &[record(3)]).await;
    assert_eq!(store.outbox(queued[1].number, 10).await.unwrap().len(), 1, "a reader that goes on sees the new one");
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1, "the history stays");
}

pub async fn undeliverable_messages_are_kept_aside(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let queued = store.outbox(0, 10).await.unwrap();
    store.mark_sent(&[queued[1].number], &[queued[0].number]).await.unwrap();
    store.mark_sent(&[], &[queued[0].number]).await.unwrap();
    let census = store.counts().await.unwrap();
    assert_eq!((census.outbox, census.undeliverable), (0, 1));
}

pub async fn terminal_events_reach_every_follower_once(store: S) {
    take(&*store, &[with_reply(record(1), "q1", "a"), record(2)]).await;
    for (queue, correlation) in [("q2", "b"), ("q2", "b"), ("q1", "a"), ("q1", "c")] {
        store.take(vec![arrival(&with_reply(record(1), queue, correlation))]).await.unwrap();
    }
    empty_outbox(&*store).await;
    let mut parked = change(at_rest(load(&*store, 1).await, State::Parked), LeaseUse::None);
    parked.outbound = vec![event(1, 2, false)];
    store.commit(parked).await.unwrap();
    assert_eq!(outbox(&*store).await.len(), 1, "only the terminal event is for followers");
    empty_outbox(&*store).await;
    let mut end = change(at_rest(load(&*store, 1).await, State::Cancelled), LeaseUse::None);
    end.outbound = vec![event(1, 3, true)];
    store.commit(end).await.unwrap();
    let queued = store.outbox(0, 100).await.unwrap();
    assert!(queued.iter().all(|q| q.outgoing.message_id == format!("{}.3", uid(1))));
    assert!(queued.iter().all(|q| q.outgoing.body == queued[0].outgoing.body));
    let to: Vec<_> = outbox(&*store).await.into_iter().map(|m| (m.1, m.2, m.3.unwrap())).collect();
    let follower = |queue: &str, correlation: &str| (String::new(), queue.to_owned(), correlation.to_owned());
    let events = ("crossgrant.events".to_owned(), "job.completed".to_owned(), "first".to_owned());
    assert_eq!(to, [events, follower("q1", "a"), follower("q2", "b"), follower("q1", "c")]);
}

pub async fn followers_are_limited(store: S) {
    let repetitions: Vec<_> = (0..50).map(|i| arrival(&with_reply(record(1), &format!("q{i}"), "x"))).collect();
    store.take(repetitions).await.unwrap();
    assert_eq!(outbox(&*store).await.len(), 50, "each is answered now");
    empty_outbox(&*store).await;
    end(&*store, 1).await;
    assert_eq!(outbox(&*store).await.len(), 1 + 32);
}

pub async fn events_are_kept_in_order(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let mut both = change(at_rest(load(&*store, 1).await, State::Failed), LeaseUse::None);
    both.outbound = vec![event(1, 11, true), event(1, 2, false)];
    store.commit(both).await.unwrap();
    let expected = [1, 2, 11].map(|s| format!("{{\"id\":\"{}.{s}\"}}", uid(1)));
    assert_eq!(store.events(uid(1)).await.unwrap(), expected);
}

pub async fn one_event_may_go_to_two_places(store: S) {
    take(&*store, &[with_reply(record(1), "q1", "a")]).await;
    empty_outbox(&*store).await;
    let mut copy = event(1, 2, true);
    copy.outgoing.exchange = String::new();
    copy.outgoing.routing_key = "elsewhere".into();
    let mut end = change(at_rest(load(&*store, 1).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(1, 2, true), copy];
    store.commit(end).await.unwrap();
    let to: Vec<String> = outbox(&*store).await.into_iter().map(|m| m.2).collect();
    assert_eq!(to, ["job.completed", "q1", "elsewhere"]);
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 2);
}

pub async fn an_event_never_changes_its_content(store: S) {
    take(&*store, &[record(1)]).await;
    let mut other: OutboundMessage = event(1, 1, false);
    other.outgoing.body = "{}".into();
    let mut again = change(running(record(1)), LeaseUse::None);
    again.outbound = vec![other];
    assert!(matches!(store.commit(again).await, Err(StoreError::Corrupt(_))));
    assert_eq!(load(&*store, 1).await, record(1), "nothing of the change is kept");
}
