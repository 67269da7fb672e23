//! Reading the configuration again while the worker runs: what can be taken over at once is, and the rest is named.
//!
//! A configuration with a fault changes nothing. What waits or is in work goes on by the rules that hold when it is looked at next:
//! a job that has not begun can be refused by new allow-rules.

use std::collections::BTreeSet;
use std::iter;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use secrecy::{ExposeSecret, SecretString};

use super::engine::catalog;
use super::exit::CliError;
use super::service_manager::ServiceManager;
use crate::admin::{ADMIN, AdminRole, AdminToken, AdminTokens, ConfigChange, Reload, Reloaded};
use crate::cloud::{Accounts, CredentialChange, CredentialReader};
use crate::config::{AdminConfig, BrokerConfig, Config, StoreConfig};
use crate::domain::AccountUid;
use crate::engine::guards::HourlyLimits;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::account::Standing;
use crate::telemetry::log::LogFilter;

/// Reads the configuration of the process.
pub(super) type ConfigReader = Arc<dyn Fn() -> Result<Config, CliError> + Send + Sync>;

/// What the configuration of a running worker is put into.
pub(super) struct Reloader {
    pub read: ConfigReader,
    pub engine: Arc<Engine>,
    pub accounts: Arc<Accounts>,
    pub tokens: AdminTokens,
    /// The token beside the store, which is none of the configuration; made once the worker has its port.
    pub made: OnceLock<AdminToken>,
    pub log: LogFilter,
    /// Is told when the configuration is read again.
    pub manager: Arc<ServiceManager>,
    /// The configuration in force.
    pub present: Mutex<Config>,
}

/// The credentials as they are configured at the moment. What keeps them from being read is told once, until it is another thing.
pub(super) fn credentials(read: &ConfigReader) -> CredentialReader {
    let (read, told) = (Arc::clone(read), Mutex::new(None));
    Arc::new(move || {
        let config = read();
        let fault = config.as_ref().err().map(|error| faults(error).join("; "));
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fault) = fault.as_ref().filter(|fault| told.as_ref() != Some(*fault)) {
            tracing::warn!(
                "the configuration cannot be used, and the worker keeps the credentials that it has: {fault}"
            );
        }
        *told = fault;
        config.ok().map(|config| config.credentials())
    })
}

/// The tokens of a configuration, and the one that was made.
pub(super) fn tokens(config: &AdminConfig, made: Option<&AdminToken>) -> AdminTokens {
    let unnamed = |secret: &SecretString| AdminToken {
        name: ADMIN.to_owned(),
        role: AdminRole::Approver,
        secret: secret.clone(),
        requesters: vec![],
    };
    let unnamed = config.token.as_ref().map(unnamed);
    AdminTokens::new(config.tokens.iter().cloned().chain(unnamed).chain(made.cloned()))
}

impl Reload for Reloader {
    fn reload(&self, by: &str) -> Result<Reloaded, Vec<String>> {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        self.manager.reloading();
        let reloaded = self.take_over(&mut present);
        match &reloaded {
            Err(faults) => tracing::error!(
                by,
                faults = faults.len(),
                "the configuration cannot be used, and nothing was changed: {}",
                faults.join("; ")
            ),
            Ok(Reloaded { changes }) if changes.is_empty() => {
                tracing::info!(by, "the configuration was read again; nothing has changed");
            }
            Ok(Reloaded { changes }) => changes.iter().for_each(|change| {
                let effect = if change.in_force { "is in force" } else { "needs a restart" };
                tracing::info!(
                    by,
                    part = change.part,
                    "the configuration has changed, which {effect}: {}",
                    change.says
                );
            }),
        }
        self.manager.reloaded(reloaded.is_ok());
        reloaded
    }

    fn outdated(&self) -> Result<BTreeSet<AccountUid>, Vec<String>> {
        let config = (self.read)().map_err(|error| faults(&error))?;
        Ok(self.accounts.differing(&config.credentials()))
    }
}

fn faults(error: &CliError) -> Vec<String> {
    let lines: Vec<String> = error.message.lines().map(str::to_owned).collect();
    // The first line only introduces the others.
    if lines.len() > 1 { lines[1..].to_vec() } else { vec![error.to_string()] }
}

impl Reloader {
    /// Everything that may fail comes before the first change.
    fn take_over(&self, present: &mut MutexGuard<'_, Config>) -> Result<Reloaded, Vec<String>> {
        let new = (self.read)().map_err(|error| faults(&error))?;
        catalog(&new.overrides).map_err(|error| faults(&error))?;
        let filter = LogFilter::parse(&new.log.filter).map_err(|error| vec![error.to_string()])?;
        if new.accounts.is_empty() {
            return Err(vec!["no account is configured".to_owned()]);
        }
        let mut changes = Vec::new();
        let mut now = |part: &str, says: String| {
            changes.push(ConfigChange { part: part.to_owned(), in_force: true, says });
        };
        let accounts = self.accounts.reconfigure(&new.credentials());
        if !accounts.is_empty() {
            now("accounts", accounts.iter().map(credential_change).collect::<Vec<_>>().join("; "));
        }
        let renewed = self.accounts.renewed();
        if !renewed.is_empty() {
            now("accounts", renewed.iter().map(renewal).collect::<Vec<_>>().join("; "));
        }
        if let Some(says) = sites(present, &new) {
            now("accounts", says);
        }
        if new.allow != present.allow {
            now("allow", format!("{} rules, and {} before", new.allow.len(), present.allow.len()));
        }
        if new.two_persons != present.two_persons {
            now("approval", format!("two_persons: {}, and {} before", new.two_persons, present.two_persons));
        }
        let limits = limits(present, &new);
        if !limits.is_empty() {
            now("limits", limits.join("; "));
        }
        if self.accounts.limit(&new.limits) {
            let (old, new) = (&present.limits, &new.limits);
            now(
                "budget",
                format!(
                    "{} reads and {} writes per second, bursts of {}; {}, {} and {} before",
                    new.reads_per_second,
                    new.writes_per_second,
                    new.burst,
                    old.reads_per_second,
                    old.writes_per_second,
                    old.burst
                ),
            );
        }
        if self.tokens.replace(&tokens(&new.admin, self.made.get())) {
            let known = self.tokens.authorities();
            let known = known.iter().map(|known| format!("{} ({})", known.token, known.role)).collect::<Vec<_>>();
            now("tokens", format!("the admin API knows {}", known.join(", ")));
        }
        if new.log.filter != present.log.filter {
            now("log", format!("filter \"{}\", and \"{}\" before", new.log.filter, present.log.filter));
            self.log.set(filter);
        }
        // Those that are called are of the start.
        self.engine.policy.set(new.policy().with_webhooks(present.webhook.as_ref().map(|webhook| webhook.give_up)));
        let restarts = restarts(present, &new);
        changes.extend(restarts.into_iter().map(|section| ConfigChange {
            part: section.to_owned(),
            in_force: false,
            says: format!("{section} differs from what the worker was started with"),
        }));
        remember(present, new);
        Ok(Reloaded { changes })
    }
}

/// Keeps what is in force now: of the rest, the worker still has what it was started with.
fn remember(present: &mut Config, new: Config) {
    let Config { accounts, allow, hourly, unbegun_per_instance, two_persons, limits, admin, log, .. } = new;
    present.log.filter = log.filter;
    (present.admin.token, present.admin.tokens) = (admin.token, admin.tokens);
    (present.accounts, present.allow, present.limits) = (accounts, allow, limits);
    (present.hourly, present.unbegun_per_instance) = (hourly, unbegun_per_instance);
    present.two_persons = two_persons;
}

fn credential_change((uid, change): &(AccountUid, CredentialChange)) -> String {
    match change {
        CredentialChange::Added => format!("account {uid} is new"),
        CredentialChange::Replaced => format!("account {uid} has another credential, which is tried at once"),
        CredentialChange::Removed => {
            format!("account {uid} is gone; jobs that need it wait until it is configured again")
        }
    }
}

/// What the worker has read by itself, since it looks at the files of refused accounts.
fn renewal((uid, standing): &(AccountUid, Standing)) -> String {
    format!("account {uid} has another credential, which was taken over before; it is {}", standing.as_str())
}

/// Accounts that are on another site by now.
fn sites(old: &Config, new: &Config) -> Option<String> {
    let moved = new.accounts.iter().filter_map(|(uid, account)| {
        let before = old.accounts.get(uid)?.site;
        (before != account.site)
            .then(|| format!("account {uid} is on the {} site, and on the {before} site before", account.site))
    });
    let moved: Vec<String> = moved.collect();
    (!moved.is_empty()).then(|| moved.join("; "))
}

fn limits(old: &Config, new: &Config) -> Vec<String> {
    let of = |config: &Config| {
        let HourlyLimits { revokes_per_cen, payer_changes_per_account } = config.hourly;
        [
            ("revokes_per_cen", revokes_per_cen),
            ("payer_changes_per_account", payer_changes_per_account),
            ("unbegun_per_instance", config.unbegun_per_instance),
        ]
    };
    let shown = |limit: Option<u32>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    let pairs = of(new).into_iter().zip(of(old));
    let changed = pairs.filter(|((_, new), (_, old))| new != old);
    changed.map(|((name, new), (_, old))| format!("{name}: {}, and {} before", shown(new), shown(old))).collect()
}

/// How HTTP is answered, but for the tokens.
fn served(admin: &AdminConfig) -> impl PartialEq {
    (admin.listen, admin.hosts.clone(), admin.page, admin.https)
}

/// The sections that differ, and that only a restart takes over.
fn restarts(old: &Config, new: &Config) -> Vec<&'static str> {
    let worker = |config: &Config| (config.worker.concurrency, config.worker.drain, config.worker.name.clone());
    [
        ("hour", old.hour != new.hour),
        ("[store]", store(old) != store(new) || old.keep != new.keep),
        ("[broker]", broker(&old.broker) != broker(&new.broker)),
        ("[door]", secrets(&old.door) != secrets(&new.door)),
        ("[events]", old.installation != new.installation),
        ("[admin] listen, hosts, page, https", served(&old.admin) != served(&new.admin)),
        ("[cloud.endpoints]", old.endpoints != new.endpoints),
        ("[worker]", worker(old) != worker(new)),
        ("[webhook]", old.webhook != new.webhook),
        ("[workflows]", old.overrides != new.overrides),
        ("[log] format", old.log.format != new.log.format),
        ("[trace]", old.trace != new.trace),
    ]
    .into_iter()
    .filter_map(|(section, differs)| differs.then_some(section))
    .collect()
}

fn secrets(secrets: &[SecretString]) -> Vec<&str> {
    secrets.iter().map(SecretString::expose_secret).collect()
}

/// Where the store is, with its secrets.
fn store(config: &Config) -> Vec<String> {
    match &config.store {
        StoreConfig::File(path) => vec![path.display().to_string()],
        StoreConfig::Database(settings) => {
            let secrets = [Some(&settings.url), settings.password.as_ref()];
            let secrets = secrets.into_iter().flatten().map(|secret| secret.expose_secret().to_owned());
            secrets.chain(settings.ca_pem.clone()).collect()
        }
    }
}

/// How the broker is reached and who may publish, with the secrets; and everything else, as text.
fn broker(config: &BrokerConfig) -> (Vec<&str>, String) {
    let urls = config.urls.iter().map(SecretString::expose_secret);
    let signers = config.requesters.iter().flat_map(|(requester, keys)| {
        iter::once(requester.as_str()).chain(keys.iter().map(SecretString::expose_secret))
    });
    let BrokerConfig { prefix, prefetch, declare, kind, hold, ca_pem, .. } = config;
    (urls.chain(signers).collect(), format!("{prefix} {prefetch} {declare} {kind:?} {hold:?} {ca_pem:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(settings: &[(&str, &str)]) -> Config {
        let env = settings.iter().map(|(name, value)| (format!("CROSSGRANT_{name}"), (*value).to_owned()));
        Config::load(None, env).unwrap()
    }

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_secret_file_that_is_missing_is_warned_of_once_until_something_else_is_wrong() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        // A place that logs for the first time while another test changes its subscriber may have been left out.
        tracing::callsite::rebuild_interest_cache();
        let faults = Mutex::new(vec!["other", "gone", "gone", "", "gone", "gone"]);
        let read: ConfigReader = Arc::new(move || match faults.lock().unwrap().pop() {
            None | Some("") => Ok(config(&[])),
            Some(fault) => Err(CliError::usage(format!("cannot read `access_key_secret_file`: {fault}"))),
        });
        let read = credentials(&read);
        let known: Vec<bool> = (0..7).map(|_| read().is_some()).collect();
        assert_eq!(known, [false, false, true, false, false, false, true], "it keeps what it has");
        let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        let warned: Vec<&str> = said.lines().filter(|line| line.contains("WARN")).collect();
        let gone =
            |line: &&&str| line.contains("keeps the credentials that it has: cannot read") && line.contains(": gone");
        assert_eq!((warned.len(), warned.iter().filter(gone).count()), (3, 2), "{said}");
    }

    #[test]
    fn what_only_a_restart_takes_over_is_named_and_nothing_else() {
        let (url, other) = (("BROKER_URL", "amqp://a:s3cr3t@h/%2f"), ("BROKER_URL", "amqp://a:0ther@h/%2f"));
        for (old, new, section) in [
            (vec![url], vec![other], vec!["[broker]"]),
            (vec![], vec![("STORE_PATH", "/other.db")], vec!["[store]"]),
            (vec![("STORE_URL", "postgres://u:a@h/d")], vec![("STORE_URL", "postgres://u:b@h/d")], vec!["[store]"]),
            (vec![], vec![("STORE_KEEP", "48h")], vec!["[store]"]),
            (vec![], vec![("ADMIN_LISTEN", "127.0.0.1:1")], vec!["[admin] listen, hosts, page, https"]),
            (vec![], vec![("BROKER_KIND", "apsaramq")], vec!["[broker]"]),
            (vec![], vec![("DOOR_KEY", "0123456789abcdef0123456789abcdef")], vec!["[door]"]),
            (vec![], vec![("WORKER_CONCURRENCY", "7")], vec!["[worker]"]),
            (vec![], vec![("WEBHOOK_SECRET", "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")], vec!["[webhook]"]),
            (vec![], vec![("CLOUD_ENDPOINTS_STS", "https://sts.example")], vec!["[cloud.endpoints]"]),
            (vec![], vec![("LOG_FORMAT", "json")], vec!["[log] format"]),
            (vec![], vec![("TRACE_ENDPOINT", "http://here:4318")], vec!["[trace]"]),
            (vec![], vec![("LOG_FILTER", "debug"), ("ADMIN_TOKEN", "t0ken"), ("LIMITS_REVOKES_PER_CEN", "3")], vec![]),
        ] {
            assert_eq!(restarts(&config(&old), &config(&new)), section, "{new:?}");
        }
    }

    #[test]
    fn a_limit_that_differs_is_told_with_what_it_was() {
        let said = limits(&config(&[]), &config(&[("LIMITS_REVOKES_PER_CEN", "3")]));
        assert_eq!(said, ["revokes_per_cen: 3, and 20 before"]);
        assert!(limits(&config(&[]), &config(&[])).is_empty());
    }

    #[test]
    fn what_is_in_force_is_remembered_and_what_needs_a_restart_is_told_again() {
        let new = [("LOG_FILTER", "debug"), ("WORKER_CONCURRENCY", "7"), ("LIMITS_REVOKES_PER_CEN", "3")];
        let mut present = config(&[]);
        remember(&mut present, config(&new));
        assert_eq!(present.log.filter, "debug");
        assert!(limits(&present, &config(&new)).is_empty());
        assert_eq!(restarts(&present, &config(&new)), ["[worker]"]);
    }

    #[test]
    fn each_fault_is_one_line() {
        let error = CliError::usage("faults in the configuration: 2\na:1: x\nb:2: y");
        assert_eq!(faults(&error), ["a:1: x", "b:2: y"]);
        assert_eq!(faults(&CliError::usage("no")), ["no [bad-input]"]);
    }
}
