//! `[store]`: a file or a database, and how long ended jobs are kept.

use std::time::Duration;

use secrecy::SecretString;

use super::super::error::Warning;
use super::super::raw_settings::RawSettings;
use super::super::settings::{ConfigFor, StoreConfig};
use crate::domain::Code;
use crate::store::PostgresSettings;

/// 400 days: the id of a ticket stays taken for more than a year.
const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// A message may come again long after it was taken: when the broker was down after the acknowledgement was sent, or when a
/// person puts a dead-lettered one back the next morning.
const LEAST_KEEP: Duration = Duration::from_secs(24 * 3600);

pub(super) fn read_keep(raw: &mut RawSettings<'_>) -> Duration {
    let Some(span) = raw.duration("store", "keep") else { return KEEP };
    if span.value < LEAST_KEEP {
        let message = "`keep` must be at least 24h: a message that the broker delivers again must still find its job";
        raw.report(&span.location, message);
    }
    span.value
}

pub(super) fn read_store(raw: &mut RawSettings<'_>, name: &str) -> StoreConfig {
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
