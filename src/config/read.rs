//! From the layers to the settings: defaults, bounds, and what must fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize as _;

use super::error::Origin;
use super::layers::Layers;
use super::source::{Raw, Source};
use super::{
    Account, AdminConfig, BrokerConfig, Config, LogConfig, LogFormat, Site, StoreConfig, WorkerConfig, credentials,
    endpoints, schema,
};
use crate::cloud::{Endpoints, Limits};
use crate::domain::{AccountUid, Code, Hour, Operation};
use crate::engine::guards::HourlyLimits;
use crate::engine::policy::Allow;
use crate::store::PostgresSettings;
use crate::workflow::{Overrides, OverridingFile};

/// 400 days: longer than a year of tickets.
const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// Asks the layers for every setting.
pub(super) fn config(layers: &mut Layers) -> Config {
    let endpoints = endpoints::read(layers);
    let name = layers.text("worker", "name").map_or_else(host_name, |name| name.value);
    Config {
        hour: read_hour(layers, &endpoints),
        store: read_store(layers, &name),
        keep: layers.duration("store", "keep").map_or(KEEP, |span| span.value),
        broker: read_broker(layers),
        admin: read_admin(layers),
        endpoints,
        limits: read_limits(layers),
        worker: WorkerConfig {
            concurrency: layers.number("worker", "concurrency", 1, 65_536).map_or(256, |n| n as usize),
            drain: layers.duration("worker", "drain").map_or(Duration::from_secs(20), |span| span.value),
            name,
        },
        overrides: Overrides { policies: read_file(layers, "policies"), errors: read_file(layers, "errors") },
        accounts: read_accounts(layers),
        allow: read_rules(layers),
        hourly: read_hourly(layers),
        log: LogConfig {
            format: layers
                .word("log", "format", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
                .unwrap_or(LogFormat::Text),
            filter: layers.text("log", "filter").map_or("info".into(), |filter| filter.value),
        },
        warnings: Vec::new(),
    }
}

fn read_hour(layers: &mut Layers, endpoints: &Endpoints) -> Hour {
    let Some(span) = layers.duration("", "hour") else { return Hour::REAL };
    let Some(hour) = Hour::new(span.value) else {
        layers.faults.report(&span.origin, "`hour` must be at least 10 ms long, in whole milliseconds");
        return Hour::REAL;
    };
    if hour != Hour::REAL && endpoints.cbn.is_none() {
        let message = "`hour` can only be changed together with `[cloud.endpoints] cbn`: the vendor's hour is one hour";
        layers.faults.report_as(Code::ConfigHour, &span.origin, message);
    }
    hour
}

fn read_store(layers: &mut Layers, name: &str) -> StoreConfig {
    let path = layers.text("store", "path");
    let origin = |layers: &Layers, keys: &[&str]| {
        let find = |key: &&str| layers.env.get("store", key).or_else(|| layers.file.get("store", key));
        keys.iter().find_map(find).map(|entry| entry.origin.clone())
    };
    let Some(at) = origin(layers, &["url", "url_file"]) else {
        if let Some(at) = origin(layers, &["password", "password_file", "ca_file"]) {
            layers.faults.report(&at, "`password` and `ca_file` go with `url`, which is not set");
        }
        return StoreConfig::File(path.map_or("crossgrant.db".into(), |path| path.value.into()));
    };
    if let Some(path) = path {
        layers.faults.report(&path.origin, "`path` and `url` are both set; one must go");
    }
    let url = layers.secret("store", "url");
    let settings = PostgresSettings {
        url: url.clone().unwrap_or_default(),
        password: layers.secret("store", "password"),
        ca_pem: layers.contents("store", "ca_file").map(|(_, pem)| pem),
        name: name.to_owned(),
    };
    // One that could not be read is reported already.
    if let (Some(_), Err(why)) = (url, settings.parse()) {
        layers.faults.report(&at, format!("`url` cannot be used: {why}"));
    }
    StoreConfig::Database(settings)
}

fn read_broker(layers: &mut Layers) -> BrokerConfig {
    let urls = layers.secrets("broker", "url");
    let prefix = layers.text("broker", "prefix").map_or("crossgrant".to_owned(), |prefix| {
        if prefix.value.len() > 100 {
            layers.faults.report(&prefix.origin, "`prefix` must not be longer than 100 bytes");
        }
        prefix.value
    });
    BrokerConfig {
        urls: urls.unwrap_or_else(|| vec!["amqp://guest:guest@127.0.0.1:5672/%2f".into()]),
        prefix,
        prefetch: layers
            .number("broker", "prefetch", 1, 65_535)
            .map_or(200, |n| u16::try_from(n).expect("bounded just above")),
        declare: layers.flag("broker", "declare").unwrap_or(true),
        ca_pem: layers.contents("broker", "ca_file").map(|(_, pem)| pem),
    }
}

fn read_admin(layers: &mut Layers) -> AdminConfig {
    let listen = layers.parsed::<SocketAddr>("admin", "listen");
    let token = layers.secret("admin", "token");
    let token_named = ["token", "token_file"]
        .iter()
        .any(|key| layers.env.get("admin", key).is_some() || layers.file.get("admin", key).is_some());
    if let Some(listen) = listen.as_ref().filter(|listen| !listen.value.ip().is_loopback() && !token_named) {
        let message = format!(
            "`listen` is {}, which others can reach: set `[admin] token` or `token_file`, or listen on 127.0.0.1",
            listen.value
        );
        layers.faults.report_as(Code::ConfigNeedsToken, &listen.origin, message);
    }
    AdminConfig { listen: listen.map_or(SocketAddr::from(([127, 0, 0, 1], 9180)), |listen| listen.value), token }
}

fn read_limits(layers: &mut Layers) -> Limits {
    let usual = Limits::default();
    let mut number = |section: &str, key: &str| {
        let number = layers.number(section, key, 1, 10_000)?;
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

fn read_hourly(layers: &mut Layers) -> HourlyLimits {
    let usual = HourlyLimits::default();
    let mut limit = |key: &str| {
        let limit = layers.limit("limits", key, 1_000_000)?;
        Some(limit.map(|number| u32::try_from(number).expect("bounded just above")))
    };
    HourlyLimits {
        revokes_per_cen: limit("revokes_per_cen").unwrap_or(usual.revokes_per_cen),
        payer_changes_per_account: limit("payer_changes_per_account").unwrap_or(usual.payer_changes_per_account),
    }
}

fn read_file(layers: &mut Layers, key: &str) -> Option<OverridingFile> {
    layers.contents("workflows", key).map(|(file, text)| OverridingFile { file, text })
}

fn read_accounts(layers: &mut Layers) -> BTreeMap<AccountUid, Account> {
    let entries = layers.file.entries.iter().chain(&layers.env.entries);
    let uids: BTreeSet<(String, Origin)> = entries
        .filter_map(|((section, _), entry)| {
            let uid = section.strip_prefix(schema::ACCOUNTS)?.strip_prefix('.')?;
            Some((uid.to_owned(), entry.origin.clone()))
        })
        .collect();
    let hub = credentials::hub(layers);
    let mut accounts = BTreeMap::new();
    let mut known = BTreeSet::new();
    for (text, origin) in uids {
        if !known.insert(text.clone()) {
            continue;
        }
        let section = format!("{}.{text}", schema::ACCOUNTS);
        let sites = [("china", Site::China), ("international", Site::International)];
        let site = layers.word(&section, "site", &sites).unwrap_or(Site::China);
        match AccountUid::parse(text.clone()) {
            Ok(uid) => {
                if let Some(credential) = credentials::account(layers, &section, &uid, &origin, &hub) {
                    accounts.insert(uid, Account { site, credential });
                }
            }
            Err(error) => layers.faults.report(&origin, format!("`{text}` is not an account: {error}")),
        }
    }
    accounts
}

fn read_rules(layers: &mut Layers) -> Vec<Allow> {
    let mut rules = Vec::new();
    for rule in std::mem::take(&mut layers.file.rules) {
        match Allow::deserialize(rule.value) {
            Ok(rule) => rules.push(rule),
            Err(error) => {
                let message = format!("this `[[allow]]` cannot be used: {}", error.message().trim_end());
                layers.faults.report(&rule.origin, message);
            }
        }
    }
    rules
}

/// Whether the file itself holds a secret.
pub(super) fn holds_secrets(file: &Source) -> bool {
    let secrets = ["url", "password", "token", "access_key_secret", "security_token"];
    file.entries.iter().any(|((_, key), entry)| secrets.contains(&key.as_str()) && !matches!(entry.raw, Raw::Other(_)))
}

/// The host's name, which survives a restart of the process.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "worker".into() } else { name.into() }
}
