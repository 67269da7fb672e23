//! What is in the way of a job is said all at once, before anything is written: what configuration knows, and what a look
//! at the accounts that can be asked finds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crossgrant::clock::ManualClock;
use crossgrant::cloud::{AccountCredentials, Accounts, ClientParts, RouterTransport, StaticKeys};
use crossgrant::domain::{AccountUid, Hour, Reason, Site};
use crossgrant::engine::policy::{Allow, Policy};
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{Simulator, World};
use crossgrant::store::Sqlite;
use serde_json::{Value, json};

use crate::support::plant::{ATTACHED, CEN, CEN_OWNER, Plant, RESOURCE, payer_change, revoke, usual, with};

const STRANGER: &str = "1999999999999999";

fn anybody() -> Vec<Allow> {
    vec![Allow {
        requesters: vec!["*".into(), "anonymous".into()],
        kinds: None,
        resource_accounts: None,
        cens: None,
        order_types: None,
        reply_to: None,
        webhook_hosts: vec![],
    }]
}

/// A worker with the keys of both accounts of the example, which are on these sites.
async fn plant(rules: Vec<Allow>, sites: &[(&str, Site)]) -> Plant {
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let accounts = Plant::accounts(&clock, &cloud, None);
    let sites: BTreeMap<_, _> = sites.iter().map(|(uid, site)| (AccountUid::parse(*uid).unwrap(), *site)).collect();
    let store = Arc::new(Sqlite::in_memory().unwrap());
    Plant::under(Policy::new(rules, sites), clock, cloud, accounts, store, usual()).await
}

async fn failed(plant: &Plant, job: Value) -> (Record, Vec<String>) {
    let uid = plant.job(job).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Failed, "{}", record.why);
    assert_eq!(plant.effects(), Vec::<String>::new());
    let findings = record.phase.ending().cloned().unwrap().findings;
    (record, findings)
}

fn reason(record: &Record) -> Reason {
    record.phase.ending().as_ref().unwrap().reason
}

/// Each part is in a finding of its own, and there is no other.
fn assert_found(findings: &[String], parts: &[&str]) {
    assert_eq!(findings.len(), parts.len(), "{findings:#?}");
    for (finding, part) in findings.iter().zip(parts) {
        assert!(finding.contains(part), "{part} is not in {finding}");
    }
}

const APART: [(&str, Site); 2] = [(RESOURCE, Site::China), (CEN_OWNER, Site::International)];

#[tokio::test]
async fn a_mismatch_of_sites_does_not_hide_what_a_look_finds() {
    let plant = plant(anybody(), &APART).await;
    let (record, findings) = failed(&plant, revoke("r", ATTACHED)).await;
    assert_eq!(reason(&record), Reason::PreflightFailed);
    assert_found(&findings, &["within one site", "attached by tr-attach-nls9fzkfat89340001"]);
}

#[tokio::test]
async fn an_account_without_credentials_does_not_hide_what_the_other_shows() {
    let plant = plant(anybody(), &[(RESOURCE, Site::China), (CEN_OWNER, Site::China)]).await;
    let job = with(revoke("r", ATTACHED), "cen", json!({"id": CEN, "owner": STRANGER}));
    let (record, findings) = failed(&plant, job).await;
    assert_eq!(reason(&record), Reason::PreflightFailed);
    let wrong_owner = format!("{CEN} belongs to account {CEN_OWNER}, not {STRANGER}");
    assert_found(&findings, &["no credentials are configured for account 1999999999999999", &wrong_owner]);

    let mut job = payer_change("p", ATTACHED, "PayByResourceOwner");
    job["instance"]["owner"] = json!(STRANGER);
    let (_, findings) = failed(&plant, job).await;
    let wrong_owner = format!("{ATTACHED} belongs to account {RESOURCE}, not {STRANGER}");
    assert_found(&findings, &["no credentials are configured for account 1999999999999999", &wrong_owner]);
}

#[tokio::test]
async fn wrong_owners_are_said_together_with_what_else_a_survey_finds() {
    let plant = plant(anybody(), &[]).await;
    let mut job = revoke("r", ATTACHED);
    // The owner of the CEN can see whose the instance is, and that it is attached.
    job["instance"]["owner"] = json!(CEN_OWNER);
    let (record, findings) = failed(&plant, job).await;
    assert_eq!(reason(&record), Reason::PreflightFailed);
    assert!(findings[0].contains(&format!("{ATTACHED} belongs to account {RESOURCE}")), "{findings:#?}");
}

#[tokio::test]
async fn what_no_rule_allows_is_refused_with_all_that_configuration_knows_and_without_a_read() {
    let plant = plant(vec![], &APART).await;
    for mode in ["apply", "plan"] {
        let (record, findings) = failed(&plant, with(revoke(mode, ATTACHED), "mode", json!(mode))).await;
        assert_eq!((reason(&record), record.calls), (Reason::RefusedByPolicy, 0));
        assert_found(&findings, &["no rule of the policy allows", "within one site"]);
    }
}

#[tokio::test]
async fn a_plan_that_is_in_the_way_of_itself_tells_what_it_would_do_otherwise() {
    let plant = plant(anybody(), &APART).await;
    let job = with(payer_change("p", ATTACHED, "PayByResourceOwner"), "mode", json!("plan"));
    let (record, findings) = failed(&plant, job).await;
    assert_eq!(reason(&record), Reason::PreflightFailed);
    assert_found(&findings, &["within one site"]);
    assert_eq!(record.plan.unwrap().calls.len(), 2);
    // Without objections, nothing of it is different.
    let plant = self::plant(anybody(), &[(RESOURCE, Site::China), (CEN_OWNER, Site::China)]).await;
    let uid = plant.job(with(payer_change("p", ATTACHED, "PayByResourceOwner"), "mode", json!("plan"))).await;
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Planned);
}

/// What the one account shows leads on to what the other would have to be asked, which has no keys.
#[tokio::test]
async fn a_plan_without_keys_for_one_account_ends_with_what_the_other_shows() {
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let owner = AccountUid::parse(CEN_OWNER).unwrap();
    let keys = AccountCredentials::new(owner.clone(), StaticKeys::new("cen-key", "cen-secret".to_owned().into(), None));
    let transport = Arc::new(RouterTransport::new(cloud.router()));
    let accounts = Accounts::new(ClientParts::new(clock.clone(), transport, &usual().classes), vec![keys]);
    let policy = Policy::new(anybody(), BTreeMap::from([(owner, Site::China)]));
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let plant = Plant::under(policy, clock, cloud, accounts, store, usual()).await;
    let job = with(payer_change("p", ATTACHED, "PayByResourceOwner"), "mode", json!("plan"));
    let (record, findings) = failed(&plant, job).await;
    assert_eq!(reason(&record), Reason::PreflightFailed);
    assert_found(&findings, &[&format!("no credentials are configured for account {RESOURCE}")]);
    assert!(plant.cloud.total_calls() < 20, "{} calls", plant.cloud.total_calls());
}
