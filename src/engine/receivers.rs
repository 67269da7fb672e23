//! What is known of the receivers of webhooks: which ones fail, since this worker has started.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::engine::decide::webhook::{Judged, Outcome};

/// How many failing receivers are remembered: a rule can allow every name below a domain, and a requester can make names up.
const MOST: usize = 100;
/// How many of them are named in one line.
const NAMED: usize = 3;

/// The receivers that fail, by host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receivers(BTreeMap<String, Failing>);

/// A receiver that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failing {
    since: Timestamp,
    /// What was wrong last.
    why: String,
    /// When the message that failed last is tried again.
    again: Option<Timestamp>,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The receiver answered well before, as far as is known, and fails.
    Fails,
    /// It failed before this long, in whole seconds, and has taken a message.
    Mended(i64),
}

impl Receivers {
    /// Takes note of what came of a call to a host.
    pub fn note(&mut self, host: &str, judged: &Judged, now: Timestamp) -> Option<Turn> {
        if judged.outcome == Outcome::Delivered {
            let failing = self.0.remove(host)?;
            return Some(Turn::Mended(now.duration_since(failing.since).as_secs()));
        }
        let (why, again) = (judged.why.clone(), judged.again);
        if let Some(failing) = self.0.get_mut(host) {
            (failing.why, failing.again) = (why, again);
            return None;
        }
        if self.0.len() < MOST {
            self.0.insert(host.to_owned(), Failing { since: now, why, again });
            return Some(Turn::Fails);
        }
        None
    }

    /// Who fails, since when, why, and when it is tried again, in one line; `None` if none does.
    pub fn failing(&self) -> Option<String> {
        let named = self.0.iter().take(NAMED).map(|(host, Failing { since, why, again })| {
            let again = again.map(|again| format!(", next try {again:.0}")).unwrap_or_default();
            format!("{host} since {since:.0} ({why}{again})")
        });
        let named: Vec<String> = named.collect();
        let more = self.0.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!named.is_empty()).then(|| format!("webhooks fail: {}{more}", named.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::decide::webhook::judge;
    use crate::engine::ports::mail::Outgoing;
    use crate::engine::ports::store::OutboxRow;
    use crate::engine::ports::webhook::Answer;

    fn at(second: u64) -> Timestamp {
        format!("2026-11-29T10:00:{second:02}Z").parse().unwrap()
    }

    fn judged(status: u16) -> Judged {
        let row = OutboxRow { number: 1, outgoing: Outgoing::default(), tries: 0 };
        judge(&row, &Answer::Answered { status, retry_after: None, location: None }, 9, at(0))
    }

    #[test]
    fn a_receiver_that_fails_is_told_of_once_and_once_more_when_it_is_mended() {
        let mut receivers = Receivers::default();
        assert_eq!(receivers.note("h", &judged(200), at(0)), None);
        assert_eq!(receivers.failing(), None);
        assert_eq!(receivers.note("h", &judged(500), at(1)), Some(Turn::Fails));
        assert_eq!(receivers.note("h", &judged(503), at(2)), None);
        let said = receivers.failing().unwrap();
        let begins =
            "webhooks fail: h since 2026-11-29T10:00:01Z (the receiver answered 503, next try 2026-11-29T10:00:0";
        assert!(said.starts_with(begins), "{said}");
        assert_eq!(receivers.note("other", &judged(200), at(3)), None);
        assert_eq!(receivers.note("h", &judged(204), at(9)), Some(Turn::Mended(8)));
        assert_eq!(receivers, Receivers::default());
    }

    #[test]
    fn however_many_fail_few_are_remembered_and_fewer_named() {
        let mut receivers = Receivers::default();
        for n in 0..1_000 {
            receivers.note(&format!("h{n:04}"), &judged(410), at(0));
        }
        assert_eq!(receivers.0.len(), MOST);
        let said = receivers.failing().unwrap();
        assert!(said.contains("h0002") && said.ends_with(" and 97 more"), "{said}");
        assert_eq!(receivers.note("h0999", &judged(200), at(1)), None, "it was not remembered");
    }
}
