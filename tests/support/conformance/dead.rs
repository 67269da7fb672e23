//! Promises about what came to nothing: it is found again, and can be sent again.

use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::store::{Message, Store};

type S = Arc<dyn Store>;

pub async fn rejections_are_listed_newest_first_in_pages(store: S) {
    let messages = [3, 1, 2].map(|n| Message::Rejection(Box::new(rejection(n))));
    store.take(messages.to_vec()).await.unwrap();
    let listed = store.rejections(2, None).await.unwrap();
    assert_eq!(listed.iter().map(|r| r.uid).collect::<Vec<_>>(), [uid(3), uid(2)]);
    assert_eq!((listed[0].at, listed[0].job_id.as_deref()), (at(3), Some("bad")));
    assert_eq!(listed[0].requester, rejection(3).requester);
    let rest = store.rejections(2, Some(uid(2))).await.unwrap();
    assert_eq!(rest.iter().map(|r| r.uid).collect::<Vec<_>>(), [uid(1)]);
    assert_eq!(store.rejections(2, Some(uid(1))).await.unwrap(), []);
}

pub async fn undeliverable_messages_are_replayed_as_they_were(store: S) {
    take(&*store, &[record(1), record(2), record(3)]).await;
    let queued = store.outbox(0, 10).await.unwrap();
    let numbers: Vec<i64> = queued.iter().map(|q| q.number).collect();
    store.mark_sent(&[], &numbers).await.unwrap();
    assert_eq!(store.undeliverable(0, 2).await.unwrap(), queued[..2]);
    assert_eq!(store.undeliverable(numbers[1], 2).await.unwrap(), queued[2..]);

    assert_eq!(store.replay(&[numbers[0], numbers[2], 9_999]).await.unwrap(), 2);
    let again = store.outbox(numbers[2], 10).await.unwrap();
    let outbound = |list: &[crossgrant::engine::ports::store::OutboxRow]| {
        list.iter().map(|q| q.outgoing.clone()).collect::<Vec<_>>()
    };
    assert_eq!(outbound(&again), outbound(&[queued[0].clone(), queued[2].clone()]), "under numbers that are new");
    assert_eq!(store.undeliverable(0, 10).await.unwrap(), queued[1..2]);
    assert_eq!(store.replay(&[numbers[0]]).await.unwrap(), 0, "what is sent again is not there to be sent again");

    store.mark_sent(&[], &[again[0].number]).await.unwrap();
    assert_eq!(outbound(&store.undeliverable(0, 10).await.unwrap()).len(), 2, "nobody took it again");
}
