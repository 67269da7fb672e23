//! Promises about events that are kept: they are found by the time of their jobs, and can be published again.

use std::sync::Arc;

use super::super::outbox::WholeOutbox as _;
use super::fixtures::*;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{KeptEvent, LeaseUse, Message, Outbox, OutboxPage, Settlement, Store};
use crossgrant::engine::record::State;

type S = Arc<dyn Store>;

pub async fn events_are_published_again_as_they_were_behind_fresh_ones(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let mut end = change(at_rest(load(&*store, 1).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(1, 2, true)];
    store.commit(end).await.unwrap();
    store.take(vec![Message::Rejection(Box::new(rejection(7)))]).await.unwrap();
    let said = store.queued(0, 100).await;
    empty_outbox(&*store).await;
    let kept = |n, sequence| {
        let text = String::from_utf8(event(n, sequence, false).outgoing.body.to_vec()).unwrap();
        KeptEvent { uid: uid(n), sequence, text }
    };
    assert_eq!(store.kept_events(&[uid(1), uid(2), uid(3)]).await.unwrap(), [kept(1, 1), kept(1, 2), kept(2, 1)]);

    let events = [(uid(1), 1), (uid(1), 2), (uid(2), 1), (uid(7), 1)];
    let and_none = [&events[..], &[(uid(1), 9), (uid(9), 1)]].concat();
    assert_eq!(store.publish_again(&and_none).await.unwrap(), 4, "what is not there is left out");
    take(&*store, &[record(3)]).await;
    let fresh = store.queued(0, 100).await;
    assert_eq!(fresh.len(), 1, "a fresh one does not wait behind them");
    assert_eq!(store.counts().await.unwrap().refused, 0, "no queue has refused them");
    assert!(store.next_retry(Lane::Events).await.unwrap().is_some_and(|due| due <= at(0)));
    let page = OutboxPage { lane: Lane::Events, which: Outbox::PutOff(at(0)), messages: 100, bytes: usize::MAX };
    let again = store.outbox(page).await.unwrap();
    let ids: Vec<String> = again.iter().map(|row| row.outgoing.message_id.clone()).collect();
    assert_eq!(ids, events.map(|(uid, sequence)| format!("{uid}.{sequence}")), "in the order that was asked for");
    for row in &again {
        assert!(said.iter().any(|first| first.outgoing == row.outgoing), "{row:?}");
    }
    let done = again.iter().map(|row| row.number).collect();
    store.settle(Lane::Events, &Settlement { done, ..Settlement::default() }).await.unwrap();
    assert_eq!(store.outbox(page).await.unwrap(), []);
}

pub async fn jobs_that_can_have_events_of_a_time_are_found(store: S) {
    take(&*store, &(1..=5).map(record).collect::<Vec<_>>()).await;
    for n in [1, 3] {
        set(&*store, n, |record| ended_at(record, 60)).await;
    }
    let found = async |since, until, after: Option<u32>, limit| {
        store.jobs_between(at(since), at(until), after.map(uid), limit).await.unwrap()
    };
    assert_eq!(found(0, 100, None, 9).await, [1, 2, 3, 4, 5].map(uid));
    assert_eq!(found(60, 100, None, 2).await, [1, 2].map(uid));
    assert_eq!(found(60, 100, Some(2), 2).await, [3, 4].map(uid));
    assert_eq!(found(61, 100, None, 9).await, [2, 4, 5].map(uid), "two have ended before, the others go on");
    assert_eq!(found(0, 3, None, 9).await, [1, 2].map(uid), "the others are accepted later");
    assert_eq!(found(0, 100, Some(5), 9).await, []);
}
