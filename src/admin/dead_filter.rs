//! Which dead messages are meant: the filter of their list, and of every command on many of them.

use jiff::Timestamp;

use super::dead_view::Undeliverable;
use super::error::ApiError;
use super::filter::time;
use super::query::{bad, parsed};
use crate::domain::{Code, Requester};
use crate::engine::decide::delivery::Cause;
use crate::engine::ports::store::Rejected;

/// The parameters.
pub(super) const DEAD_FILTERS: [&str; 5] = ["to", "for", "requester", "since", "until"];

/// Which dead messages are meant. A field that is left empty excludes none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DeadFilter {
    /// Messages to this queue, or to this exchange.
    to: Option<String>,
    /// Messages that could not be published for this cause.
    cause: Option<Cause>,
    /// Messages that were rejected with a fault of this code.
    fault: Option<Code>,
    /// Messages from this requester.
    requester: Option<Requester>,
    /// Messages from this time or later.
    since: Option<Timestamp>,
    /// Messages from before this time.
    until: Option<Timestamp>,
}

impl DeadFilter {
    /// Narrows it by a parameter; false for one that is not of [`DEAD_FILTERS`].
    pub fn narrow(&mut self, key: &str, value: &str, now: Timestamp) -> Result<bool, ApiError> {
        match key {
            "to" => self.to = Some(value.to_owned()),
            "for" => {
                (self.cause, self.fault) = (Cause::parse(value), Code::parse(value));
                if self.cause.is_none() && self.fault.is_none() {
                    let causes = Cause::ALL.map(Cause::as_str).join(", ");
                    let why = format!("must be one of {causes}, or the code of a fault such as job-missing-field");
                    return Err(bad(key, value, &why));
                }
            }
            "requester" => self.requester = Some(parsed(key, value, "the name of a requester")?),
            "since" => self.since = Some(time(key, value, now)?),
            "until" => self.until = Some(time(key, value, now)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn takes_undeliverable(&self, message: &Undeliverable) -> bool {
        let goes_to = |to: &String| *to == message.exchange || *to == message.routing_key;
        self.fault.is_none()
            && self.requester.is_none()
            && self.to.as_ref().is_none_or(goes_to)
            && self.cause.is_none_or(|cause| cause.as_str() == message.cause)
            && self.is_of(message.time)
    }

    pub fn takes_rejected(&self, rejected: &Rejected) -> bool {
        self.to.is_none()
            && self.cause.is_none()
            && self.fault.is_none_or(|code| codes(rejected).any(|found| found == code.as_str()))
            && self.requester.as_ref().is_none_or(|requester| *requester == rejected.requester)
            && self.is_of(Some(rejected.at))
    }

    /// A message of which no time is known is not of a time that is asked for.
    fn is_of(&self, at: Option<Timestamp>) -> bool {
        let since = self.since.is_none_or(|since| at.is_some_and(|at| at >= since));
        since && self.until.is_none_or(|until| at.is_some_and(|at| at < until))
    }
}

/// The codes of the faults of a rejection.
pub(super) fn codes(rejected: &Rejected) -> impl Iterator<Item = &str> {
    let faults = rejected.reasons.as_array().map(Vec::as_slice).unwrap_or_default();
    faults.iter().filter_map(|fault| fault.get("code")?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{START, at};

    fn filter(pairs: &[(&str, &str)]) -> DeadFilter {
        let mut filter = DeadFilter::default();
        for (key, value) in pairs {
            assert!(filter.narrow(key, value, at(START)).unwrap(), "{key}");
        }
        filter
    }

    fn reply(to: &str, time: Option<&str>) -> Undeliverable {
        Undeliverable {
            number: 1,
            message_id: "m".into(),
            exchange: String::new(),
            routing_key: to.into(),
            reason: "no queue takes it".into(),
            cause: "no-queue".into(),
            tries: 0,
            time: time.map(at),
        }
    }

    fn rejected() -> Rejected {
        Rejected {
            uid: crate::admin::testing::record("R").uid,
            at: at("2026-11-21T10:00:00Z"),
            requester: Requester::parse("bot").unwrap(),
            job_id: None,
            batch_id: None,
            faults_not_listed: 0,
            reasons: serde_json::json!([{"code": "job-missing-field"}, {"code": "job-unknown-field"}]),
        }
    }

    #[test]
    fn every_parameter_narrows_and_what_is_not_of_its_sort_is_left_out() {
        let message = reply("answers", Some("2026-11-21T10:00:00Z"));
        for (pairs, of_message, of_rejected) in [
            (&[][..], true, true),
            (&[("to", "answers")], true, false),
            (&[("to", "other")], false, false),
            (&[("for", "no-queue")], true, false),
            (&[("for", "refused")], false, false),
            (&[("for", "job-unknown-field")], false, true),
            (&[("for", "job-too-large")], false, false),
            (&[("requester", "bot")], false, true),
            (&[("requester", "cat")], false, false),
            (&[("since", "2026-11-21T10:00:00Z")], true, true),
            (&[("until", "2026-11-21T10:00:00Z")], false, false),
            (&[("since", "10m")], false, false),
            (&[("since", "1h"), ("until", "10m")], true, true),
        ] {
            let filter = filter(pairs);
            let taken = (filter.takes_undeliverable(&message), filter.takes_rejected(&rejected()));
            assert_eq!(taken, (of_message, of_rejected), "{pairs:?}");
            assert_eq!(filter.is_empty(), pairs.is_empty());
        }
        let timeless = reply("crossgrant.dead", None);
        assert!(!filter(&[("until", "1m")]).takes_undeliverable(&timeless), "no time of it is known");
        let mut filter = DeadFilter::default();
        assert!(!filter.narrow("number", "1", at(START)).unwrap());
        let error = filter.narrow("for", "noqueue", at(START)).unwrap_err().to_string();
        assert!(error.contains("must be one of no-queue, refused"), "{error}");
    }
}
