//! Promises about dead letters: they are found again, and can be sent again.

use super::super::outbox::WholeOutbox as _;
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{Message, OutboxRow, Rejection, SetAside, Settlement, Store};

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
    let queued = store.queued(0, 10).await;
    let numbers: Vec<i64> = queued.iter().map(|q| q.number).collect();
    store.mark(&[], &numbers).await;
    let outbound = |rows: &[OutboxRow]| rows.iter().map(|row| row.outgoing.clone()).collect::<Vec<_>>();
    let aside = async |after, limit| {
        let rows = store.undeliverable(after, limit).await.unwrap();
        rows.into_iter().map(|row| row.outgoing).collect::<Vec<_>>()
    };
    assert_eq!(aside(0, 2).await, outbound(&queued[..2]));
    assert_eq!(aside(numbers[1], 2).await, outbound(&queued[2..]));

    assert_eq!(store.replay(&[numbers[0], numbers[2], 9_999]).await.unwrap(), 2);
    let again = store.queued(numbers[2], 10).await;
    let both = [queued[0].clone(), queued[2].clone()];
    assert_eq!(outbound(&again), outbound(&both), "under numbers that are new");
    assert_eq!(aside(0, 10).await, outbound(&queued[1..2]));
    assert_eq!(store.replay(&[numbers[0]]).await.unwrap(), 0, "what is sent again is not there to be sent again");

    store.mark(&[], &[again[0].number]).await;
    assert_eq!(aside(0, 10).await.len(), 2, "no queue took it again");
}

pub async fn undeliverable_messages_have_their_reason_and_can_be_dropped(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    let numbers: Vec<i64> = store.queued(0, 10).await.iter().map(|row| row.number).collect();
    let reason = "NOT_FOUND - no exchange \u{e4}".to_owned();
    let aside = SetAside { number: numbers[0], reason: reason.clone(), tries: 40, given_up: true };
    let settlement = Settlement { undeliverable: vec![aside], ..Settlement::default() };
    store.settle(Lane::Events, &settlement).await.unwrap();
    store.settle(Lane::Events, &settlement).await.unwrap();
    let rows = store.undeliverable(0, 10).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.number, &row.reason, row.tries)).collect::<Vec<_>>(),
        [(numbers[0], &reason, 40)]
    );

    assert_eq!(store.drop_undeliverable(&[numbers[0], numbers[1], 9_999]).await.unwrap(), 1);
    assert_eq!(store.undeliverable(0, 10).await.unwrap(), []);
    assert_eq!(store.queued(0, 10).await.len(), 1, "what is still to be published is not dropped");
    assert_eq!(store.events(uid(1)).await.unwrap().len(), 1, "the history stays");
}

pub async fn a_rejection_has_its_message_until_both_are_dropped(store: S) {
    assert_eq!(store.rejection(uid(7)).await.unwrap(), None);
    let older = Rejection { kept: None, ..rejection(8) };
    store.take([rejection(7), older].map(|rejection| Message::Rejection(Box::new(rejection))).to_vec()).await.unwrap();
    let found = store.rejection(uid(7)).await.unwrap().unwrap();
    assert_eq!((found.rejected.uid, found.rejected.at, found.kept), (uid(7), at(7), rejection(7).kept));
    assert_eq!(store.rejection(uid(8)).await.unwrap().unwrap().kept, None);
    assert_eq!(store.events(uid(7)).await.unwrap().len(), 1, "the message is no event");

    let both = [uid(7), uid(8), uid(9)];
    assert_eq!(store.drop_rejections(&both).await.unwrap(), 0, "their events are still to be published");
    empty_outbox(&*store).await;
    assert_eq!(store.drop_rejections(&both).await.unwrap(), 2);
    assert_eq!(store.rejection(uid(7)).await.unwrap(), None);
    assert_eq!((store.events(uid(7)).await.unwrap().len(), store.counts().await.unwrap().rejected), (0, 0));
    // The same message again is a new rejection.
    store.take(vec![Message::Rejection(Box::new(rejection(7)))]).await.unwrap();
    assert_eq!(store.rejection(uid(7)).await.unwrap().unwrap().kept, rejection(7).kept);
}
