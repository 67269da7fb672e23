//! This machine: the worker that runs here; if there is none, the address and the store that one would use.

use std::fmt::Display;
use std::path::Path;

use tokio::net::TcpListener;

use super::finding::{DoctorFinding, failed, fault, fine, unclear};
use crate::admin::{AccountView, AccountsView, JobPage, Readiness};
use crate::cli::args::WorkerArgs;
use crate::cli::client::AdminClient;
use crate::cli::exit::Exit;
use crate::cli::store;
use crate::config::{Config, StoreConfig};
use crate::domain::{AccountUid, Code, whole_second};
use crate::engine::ports::account::{AccountReport, InTrouble, Standing, in_trouble, mends, named};
use crate::engine::ports::store::StoreError;
use crate::store::{Postgres, Sqlite};

pub(super) async fn local(config: &Config) -> Vec<DoctorFinding> {
    let worker = match AdminClient::of(&WorkerArgs::default(), config) {
        Ok(worker) => worker,
        Err(error) => return vec![failed("admin", error, "correct `[admin] listen`")],
    };
    let answers = match worker.get::<JobPage>("/v1/jobs?limit=1").await {
        Ok(_) => fine("admin", format!("a worker answers at {}", worker.url())),
        Err(error) if error.exit == Exit::Unreachable => return vec![address(config).await, storage(config).await],
        Err(error) if error.code == Code::NotAWorker => {
            return vec![failed("admin", error, "stop that program, or set `[admin] listen` to another address")];
        }
        Err(error) => {
            let advice = format!("`crossgrant explain {}`", error.code);
            failed("admin", error, advice)
        }
    };
    let advice = format!("see {}/readyz and the worker's log", worker.url());
    let ready = match worker.readiness().await {
        Ok(readiness) => ready(&readiness, &advice),
        Err(error) => vec![failed("worker", error, advice)],
    };
    let known = worker.get::<AccountsView>("/v1/accounts").await;
    let known =
        known.map_or_else(|error| vec![failed("accounts", error, "restart the worker")], |view| accounts(&view));
    [vec![answers], ready, known].concat()
}

/// Whether the running worker is ready, and what it has seen of the queues for events: AMQP has no list of them.
fn ready(readiness: &Readiness, advice: &str) -> Vec<DoctorFinding> {
    let worker = match readiness.ready {
        true => fine("worker", "is ready: store, broker and definitions"),
        false => {
            let says = format!("runs but is not ready: {}", readiness.failed());
            fault("worker", Code::WorkerNotReady, says, advice)
        }
    };
    let events = readiness.checks.iter().find(|check| check.name == "events").and_then(|check| check.detail.as_ref());
    let unrouted = events.map(|says| {
        let advice = "nothing, if answers go to `reply_to` alone. Otherwise bind a queue to the exchange; then `crossgrant events \
                      replay --since TIME` publishes again what it missed";
        unclear("events", Code::EventsUnrouted, says, advice)
    });
    std::iter::once(worker).chain(unrouted).collect()
}

/// The accounts as the running worker knows them: a fault for each cause.
fn accounts(view: &AccountsView) -> Vec<DoctorFinding> {
    const CHECK: &str = "accounts";
    let of = |is: fn(&AccountView) -> bool| -> Vec<&AccountUid> {
        view.accounts.iter().filter(|account| is(account)).map(|account| &account.report.uid).collect()
    };
    let mut findings = Vec::new();
    let outdated = of(|account| account.outdated);
    if !outdated.is_empty() {
        let says =
            format!("the worker still holds the old key of {}; the configuration has another one", named(&outdated));
        findings.push(fault(CHECK, Code::CredentialOutdated, says, "crossgrant reload"));
    }
    let reports: Vec<AccountReport> = view.accounts.iter().map(|account| account.report.clone()).collect();
    findings.extend(in_trouble(&reports).iter().map(troubled));
    findings.extend(view.faults.first().map(|fault| {
        let says = format!("the worker cannot use its configuration as it is now: {fault}");
        let advice = "correct it: until then the worker goes on with what it has";
        self::fault(CHECK, Code::ConfigUnusable, says, advice)
    }));
    let unknown = of(|account| account.report.standing == Standing::Unknown);
    if !unknown.is_empty() {
        let says = format!("the worker has no answer yet of {}", named(&unknown));
        findings.push(DoctorFinding { ok: None, ..fine(CHECK, says) });
    }
    if findings.is_empty() {
        findings.push(fine(CHECK, format!("the worker can use its accounts: {}", view.accounts.len())));
    }
    findings
}

/// Accounts that the worker cannot use.
fn troubled(trouble: &InTrouble<'_>) -> DoctorFinding {
    let (accounts, since, says) = (trouble.named(), whole_second(trouble.since), trouble.says());
    if matches!(trouble.standing, Standing::Unreachable { .. }) {
        let says = format!("the worker gets no answer as {accounts} since {since}: {says}");
        return fault("accounts", Code::CloudUnreachable, says, "check the network and `[cloud.endpoints]`");
    }
    let says = format!("the worker holds the jobs of {accounts}, refused since {since}: {says}");
    let advice = match trouble.standing {
        Standing::Refused(refusal) | Standing::Probing(refusal) => mends(refusal),
        Standing::Unreachable { .. } | Standing::Unknown | Standing::Ok => "see `crossgrant accounts`",
    };
    fault("accounts", Code::AccountRefused, says, advice)
}

/// Whether a worker could listen at its address.
async fn address(config: &Config) -> DoctorFinding {
    let at = config.admin.listen;
    match TcpListener::bind(at).await {
        Ok(_) => fine("admin", format!("no worker runs here; {at} is free for one")),
        Err(error) => {
            let says = format!("cannot listen on {at}: {error}");
            fault("admin", Code::CannotListen, says, "set `[admin] listen` to a free address")
        }
    }
}

/// Whether a worker could use the store, which is not created and not changed.
async fn storage(config: &Config) -> DoctorFinding {
    let place = store::place(&config.store);
    match &config.store {
        StoreConfig::File(path) if !path.exists() && !path.is_symlink() => absent(path),
        StoreConfig::File(path) => examined(place, Sqlite::examine(path), Sqlite::SCHEMA),
        StoreConfig::Database(settings) => match Postgres::name_is_taken(settings).await {
            Ok(true) => {
                let says = format!(
                    "{place}: another worker of it is named {}, and no two may have the same name",
                    settings.name
                );
                fault("store", Code::WorkerNameTaken, says, "set `[worker] name` of this one, or stop that one")
            }
            // What keeps it from being asked is a finding of the next.
            Ok(false) | Err(_) => examined(place, Postgres::examine(settings).await, Postgres::SCHEMA),
        },
    }
}

fn unusable(place: impl Display, error: &StoreError) -> DoctorFinding {
    let advice = format!("`crossgrant explain {}`", error.code());
    fault("store", error.code(), format!("{place}: {error}"), advice)
}

/// A store that is there, with the version of its schema.
fn examined(place: String, found: Result<usize, StoreError>, ours: usize) -> DoctorFinding {
    let says = match found {
        Err(error) => return unusable(place, &error),
        Ok(found) if found == ours => format!("{place} can be written and read"),
        Ok(0) => format!("{place} can be written and read, and is empty; a worker makes its schema"),
        Ok(found) => {
            format!("{place} can be written and read; it would be migrated from {found} to {ours} when a worker starts")
        }
    };
    fine("store", says)
}

/// A file that the worker would create, with its directories.
fn absent(path: &Path) -> DoctorFinding {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let above = path.ancestors().skip(1).find(|above| above.exists());
    match above.map(|above| (above, above.metadata())) {
        Some((_, Ok(above))) if above.is_dir() && !above.permissions().readonly() => {
            fine("store", format!("{} does not exist yet; the worker creates it", path.display()))
        }
        above => {
            let above = above.map_or_else(|| path.display(), |(above, _)| above.display());
            let says = format!("{} cannot be created: {above} is no directory that can be written", path.display());
            fault("store", Code::StoreUnavailable, says, "set `[store] path` to a file that the worker can create")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::HealthCheck;
    use crate::engine::ports::account::RefusedCredential;

    #[test]
    fn events_that_no_queue_takes_are_no_fault() {
        let check = |ok, name: &str, detail: Option<&str>| HealthCheck {
            name: name.into(),
            ok,
            needed: true,
            detail: detail.map(str::to_owned),
        };
        let found = |ready, detail| {
            let checks = vec![check(ready, "store", Some("down")), check(true, "events", detail)];
            let findings = super::ready(&Readiness { ready, checks }, "see the log");
            findings.iter().map(|finding| (finding.check, finding.ok, finding.code)).collect::<Vec<_>>()
        };
        let unrouted = ("events", None, Some(Code::EventsUnrouted));
        assert_eq!(found(true, None), [("worker", Some(true), None)]);
        assert_eq!(found(true, Some("no queue is bound to x")), [("worker", Some(true), None), unrouted]);
        let not_ready = ("worker", Some(false), Some(Code::WorkerNotReady));
        assert_eq!(found(false, Some("no queue is bound to x")), [not_ready, unrouted]);
    }

    #[test]
    fn what_the_worker_knows_of_its_accounts_is_found() {
        let known = |standing, outdated| {
            let report = AccountReport {
                uid: AccountUid::parse("1688000000000001").unwrap(),
                credential: "access-key".into(),
                key_end: None,
                expires_at: None,
                last_success: None,
                standing,
                budget: None,
            };
            AccountsView { accounts: vec![AccountView { report, site: None, outdated }], faults: vec![] }
        };
        let codes = |view: &AccountsView| accounts(view).iter().map(|finding| finding.code).collect::<Vec<_>>();
        let refusal = RefusedCredential {
            since: "2026-11-28T16:25:16Z".parse().unwrap(),
            code: "SignatureDoesNotMatch".into(),
            asked: "GetCallerIdentity".into(),
            message: "no".into(),
        };
        let silent = Standing::Unreachable { since: refusal.since, message: "reset".into() };
        assert_eq!(codes(&known(Standing::Ok, false)), [None]);
        assert_eq!(codes(&known(Standing::Ok, true)), [Some(Code::CredentialOutdated)]);
        assert_eq!(codes(&known(silent.clone(), false)), [Some(Code::CloudUnreachable)]);
        let refused = known(Standing::Refused(refusal), true);
        assert_eq!(codes(&refused), [Some(Code::CredentialOutdated), Some(Code::AccountRefused)]);
        let said: String = accounts(&refused).iter().flat_map(DoctorFinding::lines).collect();
        assert!(said.contains("the worker still holds the old key of account 1688000000000001"), "{said}");
        assert!(
            said.contains("do: crossgrant reload") && said.contains("refused since 2026-11-28T16:25:16Z"),
            "{said}"
        );
        let unknown = accounts(&known(Standing::Unknown, false));
        assert_eq!((unknown.len(), unknown[0].ok), (1, None), "nothing is known before the first answer: {unknown:?}");
        let down = AccountsView {
            accounts: [known(silent.clone(), false).accounts, known(silent, false).accounts].concat(),
            faults: vec![],
        };
        let said = accounts(&down);
        assert!(said.len() == 1 && said[0].says.contains("as 2 accounts ("), "{said:?}");
        let faulty = AccountsView { faults: vec!["c.toml:3: no".into()], ..known(Standing::Ok, false) };
        assert_eq!(codes(&faulty), [Some(Code::ConfigUnusable)]);
    }
}
