//! `[webhook]`: what signs, how long it is tried, and which networks may be called.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::super::bounds::MOST_KEYS;
use super::super::raw_settings::RawSettings;
use super::super::schema;
use super::super::settings::ConfigFor;
use super::super::source::Setting;
use crate::domain::Code;
use crate::domain::webhook::HostPattern;
use crate::webhook::{HttpCaller, Network, Receiver, SigningKey, WebhookSettings};

/// Until the next morning, so that a person can mend what failed in the night.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// The longest time for which a webhook is tried.
const LONGEST_GIVE_UP: Duration = Duration::from_secs(7 * 24 * 3600);
pub(super) fn read_webhook(raw: &mut RawSettings<'_>) -> Option<WebhookSettings> {
    if raw.purpose != ConfigFor::Everything {
        return None;
    }
    let at = raw.beginning("webhook")?;
    let Some(keys) = read_keys(raw, "webhook") else {
        raw.report(&at, "`[webhook]` has neither `secret` nor `secret_file`");
        return None;
    };
    let receivers = read_receivers(raw);
    let give_up = raw.duration("webhook", "give_up").map_or(GIVE_UP, |span| {
        if span.value > LONGEST_GIVE_UP {
            raw.report(&span.location, "`give_up` must be at most 168h");
        }
        span.value
    });
    let mut networks = Vec::new();
    if let Some(Setting { value: texts, location }) = raw.strings("webhook", "networks") {
        for text in &texts {
            match Network::parse(text) {
                Ok(network) => networks.push(network),
                Err(why) => raw.report(&location, format!("`networks`: {why}")),
            }
        }
    }
    let ca = raw.text("webhook", "ca_file");
    let ca_pem = ca.as_ref().and_then(|path| raw.file_of("ca_file", path));
    let settings = WebhookSettings { keys, receivers, give_up, networks, ca_pem };
    if let (Some(path), Err(why)) = (ca, HttpCaller::new(&settings)) {
        raw.report(&path.location, format!("`ca_file` cannot be used: {why}"));
    }
    Some(settings)
}

/// The secrets of a section; `None` if none is set there.
fn read_keys(raw: &mut RawSettings<'_>, section: &str) -> Option<Vec<SigningKey>> {
    let secrets = raw.secrets(section, "secret");
    let location = raw.location(section, &["secret", "secret_file"])?;
    let secrets = secrets.unwrap_or_default();
    if secrets.len() > MOST_KEYS {
        raw.report(&location, format!("`secret` has {} secrets; {MOST_KEYS} can sign at a time", secrets.len()));
    }
    let mut keys = Vec::new();
    for (number, secret) in (1..).zip(&secrets) {
        match SigningKey::parse(secret.expose_secret()) {
            Ok(key) => keys.push(key),
            Err(why) => raw.report(&location, format!("`secret`, number {number}, {why}")),
        }
    }
    Some(keys)
}

fn read_receivers(raw: &mut RawSettings<'_>) -> Vec<Receiver> {
    let mut receivers: Vec<Receiver> = Vec::new();
    for number in 0.. {
        let section = format!("{}.{number}", schema::RECEIVERS);
        let Some(at) = raw.beginning(&section) else { break };
        let keys = read_keys(raw, &section);
        if keys.is_none() {
            raw.report(&at, "this `[[webhook.receiver]]` has neither `secret` nor `secret_file`");
        }
        let (Some(host), Some(keys)) = (raw.text(&section, "host"), keys) else { continue };
        match HostPattern::parse(&host.value) {
            Ok(pattern) if receivers.iter().any(|receiver| receiver.host == pattern) => {
                let message = format!("`host` is \"{}\", as that of another receiver is", host.value);
                raw.report_as(Code::ConfigContradiction, &host.location, message);
            }
            Ok(host) => receivers.push(Receiver { host, keys }),
            Err(why) => raw.report(&host.location, format!("`host` cannot be \"{}\": {why}", host.value)),
        }
    }
    receivers
}
