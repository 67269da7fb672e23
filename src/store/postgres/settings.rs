//! Where the database is, and how to connect to it.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use super::error::causes;
use crate::engine::ports::store::StoreError;

/// How long to wait until a host accepts a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// After this time without an acknowledgement of sent data, the server counts as gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);
/// After this time without data a keepalive is sent.
const SILENCE: Duration = Duration::from_secs(15);

/// How a worker connects to its database.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user@host:port/database`, or the same as `host=… user=… dbname=…`. Several hosts are tried in turn until
    /// one of them can be written. `sslmode` is `disable`, `prefer` (the default) or `require`. Whenever TLS is used, the
    /// server's certificate and name are verified, so `verify-full` is the same as `require`. May hold the password.
    pub url: SecretString,
    /// The password, if the URL has none.
    pub password: Option<SecretString>,
    /// PEM certificates to trust instead of the machine's.
    pub ca_pem: Option<String>,
    /// The worker's name, which no other worker of the database has. The server shows it as `crossgrant <name>`.
    pub name: String,
}

impl PostgresSettings {
    /// Reads the URL.
    ///
    /// # Errors
    /// Says what is wrong with the URL, and never quotes a password.
    pub fn parse(&self) -> Result<Config, String> {
        let url = self.url.expose_secret();
        let url = url.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = url.parse().map_err(|error: tokio_postgres::Error| match causes(&error) {
            // Only this message quotes no more than the name of an option. Others may quote a part of a password.
            known if known.contains("invalid value for option") => known,
            _ => "it has not the form postgres://user@host:port/database".into(),
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host".into());
        }
        if let Some(password) = &self.password {
            if config.get_password().is_some() {
                return Err("there is a password in the URL and another beside it; remove one".into());
            }
            config.password(password.expose_secret());
        }
        config
            .application_name(format!("crossgrant {}", self.name))
            .connect_timeout(CONNECT)
            .tcp_user_timeout(UNACKNOWLEDGED)
            .keepalives_idle(SILENCE)
            // Of several hosts, the one that is no standby.
            .target_session_attrs(TargetSessionAttrs::ReadWrite);
        Ok(config)
    }

    /// The database and its hosts, without secrets; if the URL cannot be read, why.
    pub fn place(&self) -> String {
        self.parse().map_or_else(|why| why, |config| place(&config))
    }

    pub(super) fn config(&self) -> Result<Config, StoreError> {
        self.parse().map_err(|why| StoreError::Unavailable(format!("cannot use the URL of the database: {why}")))
    }
}

/// The database and its hosts, without secrets.
pub(super) fn place(config: &Config) -> String {
    let hosts = config.get_hosts().iter().map(|host| match host {
        Host::Tcp(name) => name.clone(),
        Host::Unix(dir) => dir.display().to_string(),
    });
    let database = config.get_dbname().or(config.get_user()).unwrap_or("its default database");
    format!("{database} at {}", hosts.collect::<Vec<_>>().join(", "))
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
        let shown = format!("{settings:?} {config:?} {}", place(&config));
        assert!(!shown.contains("geheim"), "{shown}");
        assert!(shown.ends_with("jobs at db.example"), "{shown}");
    }

    #[test]
    fn what_cannot_be_used_is_said_without_it() {
        for (url, password, says) in [
            ("postgres://crossgrant:geheim@db.example/jobs?sslmode=maybe", None, "sslmode"),
            ("postgres://crossgrant:geheim@db.example/jobs", Some("geheim"), "remove one"),
            ("user=crossgrant password=geheim", None, "no host"),
            ("host=db.example user=crossgrant password=ein geheim", None, "not the form postgres://"),
            ("postgres://crossgrant:geheim@db.example/jobs?geheim=1", None, "not the form postgres://"),
        ] {
            let why = settings(url, password).parse().map(drop).unwrap_err();
            assert!(why.contains(says) && !why.contains("geheim"), "{url}: {why}");
        }
    }
}
