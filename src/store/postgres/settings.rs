//! Where the database is, and how to connect to it.

use std::net::IpAddr;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use crate::domain::causes;
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
    /// one of them can be written. `sslmode` is `disable`, `prefer` or `require`: without it `prefer` for a server on this
    /// machine, and `require` for any other. Whenever TLS is used, the server's certificate and name are verified, so
    /// `verify-full` is the same as `require`. May hold the password.
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
            _ => "it does not have the form postgres://user@host:port/database".into(),
        })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err("it names no host".into());
        }
        if config.get_ssl_mode() == SslMode::Prefer && !asks_to_prefer(&url) && !is_here(&config) {
            config.ssl_mode(SslMode::Require);
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

    /// What a program on the way to the server could do, because the URL asks for it; `None` if the way is safe, or the URL
    /// cannot be read.
    pub fn readable_on_the_way(&self) -> Option<&'static str> {
        let config = self.parse().ok().filter(|config| !is_here(config))?;
        match config.get_ssl_mode() {
            SslMode::Disable => Some(
                "`url` has sslmode=disable, so all jobs and perhaps the password can be read and changed on the way to the \
                 database",
            ),
            SslMode::Prefer => Some(
                "`url` has sslmode=prefer, so a program on the way to the database can have the worker do without TLS and read \
                 and change everything",
            ),
            _ => None,
        }
    }

    /// The database and its hosts, without secrets; if the URL cannot be read, why.
    pub fn place(&self) -> String {
        self.parse().map_or_else(|why| why, |config| place(&config))
    }

    pub(super) fn config(&self) -> Result<Config, StoreError> {
        self.parse().map_err(|why| StoreError::Unavailable(format!("cannot use the URL of the database: {why}")))
    }
}

/// Whether a URL asks for `sslmode=prefer`. The library takes that mode also where the URL asks for none.
fn asks_to_prefer(url: &str) -> bool {
    let prefer = |rest: &str| {
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start);
        value.is_some_and(|value| value.trim_start_matches('\'').starts_with("prefer"))
    };
    url.split("sslmode").skip(1).any(prefer)
}

/// Whether the server is on this machine, whichever of its addresses answers.
fn is_here(config: &Config) -> bool {
    let is_loopback = |name: &str| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    };
    let named = config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => is_loopback(name),
        Host::Unix(_) => true,
    });
    named && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
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
    fn the_way_to_another_machine_is_encrypted_unless_the_url_says_otherwise() {
        use SslMode::{Disable, Prefer, Require};
        for (url, mode, warned) in [
            ("postgres://db.example/jobs", Require, false),
            ("postgres://192.0.2.1/jobs", Require, false),
            ("host=db.example dbname=jobs", Require, false),
            ("postgres://localhost,db.example/jobs", Require, false),
            ("host=localhost hostaddr=192.0.2.1 dbname=jobs", Require, false),
            ("postgres://localhost/jobs", Prefer, false),
            ("postgres://127.0.0.1:5433/jobs", Prefer, false),
            ("postgres://[::1]/jobs", Prefer, false),
            ("host=/run/postgresql dbname=jobs", Prefer, false),
            ("postgres://db.example/jobs?sslmode=require", Require, false),
            ("postgres://db.example/jobs?sslmode=verify-full", Require, false),
            ("postgres://db.example/jobs?sslmode=prefer", Prefer, true),
            ("host=db.example sslmode = 'prefer'", Prefer, true),
            ("postgres://u:the-sslmode-word@db.example/jobs", Require, false),
            ("host=db.example sslmode = disable", Disable, true),
            ("postgres://127.0.0.1/jobs?sslmode=disable", Disable, false),
        ] {
            let settings = settings(url, None);
            assert_eq!(settings.parse().unwrap().get_ssl_mode(), mode, "{url}");
            assert_eq!(settings.readable_on_the_way().is_some(), warned, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_it() {
        for (url, password, says) in [
            ("postgres://crossgrant:geheim@db.example/jobs?sslmode=maybe", None, "sslmode"),
            ("postgres://crossgrant:geheim@db.example/jobs", Some("geheim"), "remove one"),
            ("user=crossgrant password=geheim", None, "no host"),
            ("host=db.example user=crossgrant password=ein geheim", None, "not have the form postgres://"),
            ("postgres://crossgrant:geheim@db.example/jobs?geheim=1", None, "not have the form postgres://"),
        ] {
            let why = settings(url, password).parse().map(drop).unwrap_err();
            assert!(why.contains(says) && !why.contains("geheim"), "{url}: {why}");
        }
    }
}
