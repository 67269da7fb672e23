//! What becomes of jobs when the credential of an account is no good. While it is refused they wait, which costs one question a
//! minute, and they go on by themselves; a service that cannot be reached, or has a bad moment, is asked again.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crossgrant::clock::ManualClock;
use crossgrant::cloud::{AccountCredentials, Accounts, ClientParts, Credential, Role, RouterTransport, StaticKeys};
use crossgrant::domain::{AccountUid, Hour, Site};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::policy::Policy;
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange, Simulator, World};
use crossgrant::store::Sqlite;
use serde_json::json;

use crate::support::plant::{
    ATTACHED, CEN_OWNER, HELD, NOT_GRANTED, Plant, RESOURCE, UNATTACHED, grant, payer_change, revoke, usual, with,
};
use crate::support::site::another;

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
async fn a_credential_that_is_refused_for_good_holds_the_job_and_is_named() {
    for (credential, code, named) in [
        (role("closed"), "NoPermission", vec!["role/closed", "NoPermission"]),
        (role("nowhere"), "EntityNotExist.Role", vec!["role/nowhere", "EntityNotExist.Role"]),
        (key("no-key", "x"), "InvalidAccessKeyId.NotFound", vec!["no-key", RESOURCE, "InvalidAccessKeyId.NotFound"]),
        (
            key("resource-key", "wrong"),
            "SignatureDoesNotMatch",
            vec!["resource-key", RESOURCE, "SignatureDoesNotMatch"],
        ),
        (key("cen-key", "cen-secret"), "belongs to another account", vec![RESOURCE, "belongs to account", CEN_OWNER]),
    ] {
        let plant = plant(credential).await;
        let job = plant.job(grant("g", NOT_GRANTED)).await;
        plant.run_until("2026-11-21T11:20:00Z".parse().unwrap()).await;
        let record = plant.record(job).await;
        assert_eq!((record.state(), record.has_written()), (State::Running, false), "{named:?}: {}", record.why);
        let says = format!("account {RESOURCE} is refused since 2026-11-21T10:20:00Z ({code}); goes on by itself");
        assert!(record.why.starts_with(&says), "{}", record.why);
        let refusal = plant.engine.cloud.refusal(&uid(RESOURCE)).unwrap();
        let known = format!("{} {}", refusal.code, refusal.message);
        assert!(named.iter().all(|name| known.contains(name)), "{named:?}: {known}");
        assert_eq!(plant.said(job).await, ["accepted"]);
        assert_eq!(plant.effects(), Vec::<String>::new());
        let asked = plant.cloud.counts().into_iter().filter(|count| !count.operation.starts_with("List"));
        let asked: u64 = asked.map(|count| count.count).sum();
        assert!(asked <= 2 * 61 + 4, "an hour of it is a question a minute: {asked}");
    }
}

#[tokio::test]
async fn what_passes_again_delays_the_job_and_parks_nothing() {
    for (operation, kind) in [
        ("AssumeRole", refused(403, "NoPermission")),
        ("AssumeRole", refused(400, "InvalidParameter.DurationSeconds")),
        ("GetCallerIdentity", refused(404, "InvalidAccessKeyId.NotFound")),
        ("GetCallerIdentity", refused(403, "Forbidden.AccessKeyDisabled")),
        ("GrantInstanceToTransitRouter", refused(400, "InvalidAccessKeyId.Inactive")),
        ("GrantInstanceToTransitRouter", refused(400, "InvalidSecurityToken.Expired")),
        ("DescribeGrantRulesToResource", refused(400, "SignatureDoesNotMatch")),
    ] {
        let plant = plant(role("crossgrant")).await;
        plant.cloud.inject(InjectedFault::new(operation, kind));
        let job = plant.job(grant("g", NOT_GRANTED)).await;
        plant.run_until("2026-11-21T10:25:00Z".parse().unwrap()).await;
        assert_eq!(plant.said(job).await, ["accepted", "completed"], "{operation}");
        assert_eq!(plant.effects().len(), 1, "{operation}");
        assert!(plant.engine.cloud.refusal(&uid(RESOURCE)).is_none());
    }
}

#[tokio::test]
async fn between_two_writes_it_waits_half_done_and_goes_on_from_there() {
    let plant = plant(role("crossgrant")).await;
    plant.cloud.inject(InjectedFault::new(UPDATE, refused(404, "InvalidAccessKeyId.NotFound")).times(3));
    let job = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:21:00Z".parse().unwrap()).await;
    assert_eq!((plant.effects().len(), plant.record(job).await.state()), (1, State::Running));
    plant.run().await;
    assert_eq!(plant.said(job).await, ["accepted", "waiting", "completed"]);
    assert_eq!(plant.effects().len(), 2, "{:?}", plant.effects());
}

#[tokio::test]
async fn a_job_whose_time_is_over_fails_although_its_account_is_refused() {
    let plant = plant(key("resource-key", "wrong")).await;
    let job = plant.job(with(grant("g", NOT_GRANTED), "not_after", "2026-11-21T10:30:00Z".into())).await;
    plant.run_until("2026-11-21T10:32:00Z".parse().unwrap()).await;
    let end = plant.events(job).await.pop().unwrap();
    assert_eq!((&end["type"], &end["data"]["reason"]), (&"crossgrant.job.failed".into(), &"expired".into()), "{end}");
}

/// One product refuses what `GetCallerIdentity` takes: the account is tried again each minute, by one round of jobs.
#[tokio::test]
async fn a_key_that_is_refused_for_one_operation_alone_costs_a_try_a_minute() {
    let plant = plant(key("resource-key", "resource-secret")).await;
    let fault = InjectedFault::new("DescribeGrantRulesToResource", refused(400, "SignatureDoesNotMatch"));
    plant.cloud.inject(fault.times(u32::MAX));
    let job = plant.job(grant("g", NOT_GRANTED)).await;
    plant.run_until("2026-11-21T11:20:00Z".parse().unwrap()).await;
    assert!((55..=65).contains(&plant.cloud.strikes("DescribeGrantRulesToResource")));
    let since = plant.engine.cloud.refusal(&uid(RESOURCE)).unwrap().since;
    assert_eq!(since, "2026-11-21T10:20:00Z".parse().unwrap(), "it is one refusal all the time");
    plant.cloud.clear_faults();
    plant.run_until("2026-11-21T11:25:00Z".parse().unwrap()).await;
    assert_eq!(plant.said(job).await, ["accepted", "completed"]);
}

/// The world with many instances, and a worker whose credentials are read anew from what the test writes.
async fn many(jobs: usize) -> (Plant, Arc<Mutex<Credential>>) {
    let more: String = (0..jobs)
        .map(|n| {
            format!(
                "\n[[instances]]\ntype = \"VPC\"\nid = \"{}\"\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n",
                another(n)
            )
        })
        .collect();
    let world = World::from_toml(&format!("{}{more}", include_str!("../../examples/world.toml"))).unwrap();
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let configured = Arc::new(Mutex::new(key("resource-key", "resource-secret")));
    let read = {
        let configured = Arc::clone(&configured);
        move || {
            vec![
                AccountCredentials { uid: uid(RESOURCE), credential: configured.lock().unwrap().clone() },
                AccountCredentials { uid: uid(CEN_OWNER), credential: key("cen-key", "cen-secret") },
            ]
        }
    };
    let transport = Arc::new(RouterTransport::new(cloud.router()));
    let accounts = Accounts::new(ClientParts::new(clock.clone(), transport, &usual().classes), read());
    let accounts = accounts.reading(Arc::new(move || Some(read())));
    (Plant::of(clock, cloud, accounts, Arc::new(Sqlite::in_memory().unwrap())).await, configured)
}

#[tokio::test]
async fn a_revoked_key_holds_300_jobs_and_a_new_one_lets_them_all_go_on() {
    const JOBS: usize = 300;
    let (plant, configured) = many(JOBS).await;
    // A payer change rests between its two writes.
    plant.cloud.inject(InjectedFault::new(UPDATE, FaultKind::Conflict));
    let half = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    assert_eq!(plant.effects().len(), 1);
    let mut jobs = Vec::with_capacity(JOBS);
    for n in 0..JOBS {
        jobs.push(plant.job(grant(&format!("g{n}"), &another(n))).await);
    }
    let secret = "rotated".to_owned();
    plant.cloud.change(OutsideChange::SetSecret { access_key_id: "resource-key".into(), secret }).unwrap();
    plant.run_until("2026-11-21T10:40:00Z".parse().unwrap()).await;
    let refused: u64 = plant
        .cloud
        .counts()
        .iter()
        .filter(|count| count.code == "SignatureDoesNotMatch")
        .map(|count| count.count)
        .sum();
    assert!((20..=23).contains(&refused), "no call for each job, and a question a minute: {refused}");
    for job in jobs.iter().chain([&half]) {
        let record = plant.record(*job).await;
        assert_eq!(record.state(), State::Running, "{}", record.why);
        assert!(record.why.contains("refused since 2026-11-21T10:20"), "{}", record.why);
    }

    *configured.lock().unwrap() = key("resource-key", "rotated");
    plant.run_until("2026-11-21T10:43:00Z".parse().unwrap()).await;
    for job in &jobs {
        assert_eq!(plant.said(*job).await, ["accepted", "completed"]);
    }
    assert_eq!(plant.said(half).await, ["accepted", "waiting"]);
    assert_eq!(plant.effects().into_iter().collect::<BTreeSet<_>>().len(), JOBS + 2);
    assert_eq!(plant.effects().len(), JOBS + 2, "no write came twice");
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
async fn a_job_that_waits_for_its_hour_is_not_given_up_however_long_the_key_is_refused() {
    let plant = plant(role("crossgrant")).await;
    let job = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:30:00Z".parse().unwrap()).await;
    let fault = InjectedFault::new("DescribeGrantRulesToCen", refused(404, "InvalidAccessKeyId.NotFound"));
    plant.cloud.inject(fault.times(u32::MAX));
    plant.run_until("2026-11-22T10:30:00Z".parse().unwrap()).await;
    assert_eq!(plant.said(job).await, ["accepted", "waiting"]);
    plant.cloud.clear_faults();
    plant.run_until("2026-11-22T10:33:00Z".parse().unwrap()).await;
    assert_eq!(plant.said(job).await, ["accepted", "waiting", "completed"], "it is looked at once the key is good");
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

/// An account is taken out of the configuration by a reload while jobs are accepted, parked and between two writes.
#[tokio::test]
async fn an_account_that_is_gone_by_a_reload_holds_its_jobs_and_fails_none_of_them() {
    let world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let keys = || {
        let resource = AccountCredentials { uid: uid(RESOURCE), credential: key("resource-key", "resource-secret") };
        vec![resource, AccountCredentials { uid: uid(CEN_OWNER), credential: key("cen-key", "cen-secret") }]
    };
    let policy = |of: &[&str]| {
        let everything = serde_json::from_value(json!({"requesters": ["anonymous"]})).unwrap();
        Policy::new(vec![everything], of.iter().map(|one| (uid(one), Site::China)).collect())
    };
    let transport = Arc::new(RouterTransport::new(cloud.router()));
    let accounts = Arc::new(Accounts::new(ClientParts::new(clock.clone(), transport, &usual().classes), keys()));
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let plant = Plant::under(policy(&[RESOURCE, CEN_OWNER]), clock, cloud, accounts.clone(), store, usual()).await;
    plant.cloud.inject(InjectedFault::new(UPDATE, FaultKind::Conflict));
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refused(403, "Forbidden.RAM")));
    let half = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    let parked = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    assert_eq!((plant.effects().len(), plant.record(parked).await.state()), (1, State::Parked));
    let queued = plant.job(with(revoke("r", UNATTACHED), "not_before", "2026-11-21T10:40:00Z".into())).await;
    plant.work().await;

    accounts.reconfigure(&keys()[1..]);
    plant.engine.policy.set(policy(&[CEN_OWNER]));
    assert_eq!(plant.engine.cloud.accounts().len(), 1, "it is not missed before a job needs it");
    plant.engine.command(parked, Command::Resume, "tests").await.unwrap();
    plant.run_until("2026-11-21T18:20:00Z".parse().unwrap()).await;
    for job in [half, parked, queued] {
        let record = plant.record(job).await;
        assert!(
            !record.state().is_terminal() && record.state() != State::Parked,
            "{:?} {}",
            record.state(),
            record.why
        );
        assert!(record.why.contains("is not configured since 2026-11-21T10:2"), "{}", record.why);
    }
    let known = plant.engine.cloud.accounts();
    let gone = known.iter().find(|known| known.uid == uid(RESOURCE)).unwrap();
    assert!(gone.standing.refusal().unwrap().is_not_configured(), "{gone:?}");
    let late = plant.job(payer_change("late", HELD, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T18:25:00Z".parse().unwrap()).await;
    let end = plant.events(late).await.pop().unwrap();
    assert_eq!(end["data"]["reason"], "preflight-failed", "what is accepted without it is refused: {end}");

    plant.engine.policy.set(policy(&[RESOURCE, CEN_OWNER]));
    accounts.reconfigure(&keys());
    assert_eq!(plant.engine.cloud.freed_accounts(), [uid(RESOURCE)], "its jobs are woken");
    plant.run().await;
    for job in [half, parked, queued] {
        assert_eq!(plant.record(job).await.state(), State::Completed, "{}", plant.record(job).await.why);
    }
}
