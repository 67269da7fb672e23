//! The settings as the process uses them: complete, checked, with defaults filled in.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use super::error::Warning;
use crate::admin::AdminToken;
use crate::broker::BrokerKind;
use crate::cloud::{AccountCredentials, Credential, Endpoints, Limits};
use crate::domain::{AccountUid, Hour, Requester, Sampling, Site};
use crate::engine::guards::HourlyLimits;
use crate::engine::policy::{Allow, Policy};
use crate::store::PostgresSettings;
use crate::webhook::WebhookSettings;
use crate::workflow::Overrides;

/// Everything that can be set; see [`Config::load`].
#[derive(Debug, Clone)]
pub struct Config {
    /// The billing hour. It differs from one hour only with a simulated cloud.
    pub hour: Hour,
    /// Where jobs and events are stored.
    pub store: StoreConfig,
    /// How long a job and its idempotency key are kept after its end.
    pub keep: Duration,
    /// How to reach RabbitMQ.
    pub broker: BrokerConfig,
    /// `[door]`: its keys. Without one it is closed.
    pub door: Vec<SecretString>,
    /// The name that events have for the workers which share the store: the same after a restart.
    pub installation: String,
    /// Where the admin HTTP listens, and for whom.
    pub admin: AdminConfig,
    /// The endpoints of the cloud's products, where they replace the vendor's.
    pub endpoints: Endpoints,
    /// The rates at which the cloud may be called.
    pub limits: Limits,
    /// How the worker works, and the name of its leases.
    pub worker: WorkerConfig,
    /// Policies and error classes of the operator.
    pub overrides: Overrides,
    /// The accounts whose keys are configured.
    pub accounts: BTreeMap<AccountUid, AccountConfig>,
    /// The allow-rules, in the order of the file.
    pub allow: Vec<Allow>,
    /// How many jobs may begin within an hour, by what they do.
    pub hourly: HourlyLimits,
    /// How many jobs of a requester on an instance may be there that have not begun to write.
    pub unbegun_per_instance: Option<u32>,
    /// Whether another person than the requester has to approve a job.
    pub two_persons: bool,
    /// How webhooks are called; `None` if they are off.
    pub webhook: Option<WebhookSettings>,
    /// The form of the log, and what is logged.
    pub log: LogConfig,
    /// Where traces are sent; `None` if they are off.
    pub trace: Option<TraceConfig>,
    /// What is odd and not wrong, to be logged as soon as there is a log.
    pub warnings: Vec<Warning>,
}

/// What a configuration is read for. Secrets that a command does not use are not opened: who may ask a worker need not be able to
/// read the keys of its accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigFor {
    /// Everything.
    Everything,
    /// The broker, the store and a running worker: there are no accounts.
    Broker,
    /// A running worker alone: there are no accounts and no URLs, neither of the broker nor of a database.
    Worker,
}

/// `[store]`
#[derive(Debug, Clone)]
pub enum StoreConfig {
    /// A SQLite file, for one worker.
    File(PathBuf),
    /// A PostgreSQL database, for several workers.
    Database(PostgresSettings),
}

/// `[broker]`
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// AMQP URLs, tried in turn. They can hold passwords.
    pub urls: Vec<SecretString>,
    /// The prefix of the names of all exchanges and queues.
    pub prefix: String,
    /// The largest number of unacknowledged deliveries.
    pub prefetch: u16,
    /// Whether the worker declares its exchanges and queues.
    pub declare: bool,
    /// PEM certificates that `amqps` trusts instead of those of the machine.
    pub ca_pem: Option<String>,
    /// What sort of broker it is.
    pub kind: BrokerKind,
    /// How long deliveries are held while the store cannot be written.
    pub hold: Duration,
    /// Each `[[broker.requester]]`: its keys.
    pub requesters: BTreeMap<Requester, Vec<SecretString>>,
}

/// `[admin]`
#[derive(Debug, Clone)]
pub struct AdminConfig {
    /// The address on which it listens.
    pub listen: SocketAddr,
    /// The names, besides addresses and `localhost`, under which clients reach it.
    pub hosts: Vec<String>,
    /// Whether browsers are shown a page.
    pub page: bool,
    /// Whether browsers come by https, through a proxy.
    pub https: bool,
    /// `token`: a token of every role, without a name of its own. Commands of this machine use it, too.
    pub token: Option<SecretString>,
    /// Each `[[admin.token]]`.
    pub tokens: Vec<AdminToken>,
}

/// `[worker]`
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The largest number of jobs worked on at a time.
    pub concurrency: usize,
    /// How long a stopping worker waits for these jobs.
    pub drain: Duration,
    /// The holder of its leases: the same after a restart, and different for every worker. By default the name of the host.
    pub name: String,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Text or JSON.
    pub format: LogFormat,
    /// What is logged, in the syntax of `RUST_LOG`.
    pub filter: String,
}

/// `[trace]`
#[derive(Debug, Clone, PartialEq)]
pub struct TraceConfig {
    /// The URL that takes spans.
    pub url: String,
    /// Which traces begin here.
    pub sampling: Sampling,
    /// How long one request may take.
    pub timeout: Duration,
}

/// What the names of exchanges and queues begin with where no other prefix is configured.
pub const DEFAULT_PREFIX: &str = "crossgrant";

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For programs: one object on each line.
    Json,
}

impl LogFormat {
    /// The words for both.
    pub(super) const WORDS: [(&'static str, Self); 2] = [("text", Self::Text), ("json", Self::Json)];
}

/// `[accounts."<uid>"]`
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// The vendor's site at which the account is registered.
    pub site: Site,
    /// How its keys are obtained.
    pub credential: Credential,
}

impl Config {
    /// The credentials of every configured account.
    pub fn credentials(&self) -> Vec<AccountCredentials> {
        let of = |(uid, account): (&AccountUid, &AccountConfig)| AccountCredentials {
            uid: uid.clone(),
            credential: account.credential.clone(),
        };
        self.accounts.iter().map(of).collect()
    }

    /// The policy of these allow-rules, accounts and limits.
    pub fn policy(&self) -> Policy {
        let sites = self.accounts.iter().map(|(uid, account)| (uid.clone(), account.site));
        Policy::new(self.allow.clone(), sites.collect())
            .limited(self.hourly)
            .with_unbegun(self.unbegun_per_instance)
            .with_two_persons(self.two_persons)
            .with_webhooks(self.webhook.as_ref().map(|webhook| webhook.give_up))
    }
}
