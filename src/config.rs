//! The settings of a worker: one TOML file with the environment over it, read whole, so that all faults are reported
//! together, each with its place. `deploy/crossgrant.toml` shows every key.
//!
//! The rule of the environment: key `k` of section `s` is `CROSSGRANT_S_K`, so `[broker] url` is
//! `CROSSGRANT_BROKER_URL`, `[cloud.endpoints] cbn` is `CROSSGRANT_CLOUD_ENDPOINTS_CBN` and the top-level `hour` is
//! `CROSSGRANT_HOUR`; a key of an account is `CROSSGRANT_ACCOUNT_<UID>_<KEY>`. The environment goes before the file.
//! Lists are separated by white space there. `[[allow]]` is the file's alone. Where there is no `[credentials.hub]`, the
//! vendor's own variables (`ALIBABA_CLOUD_ACCESS_KEY_ID` and so on) name the hub's credential. Those of the host of STS count
//! where `[cloud.endpoints] sts` is not set. A profile of the vendor's command line is looked for in `HOME`.
//!
//! Every secret can be given as `<key>_file` instead. Relative paths are relative to the working directory.

mod credentials;
mod endpoints;
mod error;
mod layers;
mod profile;
mod read;
mod schema;
mod source;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use crate::cloud::{AccountCredentials, Credential, Endpoints, Limits};
use crate::domain::{AccountUid, Code, Hour, Site};
use crate::engine::guards::HourlyLimits;
use crate::engine::policy::{Allow, Policy};
use crate::store::PostgresSettings;
use crate::workflow::Overrides;
use error::Faults;
pub use error::{ConfigError, Origin, Warning};
use layers::Layers;
pub use profile::ProfileFor;
use source::Source;

/// Everything that can be set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The billing hour: `1h`, or another length against a simulated cloud.
    pub hour: Hour,
    /// Where everything durable is.
    pub store: StoreConfig,
    /// How long an ended job and its idempotency key are kept.
    pub keep: Duration,
    /// The broker.
    pub broker: BrokerConfig,
    /// The admin HTTP.
    pub admin: AdminConfig,
    /// Overrides of the vendor's endpoints.
    pub endpoints: Endpoints,
    /// How many calls it makes.
    pub limits: Limits,
    /// How much the worker takes on.
    pub worker: WorkerConfig,
    /// The operator's own policies and error classes.
    pub overrides: Overrides,
    /// The accounts there are credentials for.
    pub accounts: BTreeMap<AccountUid, Account>,
    /// Who may ask for what.
    pub allow: Vec<Allow>,
    /// How many jobs may begin within an hour.
    pub hourly: HourlyLimits,
    /// How to log.
    pub log: LogConfig,
    /// What is odd without being wrong, to be logged once there is a log.
    pub warnings: Vec<Warning>,
}

/// `[store]`
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// One file beside the process, for one worker.
    File(PathBuf),
    /// A database, for several.
    Database(PostgresSettings),
}

/// `[broker]`
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// AMQP URLs, tried in turn. They hold passwords.
    pub urls: Vec<SecretString>,
    /// What the names of exchanges and queues begin with.
    pub prefix: String,
    /// Unacknowledged deliveries in flight.
    pub prefetch: u16,
    /// Whether the worker declares exchanges and queues.
    pub declare: bool,
    /// PEM certificates to trust for `amqps` instead of the machine's own.
    pub ca_pem: Option<String>,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// Where it listens. Beyond loopback only with a token.
    pub listen: SocketAddr,
    /// The bearer token it asks for.
    pub token: Option<SecretString>,
}

/// `[worker]`
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// Jobs in work at a time.
    pub concurrency: usize,
    /// How long a stop waits for them.
    pub drain: Duration,
    /// The holder of its leases: the same after a restart, different for every worker. The host's name by default.
    pub name: String,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// In which form.
    pub format: LogFormat,
    /// What, as `RUST_LOG` has it.
    pub filter: String,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object to a line.
    Json,
}

/// `[accounts."<uid>"]`
#[derive(Debug, Clone)]
pub struct Account {
    /// Where it is registered.
    pub site: Site,
    /// How its keys are had.
    pub credential: Credential,
}

impl Config {
    /// The file that is read when none is named: the first of these that exists.
    pub const DEFAULT_FILES: [&str; 2] = ["./crossgrant.toml", "/etc/crossgrant/crossgrant.toml"];

    /// The first of [`Config::DEFAULT_FILES`] that exists.
    pub fn default_file() -> Option<PathBuf> {
        Self::DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists())
    }

    /// Reads `path`, if one is given, with `env` over it, and the files that these name.
    ///
    /// # Errors
    /// Everything that is wrong, one line each.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::load_with(path, env, &[])
    }

    /// The same, with profiles in the place of the credentials that are configured for some accounts.
    ///
    /// # Errors
    /// Everything that is wrong, one line each.
    pub fn load_with(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        profiles: &[ProfileFor],
    ) -> Result<Self, ConfigError> {
        let (mut faults, mut warnings) = (Faults::default(), Vec::new());
        let env = Source::environment(env, &mut warnings);
        let file = match path {
            None => Source::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let line = format!("cannot read {}: {error} [{}]", path.display(), Code::ConfigUnreadable);
                    ConfigError(vec![line])
                })?;
                Source::file(&path.display().to_string(), &text, &mut faults)
            }
        };
        let mut layers = Layers { file, env, faults, warnings };
        if let Some(path) = path.filter(|_| read::holds_secrets(&layers.file)) {
            layers.warn_if_open(path);
        }
        for profile in profiles {
            layers.use_profile(profile);
        }
        let config = read::config(&mut layers);
        layers.faults.into_result()?;
        Ok(Self { warnings: layers.warnings, ..config })
    }

    /// The credentials of every account.
    pub fn credentials(&self) -> Vec<AccountCredentials> {
        let of = |(uid, account): (&AccountUid, &Account)| AccountCredentials {
            uid: uid.clone(),
            credential: account.credential.clone(),
        };
        self.accounts.iter().map(of).collect()
    }

    /// Who may ask for what, between which accounts, and how much within an hour.
    pub fn policy(&self) -> Policy {
        let sites = self.accounts.iter().map(|(uid, account)| (uid.clone(), account.site));
        Policy::new(self.allow.clone(), sites.collect()).limited(self.hourly)
    }
}
