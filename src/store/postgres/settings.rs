//! Where the database is, and how it is spoken to.

use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::engine::ports::store::StoreError;

/// A server that does not answer in this time is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// Data that nobody acknowledges for so long: the other side is gone, though nobody said so.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);
/// After so much silence the other side is asked whether it is still there.
const SILENCE: Duration = Duration::from_secs(15);

/// What a worker needs to know of its database.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user@host:port/database`, or the same as `host=… user=… dbname=…`. Several hosts are tried in turn until
    /// one of them can be written. TLS by `sslmode`: `disable`, `prefer` (the default), `require`; wherever TLS is used, the
    /// server's certificate and name are verified, so `verify-full` is the same as `require`. May hold the password.
    pub url: SecretString,
    /// The password, if the URL has none.
    pub password: Option<SecretString>,
    /// PEM certificates to trust instead of the machine's own.
    pub ca_pem: Option<String>,
    /// Who this worker is: shown by the server as `crossgrant <name>`. No two workers of one database have the same.
    pub name: String,
}

impl PostgresSettings {
    /// Reads the URL.
    ///
    /// # Errors
    /// What is wrong with it; a password is never part of that.
    pub fn parse(&self) -> Result<Config, String> {
        let url = self.url.expose_secret();
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| match causes(&error) {
            // Of what could not be read nothing is repeated but the names of options: the rest may be part of a password.
            known if known.contains("invalid value for option") => known,
            _ => "it is not as postgres://user@host:port/database".into(),
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host".into());
        }
        if let Some(password) = &self.password {
            if config.get_password().is_some() {
                return Err("there is a password in the URL and one beside it; one must go".into());
            }
            config.password(password.expose_secret());
        }
        config
            .application_name(format!("crossgrant {}", self.name))
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(SILENCE)
            // Of several hosts, the one that is not a copy.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    /// Where the database is, without its secrets.
    pub fn place(&self) -> String {
        self.parse().map_or_else(|why| why, |config| Place(config).to_string())
    }

    pub(super) fn config(&self) -> Result<Config, StoreError> {
        self.parse().map_err(|why| StoreError::Unavailable(format!("the URL of the database cannot be used: {why}")))
    }
}

/// The place of a database, without its secrets.
pub(super) struct Place(pub(super) Config);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.0.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(dir) => dir.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        let database = self.0.get_dbname().or(self.0.get_user()).unwrap_or("its default database");
        write!(f, "{database} at {}", hosts.join(", "))
    }
}

/// An error with all that led to it, in one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: &str, password: Option<&str>) -> PostgresSettings {
        PostgresSettings {
            url: url.to_owned().into(),
            password: password.map(|p| p.to_owned().into()),
            ca_pem: None,
            name: "w1".into(),
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let settings = settings("postgres://crossgrant:geheim@db.example:5433/jobs?sslmode=verify-full", None);
        let config = settings.parse().unwrap();
        assert_eq!(config.get_password(), Some(&b"geheim"[..]));
        let shown = format!("{settings:?} {config:?} {}", Place(config.clone()));
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.ends_with("jobs at db.example"), "{shown}");
    }

    #[test]
    fn what_cannot_be_used_is_said_without_it() {
        for (url, password, says) in [
            ("postgres://crossgrant:geheim@db.example/jobs?sslmode=maybe", None, "sslmode"),
            ("postgres://crossgrant:geheim@db.example/jobs", Some("geheim"), "one must go"),
            ("user=crossgrant password=geheim", None, "no host"),
            ("host=db.example user=crossgrant password=ein geheim", None, "not as postgres://"),
            ("postgres://crossgrant:geheim@db.example/jobs?geheim=1", None, "not as postgres://"),
        ] {
            let why = settings(url, password).parse().map(drop).unwrap_err();
            assert!(why.contains(says) && !why.contains("geheim"), "{url}: {why}");
        }
    }
}
