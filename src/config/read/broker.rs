//! `[broker]`: where it is, of what kind, and how requesters prove who they are where it does not.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::super::bounds::MOST_PREFETCH;
use super::super::error::Warning;
use super::super::raw_settings::RawSettings;
use super::super::schema;
use super::super::settings::{BrokerConfig, ConfigFor, DEFAULT_PREFIX};
use crate::broker::{BrokerKind, url_fault};
use crate::document::Location;
use crate::domain::{Code, Requester};

pub(super) fn read_broker(raw: &mut RawSettings<'_>) -> BrokerConfig {
    let (urls, ca_pem) = match raw.purpose {
        ConfigFor::Worker => (Some(vec![]), None),
        ConfigFor::Everything | ConfigFor::Broker => {
            (raw.secrets("broker", "url"), raw.contents("broker", "ca_file").map(|(_, pem)| pem))
        }
    };
    for (number, url) in urls.iter().flatten().enumerate() {
        if let (Some(why), Some(at)) = (url_fault(url.expose_secret()), raw.location("broker", &["url", "url_file"])) {
            let which = if number == 0 { String::new() } else { format!(", URL number {}", number + 1) };
            let message = format!(
                "`url`{which} is not that of a broker ({why}); write it as \"amqps://user:password@host:5671/%2f\""
            );
            raw.report(&at, message);
        }
    }
    let prefix = raw.text("broker", "prefix").map_or(DEFAULT_PREFIX.to_owned(), |prefix| {
        if prefix.value.len() > 100 {
            raw.report(&prefix.location, "`prefix` must not be longer than 100 bytes");
        }
        prefix.value
    });
    let kinds = BrokerKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = raw.word("broker", "kind", &kinds).unwrap_or_default();
    BrokerConfig {
        kind,
        hold: read_hold(raw, kind),
        requesters: read_requesters(raw, kind),
        urls: urls.unwrap_or_else(|| vec!["amqp://guest:guest@127.0.0.1:5672/%2f".into()]),
        prefix,
        prefetch: raw
            .number("broker", "prefetch", 1, MOST_PREFETCH)
            .map_or(200, |n| u16::try_from(n).expect("bounded just above")),
        declare: raw.flag("broker", "declare").unwrap_or_else(|| kind.declares()),
        ca_pem,
    }
}

/// Below this the broker would take deliveries back faster than a busy store can commit them.
const LEAST_REDELIVERY: Duration = Duration::from_secs(10);

/// How long deliveries are held: by default two thirds of the time after which the broker takes them back, at most five sixths. The
/// rest is for those that had arrived before, and for giving them back.
fn read_hold(raw: &mut RawSettings<'_>, kind: BrokerKind) -> Duration {
    let redelivery = raw.duration("broker", "redelivery").map_or(kind.redelivery(), |span| {
        if span.value < LEAST_REDELIVERY {
            raw.report(&span.location, format!("`redelivery` must be at least {LEAST_REDELIVERY:?}"));
        }
        span.value
    });
    let Some(hold) = raw.duration("broker", "hold") else { return redelivery * 2 / 3 };
    let most = redelivery * 5 / 6;
    if hold.value > most {
        let message = format!(
            "`hold` must be at most {most:?}: after {redelivery:?} the broker takes back what is not acknowledged (`redelivery`; by \
             default that of kind \"{kind}\")"
        );
        raw.report(&hold.location, message);
    }
    hold.value
}

/// As many bytes as the hash of HMAC-SHA-256 has. `openssl rand -hex 32` makes a good one.
const LEAST_KEY: usize = 32;

fn read_requesters(raw: &mut RawSettings<'_>, kind: BrokerKind) -> BTreeMap<Requester, Vec<SecretString>> {
    let mut requesters = BTreeMap::new();
    if raw.purpose == ConfigFor::Worker {
        return requesters;
    }
    for number in 0.. {
        let section = format!("{}.{number}", schema::REQUESTERS);
        let Some(at) = raw.beginning(&section) else { break };
        if raw.location(&section, &["key", "key_file"]).is_none() {
            raw.report(&at, "this `[[broker.requester]]` has neither `key` nor `key_file`");
        }
        let (Some(name), Some(keys)) = (raw.text(&section, "name"), raw.secrets(&section, "key")) else { continue };
        check_keys(raw, &at, &keys);
        match Requester::parse(&*name.value) {
            Ok(requester) if requester.token().is_some() => {
                let message =
                    format!("`name` must not begin with \"{}\": such names are those of `[door]`", Requester::DOOR);
                raw.report(&name.location, message);
            }
            Ok(requester) => {
                if requesters.insert(requester, keys).is_some() {
                    let message = format!("`name` is \"{}\", as that of another requester is", name.value);
                    raw.report_as(Code::ConfigContradiction, &name.location, message);
                }
            }
            Err(error) => raw.report(&name.location, format!("`name` cannot be used: {error}")),
        }
    }
    if requesters.is_empty() && !kind.verifies_user_id() {
        let message = format!(
            "kind \"{kind}\" verifies no user_id and there is no [[broker.requester]], so every job comes from `anonymous`"
        );
        raw.warnings.push(Warning { code: Code::ConfigNoRequester, message });
    }
    requesters
}

pub(super) fn check_keys(raw: &mut RawSettings<'_>, at: &Location, keys: &[SecretString]) {
    if keys.iter().any(|key| key.expose_secret().len() < LEAST_KEY) {
        let message = format!("`key` must have at least {LEAST_KEY} characters, as `openssl rand -hex 32` makes it");
        raw.report(at, message);
    }
}
