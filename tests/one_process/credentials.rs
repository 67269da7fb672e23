//! What becomes of a job when the credential of an account is no good. Refused for good it parks the job at once, and
//! says which credential; a service that cannot be reached, or has a bad moment, is asked again.

use std::sync::Arc;

use crossgrant::clock::ManualClock;
use crossgrant::cloud::{AccountCredentials, Accounts, ClientParts, Credential, Role, RouterTransport, StaticKeys};
use crossgrant::domain::{AccountUid, Hour, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault, Simulator, World};
use crossgrant::store::Sqlite;

use crate::support::plant::{ATTACHED, CEN_OWNER, NOT_GRANTED, Plant, RESOURCE, grant, payer_change, usual};

const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute";

fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

fn key(id: &str, secret: &str) -> Credential {
    StaticKeys::new(id, secret.to_owned().into(), None).into()
}

/// A role of the resource account, assumed with the key of the other.
fn role(name: &str) -> Credential {
    let role = Role::new(format!("acs:ram::{RESOURCE}:role/{name}").parse().unwrap());
    Credential::AssumeRole { role, with: Arc::new(key("cen-key", "cen-secret")) }
}

/// A worker that has this credential for the resource account, in the example world with a role that trusts no account.
async fn plant(credential: Credential) -> Plant {
    let mut world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
    world.add_role(&uid(RESOURCE), "closed", []);
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let credentials = vec![
        AccountCredentials { uid: uid(RESOURCE), credential },
        AccountCredentials { uid: uid(CEN_OWNER), credential: key("cen-key", "cen-secret") },
    ];
    let transport = Arc::new(RouterTransport::new(cloud.router()));
    let accounts = Accounts::new(ClientParts::new(clock.clone(), transport, &usual().classes), credentials);
    Plant::of(clock, cloud, accounts, Arc::new(Sqlite::in_memory().unwrap())).await
}

fn refused(http: u16, code: &str) -> FaultKind {
    FaultKind::Error { http, code: code.into(), message: "no".into() }
}

#[tokio::test]
async fn a_credential_that_is_refused_for_good_parks_the_job_at_once_and_is_named() {
    for (credential, named) in [
        (role("closed"), vec!["role/closed", "NoPermission"]),
        (role("nowhere"), vec!["role/nowhere", "EntityNotExist.Role"]),
        (key("no-key", "x"), vec!["no-key", RESOURCE, "InvalidAccessKeyId.NotFound"]),
        (key("resource-key", "wrong"), vec!["resource-key", RESOURCE, "SignatureDoesNotMatch"]),
        (key("cen-key", "cen-secret"), vec![RESOURCE, "belongs to account", CEN_OWNER]),
    ] {
        let plant = plant(credential).await;
        let uid = plant.job(grant("g", NOT_GRANTED)).await;
        plant.work().await;
        let event = plant.events(uid).await.pop().unwrap();
        let (data, said) = (&event["data"], &event["type"]);
        assert_eq!(said, "crossgrant.job.parked", "{named:?}: {data}");
        assert_eq!((&data["reason"], &data["half_done"]), (&"credential-refused".into(), &false.into()), "{data}");
        let message = data["message"].as_str().unwrap();
        assert!(named.iter().all(|name| message.contains(name)), "{named:?}: {message}");
        assert_eq!(plant.effects(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn once_it_is_repaired_the_job_goes_on() {
    for (operation, kind) in [
        ("AssumeRole", refused(403, "NoPermission")),
        ("AssumeRole", refused(400, "InvalidParameter.DurationSeconds")),
        ("GetCallerIdentity", refused(404, "InvalidAccessKeyId.NotFound")),
        ("GetCallerIdentity", refused(403, "Forbidden.AccessKeyDisabled")),
        ("GrantInstanceToTransitRouter", refused(400, "InvalidAccessKeyId.Inactive")),
    ] {
        let plant = plant(role("crossgrant")).await;
        plant.cloud.inject(InjectedFault::new(operation, kind));
        let uid = plant.job(grant("g", NOT_GRANTED)).await;
        plant.run().await;
        let record = plant.record(uid).await;
        let reason = record.phase.ending().as_ref().map(|ending| ending.reason);
        assert_eq!((record.state(), reason), (State::Parked, Some(Reason::CredentialRefused)), "{}", record.why);
        assert!(!record.is_half_done(), "{operation}: the write was never carried out");
        plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
        plant.run().await;
        assert_eq!(plant.said(uid).await, ["accepted", "parked", "resumed", "completed"], "{operation}");
        assert_eq!(plant.effects().len(), 1, "{operation}");
    }
}

#[tokio::test]
async fn between_two_writes_it_parks_half_done_and_goes_on_from_there() {
    let plant = plant(role("crossgrant")).await;
    plant.cloud.inject(InjectedFault::new(UPDATE, refused(404, "InvalidAccessKeyId.NotFound")));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:30:00Z".parse().unwrap()).await;
    let parked = plant.events(uid).await.pop().unwrap()["data"].clone();
    assert_eq!((&parked["reason"], &parked["half_done"]), (&"credential-refused".into(), &true.into()), "{parked}");
    assert_eq!(plant.effects().len(), 1);
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.said(uid).await, ["accepted", "parked", "resumed", "waiting", "completed"]);
    assert_eq!(plant.effects().len(), 2, "{:?}", plant.effects());
}

#[tokio::test]
async fn a_job_that_waits_for_its_hour_waits_on() {
    let plant = plant(role("crossgrant")).await;
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:30:00Z".parse().unwrap()).await;
    plant
        .cloud
        .inject(InjectedFault::new("DescribeGrantRulesToCen", refused(404, "InvalidAccessKeyId.NotFound")).times(3));
    plant.run().await;
    assert_eq!(plant.said(uid).await, ["accepted", "waiting", "completed"]);
    assert!(plant.record(uid).await.phase.finished_at().unwrap() > "2026-11-21T11:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn a_service_that_issues_keys_and_fails_is_asked_again() {
    for (operation, kind) in [
        ("AssumeRole", FaultKind::DropBefore),
        ("AssumeRole", FaultKind::Http { status: 500 }),
        ("AssumeRole", FaultKind::Throttle { retry_after_ms: Some(7_000) }),
        ("GetCallerIdentity", FaultKind::DropAfter),
        ("GetCallerIdentity", FaultKind::Http { status: 503 }),
        ("GetCallerIdentity", FaultKind::Empty),
    ] {
        let plant = plant(role("crossgrant")).await;
        plant.cloud.inject(InjectedFault::new(operation, kind.clone()).times(3));
        let uid = plant.job(grant("g", NOT_GRANTED)).await;
        plant.run().await;
        assert_eq!(plant.said(uid).await, ["accepted", "completed"], "{operation} {kind:?}");
        assert_eq!(plant.effects().len(), 1);
    }
}
