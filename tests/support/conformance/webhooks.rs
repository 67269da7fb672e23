//! Promises about messages to webhooks.

use super::super::outbox::{WholeOutbox as _, page};
use std::sync::Arc;

use super::fixtures::*;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{
    LeaseUse, Outbox, OutboxPage, OutboxRow, SetAside, Settlement, Store, WaitingWebhook,
};
use crossgrant::engine::record::State;

type S = Arc<dyn Store>;

/// Has the store answer requests for job 1 to these places, under these correlation ids.
async fn answer(store: &dyn Store, to: &[(&str, &str)]) {
    let repetitions = to.iter().map(|(to, correlation)| arrival(&with_reply(record(1), to, correlation)));
    store.take(repetitions.collect()).await.unwrap();
}

fn named(rows: &[OutboxRow]) -> Vec<(&str, u32)> {
    rows.iter().map(|row| (row.outgoing.correlation_id.as_deref().unwrap_or("-"), row.tries)).collect()
}

async fn number(store: &dyn Store, seconds: i64, id: &str) -> i64 {
    let rows = store.webhooks(at(seconds), 100).await.unwrap();
    rows.iter().find(|row| row.outgoing.correlation_id.as_deref() == Some(id)).unwrap().number
}

async fn refuse(store: &dyn Store, seconds: i64, id: &str, until: i64) {
    let refused = vec![(number(store, seconds, id).await, at(until))];
    store.settle_webhooks(&Settlement { refused, ..Settlement::default() }).await.unwrap();
}

pub async fn webhooks_are_in_no_lane(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("https://a/1", "w"), ("q", "r"), ("https", "s"), ("https:0", "t"), ("https://b", "x")]).await;
    let replies = store.outbox(page(Lane::Replies, 0, 100)).await.unwrap();
    assert_eq!(named(&replies), [("r", 0), ("s", 0), ("t", 0)]);
    assert_eq!(store.outbox(page(Lane::Events, 0, 100)).await.unwrap().len(), 1);
    let webhooks = store.webhooks(at(1), 100).await.unwrap();
    assert_eq!(named(&webhooks), [("w", 0), ("x", 0)]);
    assert_eq!(webhooks[0].outgoing.routing_key, "https://a/1");
    assert_eq!(webhooks[0].outgoing.body, store.outbox(page(Lane::Events, 0, 1)).await.unwrap()[0].outgoing.body);
    refuse(&*store, 1, "w", 20).await;
    for lane in Lane::ALL {
        let late = OutboxPage { which: Outbox::PutOff(at(99)), ..page(lane, 0, 100) };
        assert_eq!(store.outbox(late).await.unwrap(), []);
        assert_eq!(store.next_retry(lane).await.unwrap(), None);
    }
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.outbox, counts.refused, counts.failed), (6, 0, 1));
}

pub async fn hosts_take_turns(store: S) {
    take(&*store, &[record(1)]).await;
    let to = [
        ("https://a/1", "a1"),
        ("https://a/2?x=https://b/", "a2"),
        ("https://a", "a3"),
        ("https://b:8443/1", "b1"),
        ("https://b:8443", "b2"),
        ("https://b/", "c1"),
    ];
    answer(&*store, &to).await;
    let all = store.webhooks(at(1), 100).await.unwrap();
    assert_eq!(named(&all).iter().map(|(id, _)| *id).collect::<Vec<_>>(), ["a1", "b1", "c1", "a2", "b2", "a3"]);
    assert_eq!(store.webhooks(at(1), 4).await.unwrap(), all[..4]);
    refuse(&*store, 1, "a1", 10).await;
    let later = store.webhooks(at(10), 3).await.unwrap();
    assert_eq!(named(&later), [("a2", 0), ("b1", 0), ("c1", 0)], "one that was not tried goes before one that was");
}

pub async fn a_webhook_that_fails_waits_alone(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("https://a/1", "x"), ("https://a/1", "y"), ("q", "r")]).await;
    assert_eq!(store.next_webhook(at(1)).await.unwrap(), None, "all are due");
    refuse(&*store, 1, "x", 20).await;
    assert_eq!(named(&store.webhooks(at(19), 9).await.unwrap()), [("y", 0)]);
    assert_eq!(store.next_webhook(at(1)).await.unwrap(), Some(at(20)));
    assert_eq!(store.next_webhook(at(20)).await.unwrap(), None);
    refuse(&*store, 20, "x", 7_000).await;
    assert_eq!(named(&store.webhooks(at(7_000), 9).await.unwrap()), [("y", 0), ("x", 2)]);
    // By another clock.
    refuse(&*store, 7_000, "x", 99_999).await;
    assert_eq!(named(&store.webhooks(at(7_001), 9).await.unwrap()), [("y", 0), ("x", 3)]);
    let settled = Settlement { done: vec![number(&*store, 7_001, "x").await], ..Settlement::default() };
    store.settle_webhooks(&settled).await.unwrap();
    store.settle_webhooks(&settled).await.unwrap();
    assert_eq!(named(&store.webhooks(at(7_001), 9).await.unwrap()), [("y", 0)]);
    assert_eq!(named(&store.outbox(page(Lane::Replies, 0, 9)).await.unwrap()), [("r", 0)]);
}

pub async fn the_end_of_a_job_goes_to_its_webhook(store: S) {
    let job = with_reply(record(1), "https://a/1", "x");
    take(&*store, &[job]).await;
    assert_eq!(store.webhooks(at(1), 9).await.unwrap(), [], "nothing before the end");
    let mut end = change(at_rest(load(&*store, 1).await, State::Cancelled), LeaseUse::None);
    end.outbound = vec![event(1, 2, true)];
    store.commit(end).await.unwrap();
    let webhooks = store.webhooks(at(99), 9).await.unwrap();
    assert_eq!(named(&webhooks), [("x", 0)]);
    assert_eq!(webhooks[0].outgoing.message_id, format!("{}.2", uid(1)));
    assert_eq!(store.queued(0, 9).await.len(), 2, "the two events");
}

pub async fn a_webhook_set_aside_is_called_again_when_it_is_replayed(store: S) {
    take(&*store, &[record(1)]).await;
    answer(&*store, &[("https://a/1", "x"), ("https://a/1", "y")]).await;
    refuse(&*store, 1, "x", 20).await;
    let aside = SetAside { number: number(&*store, 20, "x").await, reason: "no".into(), tries: 2, given_up: true };
    let settlement = Settlement { undeliverable: vec![aside], ..Settlement::default() };
    store.settle_webhooks(&settlement).await.unwrap();
    assert_eq!(named(&store.webhooks(at(20), 9).await.unwrap()), [("y", 0)], "the other is as it was");
    let kept = store.undeliverable(0, 9).await.unwrap();
    assert_eq!((kept.len(), kept[0].reason.as_str(), kept[0].tries), (1, "no", 2));
    assert_eq!(kept[0].outgoing.routing_key, "https://a/1");
    assert_eq!(store.replay(&[kept[0].number]).await.unwrap(), 1);
    let again = store.webhooks(at(20), 9).await.unwrap();
    assert_eq!(named(&again), [("y", 0), ("x", 0)]);
    assert_eq!(again[1].outgoing, kept[0].outgoing);
    assert_eq!(store.outbox(page(Lane::Replies, 0, 9)).await.unwrap(), []);
}

pub async fn a_webhook_that_is_put_off_is_shown_and_sent_at_once_when_it_is_replayed(store: S) {
    take(&*store, &[record(1), record(2)]).await;
    answer(&*store, &[("https://a/1?x=\"y", "x"), ("https://a/2", "y"), ("q", "r")]).await;
    let put_off = number(&*store, 1, "x").await;
    let (refused, reasons) = (vec![(put_off, at(500))], vec![(put_off, "the receiver answered 500".to_owned())]);
    store.settle_webhooks(&Settlement { refused, reasons, ..Settlement::default() }).await.unwrap();
    let waiting = store.waiting_webhooks(uid(1), 9).await.unwrap();
    let expected = WaitingWebhook {
        number: put_off,
        url: "https://a/1?x=\"y".into(),
        tries: 1,
        due: Some(at(500)),
        reason: "the receiver answered 500".into(),
    };
    assert_eq!((waiting.len(), &waiting[0]), (2, &expected), "no queue is among them");
    assert_eq!((waiting[1].tries, waiting[1].due, waiting[1].reason.as_str()), (0, None, ""));
    assert_eq!(store.waiting_webhooks(uid(1), 1).await.unwrap().len(), 1);
    assert_eq!(store.waiting_webhooks(uid(2), 9).await.unwrap(), []);

    assert_eq!(named(&store.webhooks(at(2), 9).await.unwrap()), [("y", 0)]);
    let others = [waiting[1].number, 99_999];
    assert_eq!(store.replay(&others).await.unwrap(), 0, "one that is due already, and one that is not there");
    assert_eq!(store.replay(&[put_off]).await.unwrap(), 1);
    assert_eq!(named(&store.webhooks(at(2), 9).await.unwrap()), [("y", 0), ("x", 1)], "its tries go on");
    assert_eq!(store.undeliverable(0, 9).await.unwrap(), []);
}
