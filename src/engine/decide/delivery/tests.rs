use super::*;

const DIRECT: &str = "amq.rabbitmq.reply-to.g1h2AA5yZXBseUA5NTI1OTk1NAAAC3YAAAAAYyqLqg==.Ce2FIsKfdvQkqMF1+b8dEw==";

fn row(number: i64, to: (&str, &str), tries: u32) -> OutboxRow {
    let (exchange, routing_key) = (to.0.to_owned(), to.1.to_owned());
    let outgoing = Outgoing { message_id: format!("m{number}"), exchange, routing_key, ..Outgoing::default() };
    OutboxRow { number, outgoing, tries }
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

fn after(seconds: u64) -> Timestamp {
    later(now(), Duration::from_secs(seconds))
}

#[test]
fn each_message_meets_with_its_own_verdict() {
    let to = [("events", "job.completed"), ("", "q1"), ("", "q2"), ("", "q3")];
    let page: Vec<OutboxRow> = (1..).zip(to).map(|(number, to)| row(number, to, 0)).collect();
    let words = "ACCESS_REFUSED - write access refused";
    let verdicts =
        [Delivered::Confirmed, Delivered::Undeliverable, Delivered::Unpublishable(words.into()), Delivered::Refused];
    let Judged { settlement, warnings } = judge(&page, &verdicts, now());
    assert_eq!(settlement.done, [1]);
    let aside = |number, reason: &str| SetAside { number, reason: reason.into(), tries: 0, given_up: false };
    assert_eq!(settlement.undeliverable, [aside(2, NO_QUEUE), aside(3, words)]);
    assert_eq!(settlement.refused, [(4, after(1))]);
    assert!(
        warnings.len() == 2 && warnings[0].contains("m4 to queue \"q3\"") && warnings[1].contains(words),
        "{warnings:?}"
    );
}

/// The event was not asked for, and it stays with its job.
#[test]
fn an_event_that_no_queue_takes_is_done_and_a_reply_is_kept_aside() {
    let page = [row(1, ("events", "job.completed"), 0), row(2, ("", "gone"), 0)];
    let Judged { settlement, warnings } = judge(&page, &[Delivered::Undeliverable, Delivered::Undeliverable], now());
    let aside = SetAside { number: 2, reason: NO_QUEUE.into(), tries: 0, given_up: false };
    assert_eq!(settlement, Settlement { done: vec![1], undeliverable: vec![aside], ..Settlement::default() });
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn every_reason_has_its_cause() {
    let causes = [NO_QUEUE, REFUSED, UNCONFIRMED, "NOT_FOUND - no exchange"].map(Cause::of);
    assert_eq!(causes, Cause::ALL[..4], "the others are those of webhooks");
}

#[test]
fn what_has_no_verdict_stays_as_it_is() {
    let page = [row(1, ("", "q"), 0), row(2, ("", "q"), 0)];
    let judged = judge(&page, &[Delivered::Confirmed], now());
    assert_eq!(judged.settlement, Settlement { done: vec![1], ..Settlement::default() });
}

#[test]
fn replies_to_one_queue_are_refused_together_and_events_each_for_itself() {
    let replies = [row(1, ("", "full"), 0), row(2, ("", "full"), 0), row(3, ("", "other"), 0)];
    let verdicts = [Delivered::Refused, Delivered::Refused, Delivered::Refused];
    assert_eq!(judge(&replies, &verdicts, now()).settlement.refused, [(1, after(1)), (3, after(1))]);
    let events = [row(1, ("events", "job.failed"), 0), row(2, ("events", "job.failed"), 2)];
    assert_eq!(judge(&events, &verdicts, now()).settlement.refused, [(1, after(1)), (2, after(4))]);
}

#[test]
fn waits_double_up_to_the_longest_and_end_after_some_hours() {
    assert_eq!([1, 2, 3, 10, 11, u32::MAX].map(|tries| delay(tries).as_secs()), [1, 2, 4, 512, 600, 600]);
    let all: Duration = (1..MOST_TRIES).map(delay).sum();
    assert!(all > Duration::from_secs(4 * 3600) && all < Duration::from_secs(8 * 3600), "{all:?}");

    let tried = |tries, verdict| judge(&[row(1, ("", "full"), tries)], &[verdict], now());
    let Judged { settlement, warnings } = tried(1, Delivered::Refused);
    assert_eq!((settlement.refused, warnings.len()), (vec![(1, after(2))], 0), "said once, at the first refusal");
    let Judged { settlement, warnings } = tried(MOST_TRIES - 1, Delivered::Unconfirmed);
    let aside = SetAside { number: 1, reason: UNCONFIRMED.into(), tries: MOST_TRIES, given_up: true };
    assert_eq!((settlement.undeliverable, settlement.refused), (vec![aside], vec![]));
    assert!(warnings[0].contains("for the last time"), "{warnings:?}");
}

#[test]
fn what_is_not_confirmed_is_not_looked_for_every_few_seconds() {
    let waits = |tries| judge(&[row(1, ("", "q"), tries)], &[Delivered::Unconfirmed], now()).settlement.refused;
    assert_eq!((waits(0), waits(1), waits(9)), (vec![(1, after(64))], vec![(1, after(128))], vec![(1, after(600))]));
}

#[test]
fn a_reply_to_a_generated_queue_that_is_gone_is_not_kept() {
    let judged = |verdict| judge(&[row(1, ("", "amq.gen-JzTY20BRgKO-HjmUJj0wLg"), 0)], &[verdict], now());
    let gone = judged(Delivered::Undeliverable);
    assert_eq!(gone.settlement, Settlement { done: vec![1], ..Settlement::default() });
    assert!(gone.warnings.len() == 1 && gone.warnings[0].contains("dropped"), "{:?}", gone.warnings);
    assert_eq!(judged(Delivered::Refused).settlement.refused.len(), 1, "one that is full is there");
}

#[test]
fn a_direct_reply_is_never_kept() {
    for verdict in [Delivered::Undeliverable, Delivered::Refused, Delivered::Unpublishable("541".into())] {
        let judged = judge(&[row(1, ("", DIRECT), 0)], &[verdict], now());
        assert_eq!(judged.settlement, Settlement { done: vec![1], ..Settlement::default() });
    }
    let lost = judge(&[row(1, ("", DIRECT), 0)], &[Delivered::Refused], now()).warnings;
    assert!(lost.len() == 1 && lost[0].contains("dropped"), "{lost:?}");
    let words = [Delivered::Unpublishable("541".into())];
    let event = judge(&[row(1, ("events", DIRECT), 0)], &words, now());
    assert_eq!(event.settlement.undeliverable.len(), 1, "a routing key of another exchange is no reply-to");
}
