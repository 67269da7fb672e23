//! The checks against the simulated cloud, and against this machine.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokio::net::TcpListener;

use super::*;
use crate::cli::store;
use crate::clock::ManualClock;
use crate::domain::{AccountUid, Cen, CenId, Hour};
use crate::engine::policy::Allow;

const CEN_OWNER: &str = "1250123456123456";
const RESOURCE: &str = "1688000000000001";

fn uids(uids: &[&str]) -> Vec<AccountUid> {
    uids.iter().map(|uid| AccountUid::parse(*uid).unwrap()).collect()
}

async fn of_the_cloud(scope: CloudScope<'_>, faults: &str) -> Vec<DoctorFinding> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let dir = tempfile::tempdir().unwrap();
    let world = dir.path().join("world.toml");
    std::fs::write(&world, format!("{}\n{faults}", include_str!("../../../examples/world.toml"))).unwrap();
    let access = CloudAccess::simulated(Some(&world), Hour::REAL, Arc::clone(&clock)).unwrap();
    cloud(access, &clock, &scope).await
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
    let job = [bytes::Bytes::from_static(include_bytes!("../../../examples/payer-change.json"))];
    let cen = Cen { id: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(), owner: uids(&[CEN_OWNER]).remove(0) };
    let both = uids(&[CEN_OWNER, RESOURCE]);
    let scope = CloudScope { uids: both, cen: Some(&cen), jobs: &job, ..CloudScope::default() };
    let findings = of_the_cloud(scope, "").await;
    assert!(findings.iter().all(|finding| finding.ok == Some(true)), "{findings:#?}");
    let checks: Vec<&str> = findings.iter().map(|finding| finding.check).collect();
    let account = ["credential", "clock", "service"];
    assert_eq!(checks, [&account[..], &account, &["permission"; 11]].concat());
}

#[tokio::test]
async fn without_a_job_the_owner_of_a_cen_is_found_and_each_side_is_tried() {
    let (both, rules) = (uids(&[RESOURCE, CEN_OWNER]), rules());
    let scope = || CloudScope { uids: both.clone(), allow: &rules, ..CloudScope::default() };
    let said = |findings: &[DoctorFinding]| -> Vec<(Option<bool>, String)> {
        let permissions = findings.iter().filter(|finding| finding.check == "permission");
        permissions.map(|finding| (finding.ok, finding.lines().join(" "))).collect()
    };
    let found = said(&of_the_cloud(scope(), "").await);
    for part in [
        "account 1250123456123456 can read the grants of cen-44m0p68spvlrqq0001",
        "account 1250123456123456 can read the attachments",
        "account 1250123456123456 can read the instances attached to cen",
        "account 1688000000000001 can read the grants of its instances",
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
        ("DescribeGrantRulesToResource", "NoPermission", Some(false), "cannot read the grants of its instances"),
        ("DescribeGrantRulesToResource", "Forbidden", None, "may also mean that the instance does not exist"),
        (
            "DescribeGrantRulesToCen",
            "Forbidden.RAM",
            None,
            "no configured account can read the grants of cen-44m0p68spvlrqq0001",
        ),
        ("ListTransitRouterVpcAttachments", "NoPermission", Some(false), "cannot read the attachments"),
    ] {
        let found = said(&of_the_cloud(scope(), &refuse(operation, code)).await);
        assert!(found.iter().any(|(is, line)| *is == ok && line.contains(part)), "{operation} {code}: {found:#?}");
    }
}

#[tokio::test]
async fn an_account_that_has_not_activated_the_service_is_found() {
    let refuse = "[[faults]]\noperation = \"CheckTransitRouterService\"\ncount = 9\n\
                  kind = { error = { http = 400, code = \"USER_NOT_OPEN_TR_SERVICE\" } }";
    let both = uids(&[CEN_OWNER, RESOURCE]);
    let found = of_the_cloud(CloudScope { uids: both, ..CloudScope::default() }, refuse).await;
    let found: Vec<_> = found.iter().filter(|finding| finding.check == "service").collect();
    assert_eq!(found.iter().map(|finding| finding.ok).collect::<Vec<_>>(), [Some(false); 2], "{found:?}");
    assert!(found.iter().all(|finding| finding.code == Some(Code::ServiceNotActivated)), "{found:?}");
}

#[tokio::test]
async fn a_first_grant_is_told_what_it_needs_besides_its_permission() {
    let said = async |job: &'static [u8]| {
        let job = [bytes::Bytes::from_static(job)];
        let found = of_the_cloud(CloudScope { jobs: &job, ..CloudScope::default() }, "").await;
        found
            .iter()
            .any(|finding| finding.advice.as_ref().is_some_and(|advice| advice.contains("AliyunServiceRoleForCEN")))
    };
    assert!(said(include_bytes!("../../../examples/grant.json")).await);
    assert!(!said(include_bytes!("../../../examples/payer-change.json")).await);
}

#[tokio::test]
async fn each_fault_comes_with_its_code_and_what_to_do() {
    let job = [bytes::Bytes::from_static(b"{\"id\": \"x\"}")];
    let scope = CloudScope { uids: uids(&["1999999999999999"]), jobs: &job, ..CloudScope::default() };
    let findings = of_the_cloud(scope, "").await;
    assert_eq!(findings.iter().map(|finding| finding.check).collect::<Vec<_>>(), ["credential", "job", "job", "job"]);
    assert!(findings[0].says.contains("no credential is configured for account 1999999999999999"));
    assert!(findings.iter().all(|finding| finding.is_fault() && finding.advice.is_some() && finding.code.is_some()));
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
        ("CROSSGRANT_STORE_PATH", store.clone()),
    ];
    let config = Config::load(None, env.into_iter().map(|(name, value)| (name.to_owned(), value))).unwrap();
    assert!(configuration(&config).iter().any(DoctorFinding::is_fault), "there is no allow-rule");
    let found = local(&config).await;
    assert!(!found.iter().any(DoctorFinding::is_fault), "{found:?}");
    let broker = &broker::broker(&config).await[0];
    assert!(broker.is_fault() && broker.lines().join("\n").contains("do: "), "{broker:?}");
    assert!(!broker.says.contains("guest:guest"), "{broker:?}");
    assert!(found[1].says.contains("does not exist yet") && !Path::new(&store).exists(), "{found:?}");
    let held = store::open(&config.store, &(Arc::new(SystemClock) as Arc<dyn Clock>), false).await.unwrap();
    assert!(local(&config).await[1].is_fault(), "another process uses the store");
    drop(held);
    assert!(!local(&config).await[1].is_fault(), "the file can be used");
}

#[tokio::test]
async fn a_store_that_cannot_be_created_is_a_fault() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let env = [("CROSSGRANT_STORE_PATH".to_owned(), file.join("s.db").display().to_string())];
    let config = Config::load(None, env.into_iter()).unwrap();
    let found = local(&config).await;
    let store = found.iter().find(|finding| finding.check == "store").unwrap();
    assert_eq!(store.code, Some(Code::StoreUnavailable), "{store:?}");
}

#[test]
fn what_the_worker_only_warns_of_is_no_fault() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("crossgrant.toml");
    std::fs::write(&file, "[admin]\ntoken = \"t0ken\"\n[[allow]]\nrequesters = [\"*\"]\n").unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let config = Config::load(Some(&file), std::iter::empty()).unwrap();
    assert_eq!(config.warnings.len(), 1);
    let found = configuration(&config);
    assert_eq!((found.len(), found[0].ok, found[0].code), (1, None, Some(Code::ConfigOpenSecret)), "{found:?}");
    let said = found[0].lines().join("\n");
    assert!(said.contains("run `chmod o-r ") && !said.contains("do: "), "{said}");
}
