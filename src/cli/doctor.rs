//! `doctor`: whether a worker with this configuration could work, and what to do about each thing that is in the way.
//! The cloud is only read.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::net::TcpListener;

use super::args::DoctorArgs;
use super::client::{Worker, local_url};
use super::engine::{Access, accounts, catalog};
use super::exit::{Exit, Failure};
use super::{input, output, serve};
use crate::admin::{JobPage, Readiness};
use crate::broker::Submitter;
use crate::clock::{Clock, SystemClock};
use crate::cloud::{Accounts, Unobserved};
use crate::config::{Config, Warning};
use crate::domain::contract::{self, Envelope, Fault};
use crate::domain::{AccountUid, Cen, CenId, Code, InstanceType, Job};
use crate::engine::cloud::{CloudError, Failure as Failed, Readers, RuleFilter};
use crate::engine::store::Store;
use crate::store::Sqlite;
use crate::workflow::ErrorClasses;

/// The cloud refuses signatures that are a quarter of an hour off, and hours are counted by its clock, not ours.
const SKEW: Duration = Duration::from_secs(60);

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    check: &'static str,
    ok: bool,
    /// What `explain` knows about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    says: String,
    /// What to do about it.
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn fine(check: &'static str, says: impl Into<String>) -> Finding {
    Finding { check, ok: true, code: None, says: says.into(), advice: None }
}

fn fault(check: &'static str, code: Code, says: impl ToString, advice: impl Into<String>) -> Finding {
    Finding { check, ok: false, code: Some(code), says: says.to_string(), advice: Some(advice.into()) }
}

fn failed(check: &'static str, failure: Failure, advice: impl Into<String>) -> Finding {
    fault(check, failure.code, failure.message, advice)
}

fn warned(warning: &Warning) -> Finding {
    fault("configuration", warning.code, &warning.message, "see deploy/crossgrant.toml")
}

/// Looks at everything; fine only if all of it is.
pub(super) async fn doctor(
    args: &DoctorArgs,
    config: impl FnOnce() -> Result<Config, Failure>,
) -> Result<Exit, Failure> {
    let jobs = args.job.as_deref().map(input::jobs).transpose()?.unwrap_or_default();
    let findings = match config() {
        Err(failure) => vec![failed("configuration", failure, "correct it; deploy/crossgrant.toml shows every key")],
        Ok(config) => {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let mut findings = configuration(&config);
            findings.extend(local(&config).await);
            findings.push(broker(&config).await);
            match Access::configured(&config) {
                Ok(access) => findings.extend(cloud(access, &clock, &uids(&config), args.cen.as_ref(), &jobs).await),
                Err(failure) => findings.push(failed("accounts", failure, "name the accounts and their keys")),
            }
            findings
        }
    };
    for finding in &findings {
        for line in if args.json { vec![json!(finding).to_string()] } else { finding.lines() } {
            output::line(&line)?;
        }
    }
    Ok(if findings.iter().all(|finding| finding.ok) { Exit::Ok } else { Exit::Failed })
}

impl Finding {
    fn lines(&self) -> Vec<String> {
        let mark = if self.ok { "ok   " } else { "FAULT" };
        let code = self.code.map(|code| format!(" [{code}]")).unwrap_or_default();
        let mut lines = vec![format!("{mark}  {:<13}  {}{code}", self.check, self.says.replace('\n', "; "))];
        lines.extend(self.advice.as_ref().map(|advice| format!("{:22}do: {advice}", "")));
        lines
    }
}

fn uids(config: &Config) -> Vec<AccountUid> {
    config.accounts.keys().cloned().collect()
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
        Err(failure) if failure.exit == Exit::Unreachable => return vec![listen(config).await, store(config).await],
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

async fn store(config: &Config) -> Finding {
    let path = config.store.display();
    let probed = match Sqlite::open(&config.store) {
        Ok(store) => store.probe().await,
        Err(error) => Err(error),
    };
    match probed {
        Ok(()) => fine("store", format!("{path} can be written and read")),
        Err(error) => {
            let advice = format!("`crossgrant explain {}`", error.code());
            fault("store", error.code(), format!("{path}: {error}"), advice)
        }
    }
}

async fn broker(config: &Config) -> Finding {
    match Submitter::connect(Arc::new(serve::broker(config))).await {
        Ok(submitter) => {
            submitter.close().await;
            fine("broker", "is reached, and has the exchanges and queues")
        }
        Err(error @ crate::broker::BrokerError::Topology { .. }) => fault(
            "broker",
            error.code(),
            error,
            "a worker with `[broker] declare` makes them; else load deploy/rabbitmq/definitions.json",
        ),
        Err(error) => fault("broker", error.code(), error, "see that it runs, and compare `[broker] url` with it"),
    }
}

/// What the cloud says to each account; and, of a CEN or of jobs, whether what a job reads may be read.
async fn cloud(
    access: Access,
    clock: &Arc<dyn Clock>,
    uids: &[AccountUid],
    cen: Option<&Cen>,
    jobs: &[bytes::Bytes],
) -> Vec<Finding> {
    let made = catalog(&access.overrides).and_then(|catalog| {
        let accounts = accounts(access, &catalog, clock, Arc::new(Unobserved))?;
        Ok((catalog, accounts))
    });
    let (catalog, accounts) = match made {
        Ok(made) => made,
        Err(failure) => return vec![failed("configuration", failure, "correct `[workflows]`")],
    };
    let classes = &catalog.classes;
    let mut findings = Vec::new();
    for uid in uids {
        findings.extend(credential(&accounts, uid, clock.as_ref(), classes).await);
    }
    let readers: &dyn Readers = &accounts;
    if let Some(cen) = cen {
        let read = async {
            let reader = readers.transit_router_reader(&cen.owner)?;
            let answer = reader.describe_grant_rules_to_cen(cen, InstanceType::VPC, &RuleFilter::Page(None)).await?;
            Ok(answer.value.rules.len())
        };
        let says =
            |count| format!("account {} may read the grants of {} ({count} of VPCs on a page)", cen.owner, cen.id);
        findings.push(permission(read.await.map(says), classes));
    }
    for body in jobs {
        let key = input::routing_key(body);
        let envelope = Envelope { message_id: None, routing_key: &key, reply_to: None, reserved: super::run::PREFIX };
        match contract::parse(body, &envelope) {
            Ok(job) => findings.extend(reads(readers, &job, classes).await),
            Err(faults) => {
                let faulty = |f: &Fault| fault("job", f.code, format!("{}: {}", f.at, f.message), "correct the job");
                findings.extend(faults.iter().map(faulty));
            }
        }
    }
    findings
}

async fn credential(accounts: &Accounts, uid: &AccountUid, clock: &dyn Clock, classes: &ErrorClasses) -> Vec<Finding> {
    let date = match accounts.identify(uid).await {
        Ok(date) => date,
        Err(error) => return vec![fault("credential", Code::CredentialUnusable, &error, advice(&error, classes))],
    };
    let credential = fine("credential", format!("the key configured for account {uid} is that account's"));
    let Some(date) = date else { return vec![credential] };
    vec![credential, skew(date, clock.now())]
}

fn skew(theirs: Timestamp, ours: Timestamp) -> Finding {
    let off = ours.duration_since(theirs).unsigned_abs();
    // Their clock is told in whole seconds, and the answer was on its way.
    match off > SKEW {
        false => fine("clock", format!("is within {} s of the cloud's", off.as_secs() + 1)),
        true => fault(
            "clock",
            Code::ClockSkew,
            format!("is {} s off the cloud's", off.as_secs()),
            "set this machine's clock right (NTP)",
        ),
    }
}

/// The reads of a job, each for itself.
async fn reads(readers: &dyn Readers, job: &Job, classes: &ErrorClasses) -> Vec<Finding> {
    let (instance, cen) = (&job.instance, &job.cen);
    let filter = RuleFilter::Instance(instance.id.clone());
    let to_cen = async {
        let reader = readers.transit_router_reader(&cen.owner)?;
        reader.describe_grant_rules_to_cen(cen, instance.kind, &filter).await.map(drop)
    };
    let to_resource = async {
        let reader = readers.resource_reader(&instance.owner)?;
        reader.describe_grant_rules_to_resource(instance).await.map(drop)
    };
    let attachments = async {
        let reader = readers.transit_router_reader(&cen.owner)?;
        reader.list_attachments(cen, instance).await.map(drop)
    };
    let basic = async {
        let reader = readers.transit_router_reader(&cen.owner)?;
        reader.describe_attached_child_instances(cen, instance).await.map(drop)
    };
    let may = |what: &str, owner: &AccountUid| format!("account {owner} may read {what}");
    vec![
        permission(to_cen.await.map(|()| may(&format!("the grants of {}", cen.id), &cen.owner)), classes),
        permission(
            to_resource.await.map(|()| may(&format!("the grants of {}", instance.id), &instance.owner)),
            classes,
        ),
        permission(attachments.await.map(|()| may(&format!("the attachments in {}", cen.id), &cen.owner)), classes),
        permission(basic.await.map(|()| may(&format!("what is attached in {}", cen.id), &cen.owner)), classes),
    ]
}

fn permission(read: Result<String, CloudError>, classes: &ErrorClasses) -> Finding {
    match read {
        Ok(says) => fine("permission", says),
        Err(error) => fault("permission", Code::PermissionMissing, &error, advice(&error, classes)),
    }
}

fn advice(error: &CloudError, classes: &ErrorClasses) -> String {
    let verdict = match &error.failure {
        Failed::NotSent { .. } => return "compare the account's keys and the endpoints in the configuration".into(),
        Failed::Unanswered { .. } => classes.unanswered(),
        Failed::Refused { status, code, .. } => {
            classes.classify(&error.operation, *status, code, error.retry_after.is_some())
        }
    };
    verdict.advice.to_owned()
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

    const CEN: &str = "1250123456123456/cen-44m0p68spvlrqq0001";

    async fn of_the_cloud(uids: &[&str], job: &str) -> Vec<Finding> {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let access = Access::simulated(None, Hour::REAL, Arc::clone(&clock)).unwrap();
        let uids: Vec<AccountUid> = uids.iter().map(|uid| AccountUid::parse(*uid).unwrap()).collect();
        cloud(access, &clock, &uids, Some(&cen(CEN).unwrap()), &[bytes::Bytes::from(job.to_owned())]).await
    }

    #[tokio::test]
    async fn keys_clock_and_every_read_of_a_job_are_tried() {
        let job = include_str!("../../examples/payer-change.json");
        let findings = of_the_cloud(&["1250123456123456", "1688000000000001"], job).await;
        assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");
        let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
        let account = ["credential", "clock"];
        assert_eq!(checks, [&account[..], &account, &["permission"; 5]].concat());
    }

    #[tokio::test]
    async fn each_fault_comes_with_what_to_do() {
        let findings = of_the_cloud(&["1999999999999999"], "{\"id\": \"x\"}").await;
        let faults: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
        assert_eq!(faults.iter().map(|finding| finding.check).collect::<Vec<_>>(), ["credential", "job", "job", "job"]);
        assert!(faults[0].says.contains("no credential is configured for account 1999999999999999"));
        assert!(faults.iter().all(|finding| finding.advice.is_some()));
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (theirs, ok) in
            [("2026-11-21T10:19:00Z", true), ("2026-11-21T10:18:59Z", false), ("2026-11-21T10:21:01Z", false)]
        {
            assert_eq!(skew(at(theirs), at("2026-11-21T10:20:00Z")).ok, ok, "{theirs}");
        }
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
        assert!(!configuration(&config).iter().all(|finding| finding.ok), "nobody may ask for anything");
        let found = local(&config).await;
        assert!(found.iter().all(|finding| finding.ok), "{found:?}");
        let broker = broker(&config).await;
        assert!(!broker.ok && broker.lines().join("\n").contains("do: "), "{broker:?}");
        assert!(!broker.says.contains("guest:guest"), "{broker:?}");
        let held = Sqlite::open(&config.store).unwrap();
        assert!(!local(&config).await[1].ok, "another process has the store");
        drop(held);
    }
}
