//! `doctor`: whether a worker with this configuration could work, and what to do about each thing that is in the way.
//! The broker and the cloud are only read.

mod accounts;
mod broker;
mod finding;
mod permissions;
mod probe;
mod service;

use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;

use self::finding::{Finding, failed, fault, fine};
use super::args::DoctorArgs;
use super::client::{Worker, local_url};
use super::engine::{Access, accounts, catalog};
use super::exit::{Exit, Failure};
use super::{input, output, store};
use crate::admin::{JobPage, Readiness};
use crate::clock::{Clock, SystemClock};
use crate::cloud::Unobserved;
use crate::config::{Config, Warning};
use crate::domain::contract::{self, Envelope, Fault};
use crate::domain::{AccountUid, Cen, CenId, Code, Job};
use crate::engine::policy::Allow;
use crate::engine::ports::cloud::Readers;

/// What is logged beside the findings. The broker closes a channel to say that a queue is missing or differs, which the
/// library takes for an error and a finding tells.
pub(super) const LOG: &str = "warn,lapin::channel=off";

/// What is to be tried in the cloud.
#[derive(Default)]
struct Tried<'a> {
    uids: Vec<AccountUid>,
    rules: &'a [Allow],
    cen: Option<&'a Cen>,
    jobs: &'a [bytes::Bytes],
}

fn warned(warning: &Warning) -> Finding {
    fault("configuration", warning.code, &warning.message, "see deploy/crossgrant.toml")
}

/// Looks at everything; fine only if nothing is in the way.
pub(super) async fn doctor(
    args: &DoctorArgs,
    config: impl FnOnce() -> Result<Config, Failure>,
) -> Result<Exit, Failure> {
    if let Some(file) = &args.probe {
        return probe::probes(&input::jobs(file)?, args.json, config()?).await;
    }
    let jobs = args.job.as_deref().map(input::jobs).transpose()?.unwrap_or_default();
    let findings = match config() {
        Err(failure) => vec![failed("configuration", failure, "correct it; deploy/crossgrant.toml shows every key")],
        Ok(config) => {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let mut findings = configuration(&config);
            findings.extend(local(&config).await);
            findings.extend(broker::broker(&config).await);
            match Access::configured(&config) {
                Ok(access) => {
                    let uids = config.accounts.keys().cloned().collect();
                    let tried = Tried { uids, rules: &config.allow, cen: args.cen.as_ref(), jobs: &jobs };
                    findings.extend(cloud(access, &clock, &tried).await);
                }
                Err(failure) => findings.push(failed("accounts", failure, "name the accounts and their keys")),
            }
            findings
        }
    };
    for finding in &findings {
        print(finding, args.json)?;
    }
    Ok(if findings.iter().any(Finding::is_fault) { Exit::Failed } else { Exit::Ok })
}

fn print(finding: &Finding, json: bool) -> Result<(), Failure> {
    let lines = if json { vec![json!(finding).to_string()] } else { finding.lines() };
    lines.iter().try_for_each(|line| output::line(line))
}

fn configuration(config: &Config) -> Vec<Finding> {
    let mut findings: Vec<Finding> = config.warnings.iter().map(warned).collect();
    if config.allow.is_empty() {
        let advice = "say who may ask for what, in one [[allow]] rule or more";
        findings.push(fault(
            "policy",
            Code::ConfigNoRule,
            "there is no [[allow]] rule, so every job is refused",
            advice,
        ));
    }
    if findings.is_empty() {
        let (accounts, rules) = (config.accounts.len(), config.allow.len());
        findings.push(fine("configuration", format!("{accounts} accounts, {rules} rules of who may ask for what")));
    }
    findings
}

/// The worker that runs here, and if there is none, what it would need of this machine.
async fn local(config: &Config) -> Vec<Finding> {
    let url = local_url(config.admin.listen);
    let worker = match Worker::new(&url, config.admin.token.clone()) {
        Ok(worker) => worker,
        Err(failure) => return vec![failed("admin", failure, "correct `[admin] listen`")],
    };
    match worker.get::<JobPage>("/v1/jobs?limit=1").await {
        Ok(_) => {}
        Err(failure) if failure.exit == Exit::Unreachable => return vec![listen(config).await, storage(config).await],
        Err(failure) => return vec![failed("admin", failure, "see that it is a worker of this configuration")],
    }
    let answers = fine("admin", format!("a worker answers at {url}"));
    // A worker that is not ready says so with an error, which names what is the matter in its readiness alone.
    let ready = match worker.get::<Readiness>("/readyz").await {
        Ok(_) => fine("worker", "is ready: store, broker and definitions"),
        Err(failure) => {
            let says = format!("is not ready: {}", failure.message);
            fault("worker", Code::WorkerNotReady, says, format!("see {url}/readyz and its log"))
        }
    };
    vec![answers, ready]
}

async fn listen(config: &Config) -> Finding {
    let at = config.admin.listen;
    match TcpListener::bind(at).await {
        Ok(_) => fine("admin", format!("no worker runs here; {at} is free for one")),
        Err(error) => {
            let says = format!("cannot listen on {at}: {error}");
            fault("admin", Code::CannotListen, says, "set `[admin] listen` to a free address")
        }
    }
}

async fn storage(config: &Config) -> Finding {
    let place = store::place(&config.store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let probed = match store::open(&config.store, &clock).await {
        Ok(store) => store.probe().await,
        Err(error) => Err(error),
    };
    match probed {
        Ok(()) => fine("store", format!("{place} can be written and read")),
        Err(error) => {
            let advice = format!("`crossgrant explain {}`", error.code());
            fault("store", error.code(), format!("{place}: {error}"), advice)
        }
    }
}

/// What the cloud says to each account, and what each may read.
async fn cloud(access: Access, clock: &Arc<dyn Clock>, tried: &Tried<'_>) -> Vec<Finding> {
    let made = catalog(&access.overrides).and_then(|catalog| {
        let accounts = accounts(access, &catalog, clock, Arc::new(Unobserved))?;
        Ok((catalog, accounts))
    });
    let (catalog, accounts) = match made {
        Ok(made) => made,
        Err(failure) => return vec![failed("configuration", failure, "correct `[workflows]`")],
    };
    let (classes, readers) = (&catalog.classes, &accounts as &dyn Readers);
    let (mut findings, mut identified) = (Vec::new(), Vec::new());
    for uid in &tried.uids {
        let found = accounts::account(&accounts, uid, clock.as_ref(), classes).await;
        // Without a credential that is its own, nothing can be said of what an account may do.
        let identifies = found.first().is_some_and(|credential| !credential.is_fault());
        findings.extend(found);
        if identifies {
            identified.push(uid.clone());
            findings.push(service::service(&accounts, uid, classes).await);
        }
    }
    if tried.cen.is_none() && tried.jobs.is_empty() {
        findings.extend(permissions::of_accounts(readers, &identified, tried.rules, classes).await);
    }
    if let Some(cen) = tried.cen {
        findings.extend(permissions::of_cen(readers, cen, classes).await);
    }
    for body in tried.jobs {
        match parsed(body) {
            Ok(job) => findings.extend(permissions::of_job(readers, &job, classes).await),
            Err(faults) => findings.extend(faults),
        }
    }
    findings
}

/// A job; else what is wrong with it.
fn parsed(body: &[u8]) -> Result<Job, Vec<Finding>> {
    let key = input::routing_key(body);
    let envelope = Envelope { message_id: None, routing_key: &key, reply_to: None, reserved: super::run::PREFIX };
    let faulty = |f: &Fault| fault("job", f.code, format!("{}: {}", f.at, f.message), "correct the job");
    contract::parse(body, &envelope).map_err(|faults| faults.iter().map(faulty).collect())
}

/// Reads a CEN with its owner, as `<uid>/<cen>`.
pub(super) fn cen(text: &str) -> Result<Cen, String> {
    let (owner, id) = text.split_once('/').ok_or("a CEN is named with its owner: 1250123456123456/cen-…")?;
    Ok(Cen {
        id: CenId::parse(id).map_err(|error| error.to_string())?,
        owner: AccountUid::parse(owner).map_err(|error| error.to_string())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::Hour;

    const CEN_OWNER: &str = "1250123456123456";
    const RESOURCE: &str = "1688000000000001";
    const CEN: &str = "1250123456123456/cen-44m0p68spvlrqq0001";

    fn uids(uids: &[&str]) -> Vec<AccountUid> {
        uids.iter().map(|uid| AccountUid::parse(*uid).unwrap()).collect()
    }

    async fn of_the_cloud(tried: Tried<'_>, faults: &str) -> Vec<Finding> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let dir = tempfile::tempdir().unwrap();
        let world = dir.path().join("world.toml");
        std::fs::write(&world, format!("{}\n{faults}", include_str!("../../examples/world.toml"))).unwrap();
        let access = Access::simulated(Some(&world), Hour::REAL, Arc::clone(&clock)).unwrap();
        cloud(access, &clock, &tried).await
    }

    fn rules() -> Vec<Allow> {
        toml::from_str::<std::collections::BTreeMap<String, Vec<Allow>>>(
            "[[allow]]\nrequesters = ['*']\ncens = ['cen-44m0p68spvlrqq0001']\n",
        )
        .unwrap()
        .remove("allow")
        .unwrap()
    }

    #[tokio::test]
    async fn keys_clock_and_every_read_of_a_job_are_tried() {
        let job = [bytes::Bytes::from_static(include_bytes!("../../examples/payer-change.json"))];
        let cen = cen(CEN).unwrap();
        let both = uids(&[CEN_OWNER, RESOURCE]);
        let tried = Tried { uids: both, cen: Some(&cen), jobs: &job, ..Tried::default() };
        let findings = of_the_cloud(tried, "").await;
        assert!(findings.iter().all(|finding| finding.ok == Some(true)), "{findings:#?}");
        let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
        let account = ["credential", "clock", "service"];
        assert_eq!(checks, [&account[..], &account, &["permission"; 11]].concat());
    }

    #[tokio::test]
    async fn without_a_job_the_owner_of_a_cen_is_found_and_each_side_is_tried() {
        let (both, rules) = (uids(&[RESOURCE, CEN_OWNER]), rules());
        let tried = || Tried { uids: both.clone(), rules: &rules, ..Tried::default() };
        let said = |findings: &[Finding]| -> Vec<(Option<bool>, String)> {
            let permissions = findings.iter().filter(|finding| finding.check == "permission");
            permissions.map(|finding| (finding.ok, finding.lines().join(" "))).collect()
        };
        let found = said(&of_the_cloud(tried(), "").await);
        for part in [
            "account 1250123456123456 may read the grants of cen-44m0p68spvlrqq0001",
            "account 1250123456123456 may read the attachments",
            "account 1250123456123456 may read the instances attached to cen",
            "account 1688000000000001 may read the grants of its instances",
        ] {
            assert!(found.iter().any(|(ok, line)| *ok == Some(true) && line.contains(part)), "{part}: {found:#?}");
        }
        assert!(!found.iter().any(|(ok, _)| *ok == Some(false)), "{found:#?}");
        assert!(found.last().is_some_and(|(ok, line)| ok.is_none() && line.contains("[permission-unknown]")));

        let refuse = |operation: &str, code: &str| {
            format!(
                "[[faults]]\noperation = \"{operation}\"\ncount = 9\nkind = {{ error = {{ http = 403, code = \"{code}\" }} }}"
            )
        };
        for (operation, code, ok, part) in [
            ("DescribeGrantRulesToResource", "NoPermission", Some(false), "may not read the grants of its instances"),
            ("DescribeGrantRulesToResource", "Forbidden", None, "cannot be told from one that does not exist"),
            (
                "DescribeGrantRulesToCen",
                "Forbidden.RAM",
                None,
                "no account is shown the grants of cen-44m0p68spvlrqq0001",
            ),
            ("ListTransitRouterVpcAttachments", "NoPermission", Some(false), "cannot read the attachments"),
        ] {
            let found = said(&of_the_cloud(tried(), &refuse(operation, code)).await);
            assert!(found.iter().any(|(is, line)| *is == ok && line.contains(part)), "{operation} {code}: {found:#?}");
        }
    }

    #[tokio::test]
    async fn an_account_that_has_not_activated_the_service_is_found() {
        let refuse = "[[faults]]\noperation = \"CheckTransitRouterService\"\ncount = 9\n\
                      kind = { error = { http = 400, code = \"USER_NOT_OPEN_TR_SERVICE\" } }";
        let both = uids(&[CEN_OWNER, RESOURCE]);
        let found = of_the_cloud(Tried { uids: both, ..Tried::default() }, refuse).await;
        let found: Vec<_> = found.iter().filter(|finding| finding.check == "service").collect();
        assert_eq!(found.iter().map(|finding| finding.ok).collect::<Vec<_>>(), [Some(false); 2], "{found:?}");
        assert!(found.iter().all(|finding| finding.code == Some(Code::ServiceNotActivated)), "{found:?}");
    }

    #[tokio::test]
    async fn a_first_grant_is_told_what_it_needs_besides_its_permission() {
        let said = async |job: &'static [u8]| {
            let job = [bytes::Bytes::from_static(job)];
            let found = of_the_cloud(Tried { jobs: &job, ..Tried::default() }, "").await;
            found
                .iter()
                .any(|finding| finding.advice.as_ref().is_some_and(|advice| advice.contains("AliyunServiceRoleForCEN")))
        };
        assert!(said(include_bytes!("../../examples/grant.json")).await);
        assert!(!said(include_bytes!("../../examples/payer-change.json")).await);
    }

    #[tokio::test]
    async fn each_fault_comes_with_its_code_and_what_to_do() {
        let job = [bytes::Bytes::from_static(b"{\"id\": \"x\"}")];
        let tried = Tried { uids: uids(&["1999999999999999"]), jobs: &job, ..Tried::default() };
        let findings = of_the_cloud(tried, "").await;
        assert_eq!(
            findings.iter().map(|finding| finding.check).collect::<Vec<_>>(),
            ["credential", "job", "job", "job"]
        );
        assert!(findings[0].says.contains("no credential is configured for account 1999999999999999"));
        assert!(
            findings.iter().all(|finding| finding.is_fault() && finding.advice.is_some() && finding.code.is_some())
        );
    }

    #[tokio::test]
    async fn what_this_machine_lacks_is_found_and_the_rest_is_fine() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, gone) =
            (TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        let (free, closed) = (listener.local_addr().unwrap(), gone.local_addr().unwrap());
        drop((listener, gone));
        let store = dir.path().join("s.db").display().to_string();
        let env = [
            ("CROSSGRANT_BROKER_URL", format!("amqp://guest:guest@{closed}/%2f")),
            ("CROSSGRANT_ADMIN_LISTEN", free.to_string()),
            ("CROSSGRANT_STORE_PATH", store),
        ];
        let config = Config::load(None, env.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap();
        assert!(configuration(&config).iter().any(Finding::is_fault), "nobody may ask for anything");
        let found = local(&config).await;
        assert!(!found.iter().any(Finding::is_fault), "{found:?}");
        let broker = &broker::broker(&config).await[0];
        assert!(broker.is_fault() && broker.lines().join("\n").contains("do: "), "{broker:?}");
        assert!(!broker.says.contains("guest:guest"), "{broker:?}");
        let held = store::open(&config.store, &(Arc::new(SystemClock) as Arc<dyn Clock>)).await.unwrap();
        assert!(local(&config).await[1].is_fault(), "another process has the store");
        drop(held);
    }
}
