//! Promises about the feed: every event once, in an order that a reader can go on from.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::domain::Requester;
use crossgrant::engine::ports::store::{Feed, FeedPage, LeaseUse, Message, Store};
use crossgrant::engine::record::State;

type S = Arc<dyn Store>;

pub fn from(after: i64) -> FeedPage {
    FeedPage { after, requester: None, events: 1000, bytes: 1 << 20 }
}

/// The events of a page, each by its job and its place there.
pub fn told(feed: &Feed) -> Vec<(u32, u32)> {
    let told = |event: &crossgrant::engine::ports::store::FeedEvent| {
        (u32::try_from(event.event.uid.0.as_u128()).unwrap(), event.event.sequence)
    };
    feed.events.iter().map(told).collect()
}

pub async fn every_event_is_in_the_feed_once_in_the_order_of_the_commits(store: S) {
    let nothing = store.feed(&from(0)).await.unwrap();
    assert_eq!(nothing, Feed { events: vec![], after: 0, more: false, end: 0 });
    assert_eq!(store.feed_end().await.unwrap(), 0);
    take(&*store, &[record(5), record(2)]).await;
    let mut end = change(at_rest(load(&*store, 5).await, State::Failed), LeaseUse::None);
    end.outbound = vec![event(5, 2, true)];
    store.commit(end).await.unwrap();
    store.take(vec![Message::Rejection(Box::new(rejection(7)))]).await.unwrap();
    let feed = store.feed(&from(0)).await.unwrap();
    assert_eq!(told(&feed), [(5, 1), (2, 1), (5, 2), (7, 1)]);
    assert!(feed.events.is_sorted_by_key(|event| event.number) && !feed.more, "{feed:?}");
    assert_eq!(feed.events[2].event.text.as_bytes(), event(5, 2, true).outgoing.body);
    assert_eq!(store.feed_end().await.unwrap(), feed.after);

    store.take(vec![arrival(&record(5))]).await.unwrap();
    let again = store.feed(&from(feed.after)).await.unwrap();
    assert_eq!((told(&again), again.after), (vec![], feed.after), "what is said once more is no new event");
    take(&*store, &[record(1)]).await;
    let next = store.feed(&from(feed.after)).await.unwrap();
    assert_eq!(told(&next), [(1, 1)]);
    assert_eq!(told(&store.feed(&from(feed.events[1].number)).await.unwrap()), [(5, 2), (7, 1), (1, 1)]);
}

pub async fn a_page_of_the_feed_is_bounded(store: S) {
    take(&*store, &(1..=5).map(record).collect::<Vec<_>>()).await;
    let body = event(1, 1, false).outgoing.body.len();
    for (page, numbers) in [
        (FeedPage { events: 2, ..from(0) }, [1, 2]),
        (FeedPage { bytes: 2 * body, ..from(0) }, [1, 2]),
        (FeedPage { bytes: 3 * body - 1, ..from(0) }, [1, 2]),
    ] {
        let feed = store.feed(&page).await.unwrap();
        assert_eq!((told(&feed), feed.more), (numbers.map(|n| (n, 1)).to_vec(), true), "{page:?}");
        assert_eq!(told(&store.feed(&from(feed.after)).await.unwrap()), [(3, 1), (4, 1), (5, 1)]);
    }
    let one = store.feed(&FeedPage { bytes: 1, ..from(0) }).await.unwrap();
    assert_eq!(told(&one), [(1, 1)], "the first one whatever its size");
}

pub async fn a_requester_finds_its_own_in_the_feed(store: S) {
    let mut other = record(2);
    other.requester = Requester::parse("bot").unwrap();
    let mut said = arrival(&other);
    if let Message::Arrival(arrival) = &mut said {
        arrival.outbound[0].outgoing.headers.insert("requester".into(), "bot".into());
    }
    take(&*store, &[record(1)]).await;
    store.take(vec![said]).await.unwrap();
    take(&*store, &[record(3)]).await;
    let of = |requester: &str| FeedPage { requester: Some(Requester::parse(requester).unwrap()), ..from(0) };
    let bot = store.feed(&of("bot")).await.unwrap();
    assert_eq!((told(&bot), bot.after), (vec![(2, 1)], store.feed_end().await.unwrap()));
    assert_eq!(told(&store.feed(&of("tickets")).await.unwrap()), [(1, 1), (3, 1)]);
    assert_eq!(told(&store.feed(&of("desk")).await.unwrap()), []);
}

pub async fn deleted_events_leave_the_feed_and_numbers_never_return(store: S) {
    take(&*store, &[record(1)]).await;
    set(&*store, 1, |record| ended_at(record, 60)).await;
    let end = store.feed_end().await.unwrap();
    assert_eq!(told(&store.feed(&from(0)).await.unwrap()), [(1, 1)]);
    empty_outbox(&*store).await;
    assert_eq!(store.prune(at(1000)).await.unwrap(), 1);
    assert_eq!(told(&store.feed(&from(0)).await.unwrap()), []);
    assert_eq!(store.feed_end().await.unwrap(), end);
    assert_eq!(store.feed(&from(end + 7)).await.unwrap().end, end, "a cursor of another store is seen");
    take(&*store, &[record(2)]).await;
    let next = store.feed(&from(end)).await.unwrap();
    assert_eq!(told(&next), [(2, 1)], "a reader that goes on from there misses nothing");
}
