//! What follows from the answer of a webhook: whether its message is done, tried again, or set aside. Pure.
//!
//! Messages are judged one by one: that a receiver answers 410 is known of this message alone, and the next one to the same URL is
//! called once and learns it for itself. So nothing has to be remembered of a URL, and one that is mended works at once.

use std::time::Duration;

use jiff::Timestamp;

use super::backoff::chance;
use crate::clock::later;
use crate::domain::{visible, words};
use crate::engine::ports::store::{OutboxRow, SetAside, Settlement};
use crate::engine::ports::webhook::Answer;

/// The waits after the first tries, in seconds. All others are [`LONGEST_DELAY`].
const FIRST_DELAYS: [u64; 5] = [5, 30, 2 * 60, 10 * 60, 30 * 60];
/// The longest wait, also where a receiver asks for a longer one: one that is mended gets its messages within an hour.
pub const LONGEST_DELAY: Duration = Duration::from_secs(3600);
/// By how much a wait is shorter at most, so that messages which failed together do not come back together.
const JITTER: f64 = 0.2;
/// How much of a `Location` is repeated, in characters.
const SHOWN: usize = 120;

/// How much is kept of what was wrong, in characters.
const LONGEST_REASON: usize = 300;

/// What the reasons of messages that were set aside begin with.
pub(super) const GONE: &str = "the webhook is gone: ";
pub(super) const FAILED: &str = "the webhook failed: ";

words! {
    /// What came of a call, as metrics count it.
    pub enum Outcome {
        /// The receiver has it.
        Delivered = "delivered",
        /// It is tried again.
        Failed = "failed",
        /// It was set aside: tried for long enough, or webhooks are off.
        GivenUp = "given-up",
        /// It was set aside: the receiver says that it is gone.
        Gone = "gone",
    }
}

/// What follows from an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// In a word.
    pub outcome: Outcome,
    /// What was wrong; empty if nothing was.
    pub why: String,
    /// When it is tried again.
    pub again: Option<Timestamp>,
    /// What the store is to be told.
    pub settlement: Settlement,
}

/// How often a message is tried, so that the tries are spread over about this time.
pub fn tries_within(give_up: Duration) -> u32 {
    let (mut tries, mut spent) = (1, Duration::ZERO);
    while spent < give_up {
        spent += curve(tries);
        tries += 1;
    }
    tries
}

/// When a message that was tried so often, and is tried again at `due`, is tried for the last time of `most`, without jitter.
pub fn last_try(tries: u32, due: Timestamp, most: u32) -> Timestamp {
    let waits: Duration = (tries.saturating_add(2)..=most).map(|tries| curve(tries.saturating_sub(1))).sum();
    later(due, waits)
}

/// Judges the answer to a message that may be tried `most` times.
pub fn judge(row: &OutboxRow, answer: &Answer, most: u32, now: Timestamp) -> Judged {
    let number = row.number;
    let tries = row.tries.saturating_add(1);
    let (outcome, why, asked) = match answer {
        Answer::Answered { status: 200..=299, .. } => (Outcome::Delivered, String::new(), None),
        Answer::Answered { status: 410, .. } => (Outcome::Gone, "the receiver answered 410".to_owned(), None),
        Answer::Answered { status, retry_after, location } => {
            (Outcome::Failed, answered(*status, location.as_deref()), *retry_after)
        }
        Answer::Unanswered(why) => (Outcome::Failed, format!("no answer: {why}"), None),
        Answer::Forbidden(why) => (Outcome::Failed, why.clone(), None),
        Answer::Off => {
            (Outcome::GivenUp, "this worker calls no webhooks, its configuration has no [webhook]".into(), None)
        }
    };
    let outcome = if outcome == Outcome::Failed && tries >= most { Outcome::GivenUp } else { outcome };
    let mut settlement = Settlement::default();
    let aside = |begins: &str| {
        vec![SetAside { number, reason: format!("{begins}{why}"), tries, given_up: outcome == Outcome::GivenUp }]
    };
    let mut again = None;
    match outcome {
        Outcome::Delivered => settlement.done = vec![number],
        Outcome::Failed => {
            let due = later(now, delay(row, asked));
            settlement.refused = vec![(number, due)];
            // A cause can be as long as a receiver likes.
            settlement.reasons = vec![(number, why.chars().take(LONGEST_REASON).collect())];
            again = Some(due);
        }
        Outcome::GivenUp => settlement.undeliverable = aside(FAILED),
        Outcome::Gone => settlement.undeliverable = aside(GONE),
    }
    Judged { outcome, why, again, settlement }
}

fn answered(status: u16, location: Option<&str>) -> String {
    match (status, location) {
        (300..=399, Some(to)) => {
            let to: String = visible(to).chars().take(SHOWN).collect();
            format!("the receiver answered {status}, a redirect to {to}, and none is followed")
        }
        (300..=399, None) => format!("the receiver answered {status}, a redirect, and none is followed"),
        _ => format!("the receiver answered {status}"),
    }
}

/// The wait before a message is tried again, and not shorter than its receiver asks for.
fn delay(row: &OutboxRow, asked: Option<Duration>) -> Duration {
    let curve = curve(row.tries.saturating_add(1));
    let wait = curve - curve.mul_f64(JITTER * chance(&row.number.to_string(), row.tries));
    wait.max(asked.unwrap_or_default()).min(LONGEST_DELAY)
}

/// The wait after this many tries, without jitter.
fn curve(tries: u32) -> Duration {
    let place = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX);
    FIRST_DELAYS.get(place).map_or(LONGEST_DELAY, |seconds| Duration::from_secs(*seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decide::delivery::Cause;
    use crate::engine::ports::mail::Outgoing;

    fn now() -> Timestamp {
        "2026-11-29T10:00:00Z".parse().unwrap()
    }

    fn row(number: i64, tries: u32) -> OutboxRow {
        OutboxRow { number, outgoing: Outgoing::default(), tries }
    }

    fn status(status: u16) -> Answer {
        Answer::Answered { status, retry_after: None, location: None }
    }

    fn wait(judged: &Judged) -> Duration {
        Duration::try_from(judged.again.unwrap().duration_since(now())).unwrap()
    }

    #[test]
    fn every_status_has_one_outcome() {
        for code in 100..=599 {
            let expected = match code {
                200..=299 => Outcome::Delivered,
                410 => Outcome::Gone,
                _ => Outcome::Failed,
            };
            let judged = judge(&row(7, 0), &status(code), 28, now());
            assert_eq!(judged.outcome, expected, "{code}");
            let Settlement { done, undeliverable, refused, reasons } = &judged.settlement;
            assert_eq!(reasons.len(), refused.len(), "{code}: what was wrong is kept while it waits");
            assert_eq!(done.len() + undeliverable.len() + refused.len(), 1, "{code}");
            assert_eq!(judged.again.is_some(), expected == Outcome::Failed, "{code}");
            assert_eq!(judged.why.contains(&code.to_string()), expected != Outcome::Delivered, "{code}");
            assert_eq!(judged.why.contains("redirect"), (300..400).contains(&code), "{code}");
        }
    }

    #[test]
    fn what_fails_is_tried_until_its_last_try_and_then_set_aside_with_what_was_seen() {
        let unanswered = Answer::Unanswered("connection refused".into());
        let forbidden = Answer::Forbidden("h has only addresses that may not be called: 10.0.0.1 (private)".into());
        for answer in [status(500), status(404), status(302), unanswered, forbidden] {
            let early = judge(&row(7, 26), &answer, 28, now());
            assert_eq!(early.outcome, Outcome::Failed, "{answer:?}");
            let last = judge(&row(7, 27), &answer, 28, now());
            assert_eq!((last.outcome, last.again), (Outcome::GivenUp, None));
            let [aside] = &last.settlement.undeliverable[..] else { panic!("{last:?}") };
            assert_eq!((aside.number, aside.tries), (7, 28));
            assert!(aside.reason.ends_with(&last.why) && Cause::of(&aside.reason) == Cause::WebhookFailed, "{aside:?}");
        }
        let gone = judge(&row(7, 0), &status(410), 28, now());
        assert_eq!(Cause::of(&gone.settlement.undeliverable[0].reason), Cause::WebhookGone);
        let off = judge(&row(7, 0), &Answer::Off, 28, now());
        assert!(off.outcome == Outcome::GivenUp && off.why.contains("[webhook]"));
    }

    #[test]
    fn waits_grow_to_an_hour_and_are_a_little_shorter_by_chance() {
        let mut before = Duration::ZERO;
        for tries in 0..100 {
            let curve = curve(tries + 1);
            assert!(curve >= before && curve <= LONGEST_DELAY);
            before = curve;
            let waits: Vec<Duration> =
                (0..50).map(|n| wait(&judge(&row(n, tries), &status(500), 200, now()))).collect();
            assert!(waits.iter().all(|wait| *wait <= curve && *wait >= curve.mul_f64(1.0 - JITTER)), "{tries}");
            assert!(waits.iter().collect::<std::collections::BTreeSet<_>>().len() > 40, "they differ");
        }
        assert_eq!(before, LONGEST_DELAY);
    }

    #[test]
    fn a_receiver_is_left_alone_for_as_long_as_it_asks_but_an_hour_at_most() {
        let asks =
            |seconds| Answer::Answered { status: 503, retry_after: Some(Duration::from_secs(seconds)), location: None };
        let waits = |tries, seconds| wait(&judge(&row(1, tries), &asks(seconds), 28, now())).as_secs();
        assert_eq!([waits(0, 60), waits(0, 3600), waits(0, 999_999_999)], [60, 3600, 3600]);
        assert!(waits(0, 0) >= 4, "not shorter than without");
        assert!(waits(9, 1) >= 2880);
    }

    #[test]
    fn tries_are_spread_over_the_time_that_is_configured() {
        for (hours, tries) in [(1, 7), (24, 30), (168, 174)] {
            let give_up = Duration::from_secs(hours * 3600);
            assert_eq!(tries_within(give_up), tries, "{hours} h");
            let spent: Duration = (1..tries).map(curve).sum();
            assert!(spent >= give_up && spent < give_up + LONGEST_DELAY, "{spent:?}");
        }
        assert_eq!(tries_within(Duration::from_secs(1)), 2);
        let whole: Duration = (1..30).map(curve).sum();
        assert_eq!(last_try(0, now(), 30), later(now(), whole), "the first of thirty");
        assert_eq!(last_try(28, now(), 30), later(now(), LONGEST_DELAY));
        assert_eq!(last_try(29, now(), 30), now(), "it is the last one");
    }

    #[test]
    fn of_a_redirect_some_is_shown_and_nothing_that_moves_a_cursor() {
        let answer = Answer::Answered {
            status: 307,
            retry_after: None,
            location: Some(format!("\u{1b}[2J{}", "x".repeat(999))),
        };
        let why = judge(&row(1, 0), &answer, 28, now()).why;
        assert!(why.len() < 300 && !why.contains('\u{1b}'), "{why}");
    }
}
