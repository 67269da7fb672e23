//! The filter language: the query parameters that name jobs, alike wherever jobs are listed or commanded.
//!
//! The reason of the closed list is `for`, as in "parked for": `reason` is what an operator says with a command.

use jiff::Timestamp;

use super::error::ApiError;
use super::query::{PAGE, bad, pairs, unknown};
use crate::clock::earlier;
use crate::domain::{AccountUid, CenId, InstanceId, Kind, Reason, Requester, parse_duration};
use crate::engine::ports::store::Filter;
use crate::engine::record::State;

/// The parameters of the language.
pub(super) const FILTERS: [&str; 16] = [
    "state",
    "kind",
    "for",
    "half-done",
    "overdue",
    "held",
    "account",
    "blames",
    "cen",
    "instance",
    "requester",
    "batch",
    "label",
    "since",
    "until",
    "older-than",
];

/// Reads a query. `also` are the parameters that the path has besides; `other` takes one of these.
pub(super) fn read(
    query: Option<&str>,
    now: Timestamp,
    also: &[&str],
    mut other: impl FnMut(&mut Filter, &str, &str) -> Result<(), ApiError>,
) -> Result<Filter, ApiError> {
    let mut filter = Filter { limit: PAGE, ..Filter::default() };
    for (key, value) in pairs(query) {
        if also.contains(&key.as_str()) {
            other(&mut filter, &key, &value)?;
        } else if FILTERS.contains(&key.as_str()) {
            narrow(&mut filter, &key, &value, now)?;
        } else {
            return Err(unknown(&key, &[&FILTERS[..], also].concat()));
        }
    }
    Ok(filter)
}

/// Narrows a filter by one of [`FILTERS`].
fn narrow(filter: &mut Filter, key: &str, value: &str, now: Timestamp) -> Result<(), ApiError> {
    match key {
        "state" => {
            let one_of = one_of(State::ALL.map(State::as_str));
            let hint = if value.contains("held") { "; a held job is queued or running: held=true" } else { "" };
            let states = listed(value, State::parse).ok_or_else(|| bad(key, value, &format!("{one_of}{hint}")))?;
            filter.states.extend(states);
        }
        "kind" => {
            let kind = Kind::parse(value).ok_or_else(|| bad(key, value, &one_of(Kind::ALL.map(Kind::as_str))))?;
            filter.kind = Some(kind);
        }
        "for" => {
            let reasons = listed(value, Reason::parse)
                .ok_or_else(|| bad(key, value, &one_of(Reason::ALL.map(Reason::as_str))))?;
            filter.reasons.extend(reasons);
        }
        "half-done" => filter.half_done = Some(either(key, value)?),
        "overdue" => filter.overdue = only_true(key, value)?,
        "held" => filter.held = only_true(key, value)?,
        "account" => filter.account = Some(named(key, value, AccountUid::parse(value))?),
        "blames" => filter.blames = Some(named(key, value, AccountUid::parse(value))?),
        "instance" => filter.instance = Some(named(key, value, InstanceId::parse(value))?),
        "cen" => filter.cen = Some(named(key, value, CenId::parse(value))?),
        "requester" => filter.requester = Some(named(key, value, Requester::parse(value))?),
        // Looked up in the store by `Admin::filter`.
        "batch" => {}
        "label" => {
            let (name, value) =
                value.split_once('=').ok_or_else(|| bad(key, value, "must be name=value, such as ticket=NET-4312"))?;
            filter.label = Some((name.to_owned(), value.to_owned()));
        }
        "since" => filter.since = Some(time(key, value, now)?),
        "until" => narrow_until(filter, time(key, value, now)?),
        _ => {
            let age = parse_duration(value).map_err(|error| bad(key, value, &error.to_string()))?;
            narrow_until(filter, earlier(now, age));
        }
    }
    Ok(())
}

fn narrow_until(filter: &mut Filter, at: Timestamp) {
    filter.until = Some(filter.until.map_or(at, |until| until.min(at)));
}

/// Words that are separated by commas; `None` if one of them is none.
fn listed<T>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    value.split(',').map(parse).collect()
}

fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("must be one of {}", words.join(", "))
}

fn named<T>(key: &str, value: &str, name: Result<T, impl ToString>) -> Result<T, ApiError> {
    name.map_err(|error| bad(key, value, &error.to_string()))
}

/// A switch. There is none for the opposite, which would be a filter that most jobs match.
fn only_true(key: &str, value: &str) -> Result<bool, ApiError> {
    if value == "true" { Ok(true) } else { Err(bad(key, value, "must be true, or be left out")) }
}

fn either(key: &str, value: &str) -> Result<bool, ApiError> {
    value.parse().map_err(|_| bad(key, value, "must be true or false"))
}

/// A time, or how long ago it was.
pub(super) fn time(key: &str, value: &str, now: Timestamp) -> Result<Timestamp, ApiError> {
    if let Ok(time) = value.parse() {
        return Ok(time);
    }
    let ago = parse_duration(value).map_err(|_| {
        bad(key, value, "must be a time such as 2026-11-29T06:00:00Z, or how long ago it was, such as 2h")
    })?;
    Ok(earlier(now, ago))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::at;

    const NOW: &str = "2026-11-21T10:20:00Z";

    fn of(query: &str) -> Result<Filter, String> {
        let read = read(Some(query), at(NOW), &["limit"], |filter, _, value| {
            filter.limit = value.len();
            Ok(())
        });
        read.map_err(|error| error.to_string())
    }

    #[test]
    fn every_word_of_the_language_narrows() {
        let query = "state=parked,waiting&state=queued&kind=revoke&for=gave-up,half-done&half-done=true&overdue=true&held=true\
            &account=1688000000000001&blames=1250123456123456&cen=cen-44m0p68spvlrqq0001&instance=vpc-bp1h8vbrbcgohcju50001&requester=bot\
            &label=team=a%3Db&since=2026-11-20T00:00:00%2B08:00&until=10m&limit=xxx";
        let expected = Filter {
            states: vec![State::Parked, State::Waiting, State::Queued],
            reasons: vec![Reason::GaveUp, Reason::HalfDone],
            half_done: Some(true),
            overdue: true,
            held: true,
            kind: Some(Kind::Revoke),
            instance: Some(InstanceId::parse("vpc-bp1h8vbrbcgohcju50001").unwrap()),
            cen: Some(CenId::parse("cen-44m0p68spvlrqq0001").unwrap()),
            account: Some(AccountUid::parse("1688000000000001").unwrap()),
            blames: Some(AccountUid::parse("1250123456123456").unwrap()),
            requester: Some(Requester::parse("bot").unwrap()),
            batch: None,
            label: Some(("team".into(), "a=b".into())),
            since: Some(at("2026-11-19T16:00:00Z")),
            until: Some(at("2026-11-21T10:10:00Z")),
            before: None,
            limit: 3,
        };
        assert_eq!(of(query), Ok(expected));
        assert_eq!(of(""), Ok(Filter { limit: PAGE, ..Filter::default() }));
    }

    #[test]
    fn an_age_and_a_time_both_count() {
        let until = |query: &str| of(query).unwrap().until;
        assert_eq!(until("older-than=2h"), Some(at("2026-11-21T08:20:00Z")));
        for query in ["older-than=2h&until=2026-11-21T09:00:00Z", "until=2026-11-21T08:20:00Z&older-than=1h"] {
            assert_eq!(until(query), Some(at("2026-11-21T08:20:00Z")), "{query}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_and_says_what_could() {
        for (query, hint) in [
            ("stat=queued", "did you mean state?"),
            ("state=queud", "must be one of queued, running"),
            ("state=held", "held=true"),
            ("state=parked,", "must be one of"),
            ("for=gave", "gave-up"),
            ("kind=gift", "payer-change"),
            ("half-done=no", "must be true or false"),
            ("overdue=false", "must be true, or be left out"),
            ("held=", "must be true"),
            ("account=x", "1 to 20 digits"),
            ("blames=x", "1 to 20 digits"),
            ("cen=x", "cen-"),
            ("instance=x", "vpc-"),
            ("label=x", "must be name=value, such as ticket=NET-4312"),
            ("since=yesterday", "2h"),
            ("until=-2h", "2h"),
            ("older-than=0s", "longer than zero"),
        ] {
            let error = of(query).unwrap_err();
            assert!(error.contains(hint), "{query}: {error}");
        }
    }
}
