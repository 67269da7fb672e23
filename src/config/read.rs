//! From the raw settings to those in use: defaults, bounds, and what has to go together.

mod admin;
mod broker;
mod limits;
mod store;
mod trace;
mod webhook;

use std::collections::BTreeMap;
use std::time::Duration;

use self::admin::{read_admin, read_door};
use self::broker::read_broker;
use self::limits::{read_hourly, read_limits, read_unbegun};
use self::store::{read_keep, read_store};
use self::trace::read_trace;
use self::webhook::read_webhook;
use super::bounds::MOST_CONCURRENCY;
use super::raw_settings::RawSettings;
use super::settings::{AccountConfig, Config, ConfigFor, LogConfig, LogFormat, WorkerConfig};
use super::source::Setting;
use super::{credentials, endpoints, schema};
use crate::cloud::Endpoints;
use crate::domain::{AccountUid, Code, Hour, Site};
use crate::workflow::{Overrides, OverridingFile};

/// Reads every setting. Problems are added to `raw`; the result is only of use if there are none.
pub(super) fn config(raw: &mut RawSettings<'_>) -> Config {
    let endpoints = endpoints::read(raw);
    let name = raw.text("worker", "name").map_or_else(host_name, |name| name.value);
    let broker = read_broker(raw);
    let admin = read_admin(raw);
    let door = read_door(raw, &broker, &admin);
    Config {
        hour: read_hour(raw, &endpoints),
        store: read_store(raw, &name),
        keep: read_keep(raw),
        installation: read_installation(raw, &broker.prefix),
        broker,
        door,
        admin,
        endpoints,
        limits: read_limits(raw),
        worker: WorkerConfig {
            concurrency: raw.number("worker", "concurrency", 1, MOST_CONCURRENCY).map_or(256, |n| n as usize),
            drain: raw.duration("worker", "drain").map_or(Duration::from_secs(20), |span| span.value),
            name,
        },
        overrides: Overrides { policies: read_file(raw, "policies"), errors: read_file(raw, "errors") },
        accounts: read_accounts(raw),
        allow: std::mem::take(&mut raw.file.allow),
        hourly: read_hourly(raw),
        unbegun_per_instance: read_unbegun(raw),
        two_persons: raw.flag("approval", "two_persons").unwrap_or(false),
        webhook: read_webhook(raw),
        log: LogConfig {
            format: raw.word("log", "format", &LogFormat::WORDS).unwrap_or(LogFormat::Text),
            filter: raw.text("log", "filter").map_or("info".into(), |filter| filter.value),
        },
        trace: read_trace(raw),
        warnings: Vec::new(),
    }
}

fn read_hour(raw: &mut RawSettings<'_>, endpoints: &Endpoints) -> Hour {
    let Some(span) = raw.duration("", "hour") else { return Hour::REAL };
    let Some(hour) = Hour::new(span.value) else {
        raw.report(&span.location, "`hour` must be at least 10 ms long, in whole milliseconds");
        return Hour::REAL;
    };
    let is_set = [
        ("cbn", endpoints.cbn.is_some()),
        ("sts", endpoints.sts.is_some()),
        ("smartag", endpoints.smartag.is_some()),
        ("vpc", endpoints.vpc.is_some()),
    ];
    let missing: Vec<_> = is_set.iter().filter(|(_, set)| !set).map(|(product, _)| format!("`{product}`")).collect();
    if hour != Hour::REAL && !missing.is_empty() {
        let message = format!(
            "`hour` can only be changed together with all `[cloud.endpoints]`, of which {} is missing: the hour of the real \
             cloud is 1h",
            missing.join(", ")
        );
        raw.report_as(Code::ConfigHour, &span.location, message);
    }
    hour
}

/// The longest name of an installation: it is in every event.
const LONGEST_INSTALLATION: usize = 64;

/// By default the prefix: of two installations at one broker, each has its own.
fn read_installation(raw: &mut RawSettings<'_>, prefix: &str) -> String {
    let Some(Setting { value: name, location }) = raw.text("events", "installation") else { return prefix.to_owned() };
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.len() > LONGEST_INSTALLATION || !name.bytes().all(of_a_name) {
        let message = format!(
            "`installation` must be one word of at most {LONGEST_INSTALLATION} letters, digits, `-`, `_` and `.`, such as \"prod-hangzhou\""
        );
        raw.report(&location, message);
    }
    name
}

fn read_file(raw: &mut RawSettings<'_>, key: &str) -> Option<OverridingFile> {
    raw.contents("workflows", key).map(|(file, text)| OverridingFile { file, text })
}

fn read_accounts(raw: &mut RawSettings<'_>) -> BTreeMap<AccountUid, AccountConfig> {
    if raw.purpose != ConfigFor::Everything {
        return BTreeMap::new();
    }
    let hub = credentials::hub(raw);
    let mut accounts = BTreeMap::new();
    for text in raw.accounts() {
        let section = format!("{}.{text}", schema::ACCOUNTS);
        let bare = raw.file.bare_accounts.get(&text).cloned();
        let Some(location) = raw.beginning(&section).or(bare) else { continue };
        let sites = Site::ALL.map(|site| (site.as_str(), site));
        let site = raw.word(&section, "site", &sites).unwrap_or(Site::China);
        match AccountUid::parse(&*text) {
            Ok(uid) => {
                if let Some(credential) = credentials::account(raw, &section, &uid, location, &hub) {
                    accounts.insert(uid, AccountConfig { site, credential });
                }
            }
            Err(error) => raw.report(&location, format!("`{text}` is not the uid of an account: {error}")),
        }
    }
    accounts
}

/// The host's name, which stays the same when the process is started again.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".into() } else { name.into() }
}
