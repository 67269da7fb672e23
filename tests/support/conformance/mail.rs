//! Promises about messages to publish.

use super::super::outbox::{WholeOutbox as _, page};
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{
    LeaseUse, OutboundMessage, Outbox, OutboxPage, OutboxRow, SetAside, Settlement, Store, StoreError,
};
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
    let page = store.queued(0, 2).await;
    assert_eq!(page.len(), 2);
    let rest = store.queued(page[1].number, 10).await;
    assert_eq!(rest.iter().map(|q| q.outgoing.message_id.clone()).collect::<Vec<_>>(), expected[2..]);
}

pub async fn published_messages_are_gone_and_numbers_never_return(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let queued = store.queued(0, 10).await;
    store.mark(&[queued[1].number], &[]).await;
    assert_eq!(store.queued(0, 10).await, queued[..1]);
    store.mark(&[queued[0].number, queued[1].number], &[]).await;
    assert_eq!(store.queued(0, 10).await, []);
    take(&*store, &[record(3)]).await;
    assert_eq!(store.queued(queued[1].number, 10).await.len(), 1, "a reader that goes on sees the new one");
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1, "the history stays");
}

pub async fn undeliverable_messages_are_kept_aside(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let queued = store.queued(0, 10).await;
    store.mark(&[queued[1].number], &[queued[0].number]).await;
    store.mark(&[], &[queued[0].number]).await;
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.outbox, counts.undeliverable), (0, 1));
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
    let queued = store.queued(0, 100).await;
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

fn put_off(lane: Lane, seconds: i64) -> OutboxPage {
    OutboxPage { which: Outbox::PutOff(at(seconds)), ..page(lane, 0, 100) }
}

/// What may go out of a lane at `seconds`, fresh or put off before.
async fn due(store: &dyn Store, lane: Lane, seconds: i64) -> Vec<OutboxRow> {
    let mut rows = store.outbox(page(lane, 0, 100)).await.unwrap();
    rows.extend(store.outbox(put_off(lane, seconds)).await.unwrap());
    rows.sort_by_key(|row| row.number);
    rows
}

/// The correlation ids of the replies that may go out at `seconds`, with how often each was refused.
async fn replies(store: &dyn Store, seconds: i64) -> Vec<(String, u32)> {
    due(store, Lane::Replies, seconds)
        .await
        .into_iter()
        .map(|row| (row.outgoing.correlation_id.unwrap(), row.tries))
        .collect()
}

fn expected(ids: &[(&str, u32)]) -> Vec<(String, u32)> {
    ids.iter().map(|(id, tries)| ((*id).to_owned(), *tries)).collect()
}

/// Has the store answer requests for job 1 to these queues, under these correlation ids.
async fn answer(store: &dyn Store, to: &[(&str, &str)]) {
    let repetitions = to.iter().map(|(queue, correlation)| arrival(&with_reply(record(1), queue, correlation)));
    store.take(repetitions.collect()).await.unwrap();
}

/// Settles one reply, by its correlation id; every reply is in the page of `seconds`.
async fn settle(store: &dyn Store, seconds: i64, id: &str, settlement: impl Fn(i64) -> Settlement) {
    let rows = due(store, Lane::Replies, seconds).await;
    let number = rows.iter().find(|row| row.outgoing.correlation_id.as_deref() == Some(id)).unwrap().number;
    store.settle(Lane::Replies, &settlement(number)).await.unwrap();
}

fn done(number: i64) -> Settlement {
    Settlement { done: vec![number], ..Settlement::default() }
}

fn refused(seconds: i64) -> impl Fn(i64) -> Settlement {
    move |number| Settlement { refused: vec![(number, at(seconds))], ..Settlement::default() }
}

pub async fn lanes_are_read_apart(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("q1", "a"), ("q2", "b")]).await;
    take(&*store, &[record(2)]).await;
    let events = store.outbox(page(Lane::Events, 0, 100)).await.unwrap();
    assert_eq!(
        events.iter().map(|row| &row.outgoing.message_id).collect::<Vec<_>>(),
        [&format!("{}.1", uid(1)), &format!("{}.1", uid(2))]
    );
    assert!(events.iter().all(|row| !row.outgoing.exchange.is_empty()));
    assert_eq!(replies(&*store, 1).await, expected(&[("a", 0), ("b", 0)]));
    let all = store.queued(0, 10).await;
    let numbers: std::collections::BTreeSet<i64> = all.iter().map(|row| row.number).collect();
    assert_eq!(numbers.len(), 4, "no number is in both");
}

pub async fn a_page_is_bounded_in_bytes(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    let whole = store.outbox(page(Lane::Events, 0, 100)).await.unwrap();
    let body = whole[0].outgoing.body.len();
    for (bytes, messages) in [(0, 1), (body, 1), (2 * body - 1, 1), (2 * body, 2), (3 * body, 3)] {
        let some = store.outbox(OutboxPage { bytes, ..page(Lane::Events, 0, 100) }).await.unwrap();
        assert_eq!(some, whole[..messages], "{bytes} bytes");
    }
}

pub async fn a_refused_event_waits_alone(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    let all = store.outbox(page(Lane::Events, 0, 100)).await.unwrap();
    assert_eq!(store.next_retry(Lane::Events).await.unwrap(), None);
    store.settle(Lane::Events, &refused(20)(all[1].number)).await.unwrap();
    assert_eq!(due(&*store, Lane::Events, 19).await, [all[0].clone(), all[2].clone()]);
    assert_eq!(store.next_retry(Lane::Events).await.unwrap(), Some(at(20)));
    assert_eq!(store.next_retry(Lane::Replies).await.unwrap(), None);
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.outbox, counts.refused), (3, 1));
    let due = store.outbox(put_off(Lane::Events, 20)).await.unwrap();
    assert_eq!(due.iter().map(|row| (row.number, row.tries)).collect::<Vec<_>>(), [(all[1].number, 1)]);
    let fresh = store.outbox(page(Lane::Events, 0, 100)).await.unwrap();
    assert_eq!(fresh, [all[0].clone(), all[2].clone()], "apart from it");
}

pub async fn replies_stay_behind_the_refused_one(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("full", "a"), ("other", "b"), ("full", "c")]).await;
    settle(&*store, 1, "a", refused(20)).await;
    answer(&*store, &[("full", "d"), ("other", "e")]).await;
    assert_eq!(replies(&*store, 19).await, expected(&[("b", 0), ("e", 0)]));
    assert_eq!(replies(&*store, 20).await, expected(&[("a", 1), ("b", 0), ("e", 0)]), "one is tried again");
    settle(&*store, 20, "a", refused(40)).await;
    assert_eq!(replies(&*store, 39).await, expected(&[("b", 0), ("e", 0)]));
    assert_eq!(store.counts().await.unwrap().refused, 3, "that one, and two behind it");
    assert_eq!(store.next_retry(Lane::Replies).await.unwrap(), Some(at(40)));
    settle(&*store, 40, "a", done).await;
    assert_eq!(replies(&*store, 40).await, expected(&[("b", 0), ("c", 0), ("d", 0), ("e", 0)]), "in their order");
    settle(&*store, 40, "c", done).await;
    settle(&*store, 40, "d", done).await;
    answer(&*store, &[("full", "f")]).await;
    assert_eq!(replies(&*store, 40).await, expected(&[("b", 0), ("e", 0), ("f", 0)]));
}

pub async fn the_first_reply_that_was_refused_stays_the_first(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("full", "a"), ("full", "b"), ("full", "c")]).await;
    let rows = store.outbox(page(Lane::Replies, 0, 100)).await.unwrap();
    let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
    store.settle(Lane::Replies, &refused(20)(numbers[1])).await.unwrap();
    // One that was published before that was known.
    store.settle(Lane::Replies, &refused(30)(numbers[2])).await.unwrap();
    assert_eq!(replies(&*store, 50).await, expected(&[("b", 1)]));
    store.settle(Lane::Replies, &refused(30)(numbers[0])).await.unwrap();
    assert_eq!(replies(&*store, 50).await, expected(&[("a", 1)]), "an earlier one takes its place");
}

pub async fn a_queue_that_is_given_up_gets_one_more_chance_with_each(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("full", "a"), ("full", "b"), ("full", "c")]).await;
    settle(&*store, 1, "a", refused(20)).await;
    settle(&*store, 20, "a", refused(40)).await;
    let given_up = |number| {
        let aside = SetAside { number, reason: "full".into(), tries: 3, given_up: true };
        Settlement { undeliverable: vec![aside], ..Settlement::default() }
    };
    settle(&*store, 40, "a", given_up).await;
    assert_eq!(replies(&*store, 40).await, expected(&[("b", 2), ("c", 2)]), "they have been tried as often");
    assert_eq!(store.undeliverable(0, 9).await.unwrap().len(), 1);
    settle(&*store, 40, "b", done).await;
    settle(&*store, 40, "c", given_up).await;
    assert_eq!((replies(&*store, 40).await, store.counts().await.unwrap().refused), (vec![], 0));
}

pub async fn a_time_that_only_another_clock_can_have_set_is_not_waited_for(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("full", "a"), ("full", "b")]).await;
    settle(&*store, 1, "a", refused(86_400)).await;
    assert_eq!(replies(&*store, 2).await, expected(&[("a", 1)]), "the clock has stepped back by a day");
    assert_eq!(replies(&*store, 86_000).await, vec![], "no more than the longest wait is left");
}
