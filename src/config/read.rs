//! From the raw settings to those in use: defaults, bounds, and what has to go together.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};

use super::error::Warning;
use super::raw_settings::RawSettings;
use super::settings::{
    AccountConfig, AdminConfig, BrokerConfig, Config, ConfigFor, DEFAULT_PREFIX, LogConfig, LogFormat, StoreConfig,
    WorkerConfig,
};
use super::source::Setting;
use super::{credentials, endpoints, schema};
use crate::admin::{ADMIN, AdminRole, AdminToken, LOCAL, is_name};
use crate::broker::{BrokerKind, url_fault};
use crate::cloud::{Endpoints, Limits};
use crate::document::Location;
use crate::domain::{AccountUid, Code, Hour, Operation, Requester, Site, without_secrets};
use crate::engine::guards::HourlyLimits;
use crate::store::PostgresSettings;
use crate::webhook::{HttpCaller, Network, SigningKey, WebhookSettings};
use crate::workflow::{Overrides, OverridingFile};

/// 400 days: the id of a ticket stays taken for more than a year.
const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// The largest values of some numbers.
pub(super) const MOST_CONCURRENCY: u64 = 65_536;
pub(super) const MOST_PREFETCH: u64 = 65_535;
pub(super) const MOST_CALLS: u64 = 10_000;
pub(super) const MOST_LIMIT: u64 = 1_000_000;

/// A message may come again long after it was taken: when the broker was down after the acknowledgement was sent, or when a
/// person puts a dead-lettered one back the next morning.
const LEAST_KEEP: Duration = Duration::from_secs(24 * 3600);

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

fn read_keep(raw: &mut RawSettings<'_>) -> Duration {
    let Some(span) = raw.duration("store", "keep") else { return KEEP };
    if span.value < LEAST_KEEP {
        let message = "`keep` must be at least 24h: a message that the broker delivers again must still find its job";
        raw.report(&span.location, message);
    }
    span.value
}

fn read_store(raw: &mut RawSettings<'_>, name: &str) -> StoreConfig {
    let path = raw.text("store", "path");
    if let Some(path) = path.as_ref().filter(|path| path.value.contains("://")) {
        // Without the URL, which may hold a password.
        raw.report(&path.location, "`path` is a URL and must be that of a file; a database is named by `url`");
    }
    let Some(at) = raw.location("store", &["url", "url_file"]) else {
        if let Some(at) = raw.location("store", &["password", "password_file", "ca_file"]) {
            raw.report(&at, "`password` and `ca_file` belong to `url`, which is not set");
        }
        return StoreConfig::File(path.map_or("crossgrant.db".into(), |path| path.value.into()));
    };
    if let Some(path) = path {
        raw.report(&path.location, "`path` and `url` are both set; remove one");
    }
    if raw.purpose == ConfigFor::Worker {
        return StoreConfig::Database(PostgresSettings {
            url: SecretString::default(),
            password: None,
            ca_pem: None,
            name: name.to_owned(),
        });
    }
    let url = raw.secret("store", "url");
    let settings = PostgresSettings {
        url: url.clone().unwrap_or_default(),
        password: raw.secret("store", "password"),
        ca_pem: raw.contents("store", "ca_file").map(|(_, pem)| pem),
        name: name.to_owned(),
    };
    // A URL that could not be read is reported already.
    if let (Some(_), Err(why)) = (url, settings.parse()) {
        raw.report(&at, format!("`url` cannot be used: {why}"));
    }
    if let Some(why) = settings.readable_on_the_way() {
        raw.warnings.push(Warning {
            code: Code::ConfigPlainDatabase,
            message: format!("{why}: write sslmode=require, or leave it out"),
        });
    }
    StoreConfig::Database(settings)
}

fn read_broker(raw: &mut RawSettings<'_>) -> BrokerConfig {
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

fn check_keys(raw: &mut RawSettings<'_>, at: &Location, keys: &[SecretString]) {
    if keys.iter().any(|key| key.expose_secret().len() < LEAST_KEY) {
        let message = format!("`key` must have at least {LEAST_KEY} characters, as `openssl rand -hex 32` makes it");
        raw.report(at, message);
    }
}

fn read_door(raw: &mut RawSettings<'_>, broker: &BrokerConfig, admin: &AdminConfig) -> Vec<SecretString> {
    let submits = admin.tokens.iter().any(|token| token.role == AdminRole::Submitter);
    if raw.purpose != ConfigFor::Everything {
        return Vec::new();
    }
    let Some(at) = raw.location("door", &["key", "key_file"]) else {
        if submits {
            let message =
                "there is a token with the role \"submitter\" and no `[door] key`, so no job comes in over HTTP";
            raw.warnings.push(Warning { code: Code::DoorClosed, message: message.into() });
        }
        return Vec::new();
    };
    let keys = raw.secrets("door", "key").unwrap_or_default();
    check_keys(raw, &at, &keys);
    let of_requesters = broker.requesters.values().flatten().map(SecretString::expose_secret);
    if of_requesters.into_iter().any(|other| keys.iter().any(|key| key.expose_secret() == other)) {
        let message =
            "`key` is that of a `[[broker.requester]]` as well, who could then sign for every token: make another one";
        raw.report_as(Code::ConfigContradiction, &at, message);
    }
    keys
}

fn read_admin(raw: &mut RawSettings<'_>) -> AdminConfig {
    let listen = raw.parsed::<SocketAddr>("admin", "listen");
    AdminConfig {
        listen: listen.map_or(SocketAddr::from(([127, 0, 0, 1], 9180)), |listen| listen.value),
        hosts: read_hosts(raw),
        token: raw.secret("admin", "token"),
        tokens: read_tokens(raw),
    }
}

fn read_hosts(raw: &mut RawSettings<'_>) -> Vec<String> {
    let Some(Setting { value: hosts, location }) = raw.strings("admin", "hosts") else { return Vec::new() };
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    for host in hosts.iter().filter(|host| !host.bytes().all(of_a_name)) {
        let host = without_secrets(host);
        raw.report(&location, format!("`hosts` cannot have \"{host}\": write the name alone, without scheme and port"));
    }
    hosts
}

fn read_tokens(raw: &mut RawSettings<'_>) -> Vec<AdminToken> {
    let roles = AdminRole::ALL.map(|role| (role.as_str(), role));
    let mut tokens: Vec<AdminToken> = Vec::new();
    for number in 0.. {
        let section = format!("{}.{number}", schema::TOKENS);
        let Some(at) = raw.beginning(&section) else { break };
        let (name, role) = (raw.text(&section, "name"), raw.word(&section, "role", &roles));
        if raw.location(&section, &["token", "token_file"]).is_none() {
            raw.report(&at, "this `[[admin.token]]` has neither `token` nor `token_file`");
        }
        let requesters = requesters_of(raw, &section);
        let (Some(name), Some(role), Some(secret)) = (name, role, raw.secret(&section, "token")) else { continue };
        let Setting { value: name, location } = name;
        let twice = |other: &&AdminToken| other.secret.expose_secret() == secret.expose_secret();
        if !is_name(&name) {
            raw.report(&location, "`name` must be one word of at most 64 letters, digits, `-`, `_` and `.`");
        } else if [ADMIN, LOCAL].contains(&name.as_str()) || tokens.iter().any(|other| other.name == name) {
            let message = format!("`name` is \"{name}\", as that of another token is; every token needs its own");
            raw.report_as(Code::ConfigContradiction, &location, message);
        } else if let Some(other) = tokens.iter().find(twice) {
            let message = format!("the tokens {} and {name} are the same; every token needs its own", other.name);
            raw.report_as(Code::ConfigContradiction, &at, message);
        }
        tokens.push(AdminToken { name, role, secret, requesters });
    }
    tokens
}

fn requesters_of(raw: &mut RawSettings<'_>, section: &str) -> Vec<Requester> {
    let Some(Setting { value: names, location }) = raw.strings(section, "requesters") else { return Vec::new() };
    let parsed = |name: &String| match Requester::parse(name.as_str()) {
        Ok(requester) => Some(requester),
        Err(error) => {
            raw.report(&location, format!("`requesters` cannot have \"{name}\": {error}"));
            None
        }
    };
    names.iter().filter_map(parsed).collect()
}

fn read_limits(raw: &mut RawSettings<'_>) -> Limits {
    let usual = Limits::default();
    let mut number = |section: &str, key: &str| {
        let number = raw.number(section, key, 1, MOST_CALLS)?;
        Some(u32::try_from(number).expect("bounded just above"))
    };
    Limits {
        reads_per_second: number("cloud.budget", "reads_per_second").unwrap_or(usual.reads_per_second),
        writes_per_second: number("cloud.budget", "writes_per_second").unwrap_or(usual.writes_per_second),
        burst: number("cloud.budget", "burst").unwrap_or(usual.burst),
        operations: Operation::ALL
            .iter()
            .filter_map(|operation| Some((*operation, number("cloud.budget.operations", operation.as_str())?)))
            .collect(),
    }
}

fn read_hourly(raw: &mut RawSettings<'_>) -> HourlyLimits {
    let usual = HourlyLimits::default();
    let mut limit = |key: &str| {
        let limit = raw.limit("limits", key, MOST_LIMIT)?;
        Some(limit.map(|number| u32::try_from(number).expect("bounded just above")))
    };
    HourlyLimits {
        revokes_per_cen: limit("revokes_per_cen").unwrap_or(usual.revokes_per_cen),
        payer_changes_per_account: limit("payer_changes_per_account").unwrap_or(usual.payer_changes_per_account),
    }
}

/// A requester's jobs on one instance run one after the other, and few are ever asked for at a time. Without a limit one
/// requester could fill the store and hold an instance of many owners for days.
const UNBEGUN_PER_INSTANCE: u32 = 100;

fn read_unbegun(raw: &mut RawSettings<'_>) -> Option<u32> {
    let limit = raw.limit("limits", "unbegun_per_instance", MOST_LIMIT);
    let limit = limit.map(|limit| limit.map(|number| u32::try_from(number).expect("bounded just above")));
    limit.unwrap_or(Some(UNBEGUN_PER_INSTANCE))
}

/// Until the next morning, so that a person can mend what failed in the night.
const GIVE_UP: Duration = Duration::from_secs(24 * 3600);
/// The longest time for which a webhook is tried.
const LONGEST_GIVE_UP: Duration = Duration::from_secs(7 * 24 * 3600);
/// The most secrets that sign at a time: one, and during a rotation two.
pub(super) const MOST_KEYS: usize = 2;

fn read_webhook(raw: &mut RawSettings<'_>) -> Option<WebhookSettings> {
    if raw.purpose != ConfigFor::Everything {
        return None;
    }
    let at = raw.beginning("webhook")?;
    let secrets = raw.secrets("webhook", "secret");
    let Some(location) = raw.location("webhook", &["secret", "secret_file"]) else {
        raw.report(&at, "`[webhook]` has neither `secret` nor `secret_file`");
        return None;
    };
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
    let settings = WebhookSettings { keys, give_up, networks, ca_pem };
    if let (Some(path), Err(why)) = (ca, HttpCaller::new(&settings)) {
        raw.report(&path.location, format!("`ca_file` cannot be used: {why}"));
    }
    Some(settings)
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
