//! Guards: hourly limits park before the first write and never after it, a person approves by number, and a paused account
//! is left alone until it is unpaused.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use crossgrant::actions;
use crossgrant::admin::{Admin, Parts, explain};
use crossgrant::clock::Clock;
use crossgrant::cloud::Limits;
use crossgrant::domain::{AccountUid, Hour, JobUid, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::decide::decision::{Context, Decision, Next, Observation, decide};
use crossgrant::engine::guards::{HourlyLimits, Pause};
use crossgrant::engine::loops::worker::{self, Capacity, work};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::store::{LeaseUse, Store};
use crossgrant::engine::record::{Outcome, Record, State};
use crossgrant::simulator::{Fault, FaultKind};
use crossgrant::store::Sqlite;
use crossgrant::telemetry::Metrics;
use crossgrant::workflow::{Catalog, Overrides};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::idle::Counted;
use crate::support::plant::{
    ATTACHED, CEN, CEN_OWNER, HELD, NOT_GRANTED, Plant, RESOURCE, ROUTER, UNATTACHED, grant, payer_change, revoke, with,
};

const MODIFY: &str = "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByResourceOwner";
const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute tr-attach-nls9fzkfat89340001 PayByResourceOwner";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account(uid: &str) -> AccountUid {
    AccountUid::parse(uid).unwrap()
}

fn network(n: usize) -> String {
    format!("vpc-bp1guarded{n:08}")
}

/// The example world with networks that are granted and not attached.
fn world(networks: usize) -> String {
    let one = |n| {
        let id = network(n);
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n\
             [[grants]]\ncen = {CEN:?}\ninstance = {id:?}\norder_type = \"PayByCenOwner\"\n"
        )
    };
    let networks: String = (0..networks).map(one).collect();
    format!("{}{networks}", include_str!("../examples/world.toml"))
}

fn limited(limits: HourlyLimits) -> Policy {
    Policy::everybody().limited(limits)
}

fn limits(revokes: u32, payer_changes: u32) -> HourlyLimits {
    HourlyLimits { revokes_per_cen: Some(revokes), payer_changes_per_account: Some(payer_changes) }
}

/// A worker with these limits against a world with so many networks to revoke.
async fn guarded(networks: usize, limits: HourlyLimits) -> Plant {
    let plant = Plant::with_world(&world(networks)).await;
    let store = plant.engine.store.clone();
    plant.restarted(limited(limits), || store).await
}

async fn revokes(plant: &Plant, networks: std::ops::Range<usize>) -> Vec<JobUid> {
    let mut uids = Vec::new();
    for n in networks {
        uids.push(plant.job(revoke(&format!("r{n}"), &network(n))).await);
    }
    uids
}

async fn states(plant: &Plant, uids: &[JobUid]) -> Vec<State> {
    let mut states = Vec::new();
    for uid in uids {
        states.push(plant.record(*uid).await.state());
    }
    states
}

/// Calls that would change something, whatever came of them.
fn write_calls(plant: &Plant) -> usize {
    let writes = ["Grant", "Revoke", "Modify", "Update", "Delete", "Detach"];
    plant.cloud.calls().iter().filter(|call| writes.iter().any(|verb| call.operation.starts_with(verb))).count()
}

async fn pause(plant: &Plant, uid: &str) {
    plant.engine.pause(account(uid), "ann".into(), "an incident".into()).await.unwrap();
}

#[tokio::test]
async fn the_21st_revoke_of_an_hour_parks_before_any_write_and_goes_on_once_approved() {
    let plant = guarded(21, HourlyLimits::default()).await;
    let uids = revokes(&plant, 0..21).await;
    let (last, others) = uids.split_last().unwrap();
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    assert!(states(&plant, others).await.iter().all(|state| *state == State::Completed));
    let record = plant.record(*last).await;
    assert_eq!((record.state(), record.writes.len(), record.begun_at), (State::Parked, 0, None));
    assert!(record.after.as_ref().is_some_and(|after| after.granted), "what it saw is known");
    assert_eq!(write_calls(&plant), 20);
    assert_eq!(plant.said(*last).await, ["accepted", "parked"]);
    let data = plant.events(*last).await.pop().unwrap()["data"].clone();
    assert_eq!((&data["reason"], &data["half_done"]), (&json!("needs-approval"), &json!(false)));
    let sentence = data["message"].as_str().unwrap();
    let begun = format!("revokes in {CEN} begun within the last hour: 20; `[limits] revokes_per_cen` allows 20");
    assert!(sentence.starts_with(&begun), "{sentence}");

    let passes = plant.job(grant("g", &network(20))).await;
    plant.work().await;
    assert_eq!(plant.record(passes).await.ending().unwrap().reason, Reason::AlreadySatisfied, "the next one passes");

    let declined = plant.engine.command(*last, Command::Resume).await.unwrap_err();
    assert!(declined.to_string().contains("`crossgrant approve`"), "{declined}");
    let approved_at = plant.clock.now();
    plant.engine.command(*last, Command::Approve).await.unwrap();
    plant.work().await;
    assert_eq!(write_calls(&plant), 20, "an empty list from before it rested confirms none of now");
    plant.run_on().await;
    assert_eq!(plant.record(*last).await.state(), State::Completed);
    assert_eq!(plant.record(*last).await.approved_at, Some(approved_at));
    assert_eq!(plant.effects().len(), 21);
}

/// A network is attached while its revoke waits to be approved, and the first list after that is empty by a fault.
#[tokio::test]
async fn an_empty_look_from_before_the_rest_does_not_let_one_new_one_be_believed() {
    let plant = guarded(1, limits(0, 1)).await;
    let uid = revokes(&plant, 0..1).await[0];
    plant.run_on().await;
    assert!(plant.record(uid).await.needs_approval());
    let attach = json!({"attach": {"transit_router": ROUTER, "instance": network(0)}});
    plant.cloud.change(serde_json::from_value(attach).unwrap()).unwrap();
    plant.clock.advance(Duration::from_secs(60));
    for list in ["ListTransitRouterVpcAttachments", "DescribeCenAttachedChildInstances"] {
        plant.cloud.inject(Fault::new(list, FaultKind::EmptyList));
    }
    plant.engine.command(uid, Command::Approve).await.unwrap();
    plant.run_on().await;
    let record = plant.record(uid).await;
    assert_eq!((record.state(), record.ending().unwrap().reason), (State::Failed, Reason::Attached));
    assert_eq!(write_calls(&plant), 0, "no revoke of what is attached is asked for");
}

#[tokio::test]
async fn payer_changes_are_counted_by_account_and_what_ends_without_a_write_is_not() {
    let plant = guarded(2, limits(1, 1)).await;
    let with_plan = with(revoke("plan", &network(0)), "mode", json!("plan"));
    let unwritten = [
        plant.job(with_plan).await,
        plant.job(revoke("absent", NOT_GRANTED)).await,
        plant.job(revoke("attached", HELD)).await,
        plant.job(payer_change("same", UNATTACHED, "PayByCenOwner")).await,
    ];
    plant.run_on().await;
    let ends = states(&plant, &unwritten).await;
    assert_eq!(ends, [State::Planned, State::Completed, State::Failed, State::Completed]);
    let first = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    let revoked = revokes(&plant, 0..1).await;
    plant.run_on().await;
    assert_eq!(states(&plant, &[first, revoked[0]]).await, [State::Completed; 2], "none of those took a place");

    let calls = plant.cloud.total_calls();
    let second = plant.job(payer_change("q", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let record = plant.record(second).await;
    let begun = format!("payer changes of instances of account {RESOURCE} begun within the last hour: 1; ");
    assert!(record.needs_approval() && record.why.starts_with(&begun), "{}", record.why);
    assert_eq!(u64::from(record.calls), plant.cloud.total_calls() - calls, "the call it did not make is not counted");
    let granted = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    assert_eq!(plant.record(granted).await.state(), State::Completed, "a grant is under no limit");
}

#[tokio::test]
async fn the_hour_rolls_and_does_not_begin_by_itself_what_is_parked() {
    let plant = guarded(4, limits(1, 50)).await;
    let first = revokes(&plant, 0..2).await;
    plant.run_until(at("2026-11-21T11:19:59Z")).await;
    plant.clock.advance_to(at("2026-11-21T11:19:59Z"));
    let early = revokes(&plant, 2..3).await;
    plant.work().await;
    plant.clock.advance_to(at("2026-11-21T11:20:00Z"));
    let late = revokes(&plant, 3..4).await;
    plant.run().await;
    let uids = [first, early, late].concat();
    assert_eq!(states(&plant, &uids).await, [State::Completed, State::Parked, State::Parked, State::Completed]);
    plant.engine.command(uids[1], Command::Cancel).await.unwrap();
    assert_eq!(plant.record(uids[1]).await.state(), State::Cancelled);
    assert_eq!(write_calls(&plant), 2);
}

#[tokio::test]
async fn of_jobs_that_race_for_the_last_places_no_more_begin_than_there_are() {
    let plant = guarded(10, limits(3, 50)).await;
    let uids = revokes(&plant, 0..10).await;
    let until = crossgrant::clock::later(plant.clock.now(), plant.engine.lease());
    let claimed = plant.store().claim("plant", plant.clock.now(), until, 10).await.unwrap();
    assert_eq!(claimed.len(), 10);
    let deadline = plant.clock.uptime() + plant.engine.lease();
    futures_util::future::join_all(claimed.into_iter().map(|claimed| worker::run(&plant.engine, claimed, deadline)))
        .await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let states = states(&plant, &uids).await;
    assert_eq!(states.iter().filter(|state| **state == State::Completed).count(), 3, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == State::Parked).count(), 7, "{states:?}");
    assert_eq!(write_calls(&plant), 3);
}

#[tokio::test]
async fn neither_limit_nor_pause_stops_a_job_between_halves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let plant = Plant::with(&world(0), open(&path), None).await;
    plant.cloud.inject(Fault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::Conflict).times(3));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    assert_eq!(plant.effects(), [MODIFY]);
    pause(&plant, RESOURCE).await;
    pause(&plant, CEN_OWNER).await;
    let plant = plant.restarted(limited(limits(0, 0)), || open(&path)).await;
    plant.run_until(at("2026-11-21T10:59:00Z")).await;
    assert_eq!(plant.effects(), [MODIFY, UPDATE]);
    assert_eq!(plant.record(uid).await.state(), State::Waiting);
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed, "a sweep only reads");
}

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(path).unwrap())
}

#[tokio::test]
async fn neither_stops_a_network_from_being_granted_again() {
    let plant = guarded(0, limits(20, 1)).await;
    plant.cloud.inject(Fault::new("GrantInstanceToTransitRouter", FaultKind::Conflict).times(3));
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run_on().await;
    assert_eq!(plant.effects().len(), 1, "it is revoked and not granted yet");
    pause(&plant, RESOURCE).await;
    let store = plant.engine.store.clone();
    let plant = plant.restarted(limited(limits(0, 0)), || store).await;
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
    assert_eq!(plant.effects().len(), 2);
}

#[tokio::test]
async fn what_was_begun_is_counted_over_a_restart_and_an_approval_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let plant = Plant::with(&world(3), open(&path), None).await;
    let uids = revokes(&plant, 0..2).await;
    plant.run_on().await;
    let plant = plant.restarted(limited(limits(2, 50)), || open(&path)).await;
    let third = revokes(&plant, 2..3).await[0];
    plant.run_on().await;
    assert!(plant.record(third).await.needs_approval());
    assert_eq!(states(&plant, &uids).await, [State::Completed; 2]);

    let refusal = FaultKind::Throttle { retry_after_ms: None };
    plant.cloud.inject(Fault::new("RevokeInstanceFromTransitRouter", refusal));
    plant.engine.command(third, Command::Approve).await.unwrap();
    plant.work().await;
    assert!(!plant.record(third).await.has_written(), "its write was refused, so it begins once more");
    plant.run_until(at("2026-11-21T10:50:00Z")).await;
    assert_eq!(plant.record(third).await.state(), State::Completed);
}

#[tokio::test]
async fn a_paused_account_is_left_alone_and_the_pause_survives_a_restart() {
    for uid in [RESOURCE, CEN_OWNER] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.db");
        let plant = Plant::with(&world(0), open(&path), None).await;
        pause(&plant, uid).await;
        let held = plant.job(grant("g", NOT_GRANTED)).await;
        let planned = plant.job(with(revoke("r", UNATTACHED), "mode", json!("plan"))).await;
        plant.run().await;
        assert_eq!(plant.cloud.total_calls(), 0, "not even a look");
        let plant = plant.restarted(Policy::everybody(), || open(&path)).await;
        plant.clock.advance(Duration::from_secs(3 * 86_400));
        plant.run().await;
        assert_eq!(plant.cloud.total_calls(), 0);
        for job in [held, planned] {
            let record = plant.record(job).await;
            let why = format!("account {uid} is paused since 2026-11-21T10:20:00Z by ann: an incident");
            assert_eq!((record.state(), &record.why, record.due()), (State::Queued, &why, None));
            let shown = explain(&record, None, true, plant.clock.now());
            assert!(shown.why == why && shown.next.contains(&format!("crossgrant unpause {uid}")), "{shown:?}");
        }
        plant.engine.unpause(&account(uid)).await.unwrap();
        plant.run_on().await;
        assert_eq!(states(&plant, &[held, planned]).await, [State::Completed, State::Planned]);
        assert_eq!(plant.said(held).await, ["accepted", "completed"]);
    }
}

#[tokio::test]
async fn a_held_job_begins_as_soon_as_its_account_is_unpaused() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(0), store.clone(), None).await;
    pause(&plant, RESOURCE).await;
    let (stop, stopped) = watch::channel(false);
    let working =
        tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 4, drain: Duration::from_secs(1) }, stopped));
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    store.run_out(&plant.clock).await;
    let began = plant.clock.now();
    assert_eq!(plant.record(uid).await.phase.held(), Some(&account(RESOURCE)));
    plant.engine.unpause(&account(RESOURCE)).await.unwrap();
    store.run_until(&plant.clock, || !plant.effects().is_empty()).await;
    assert_eq!(plant.clock.now(), began, "nobody waited for a clock");
    stop.send_replace(true);
    working.await.unwrap();
}

#[tokio::test]
async fn a_job_expires_while_its_account_is_paused_and_can_be_cancelled() {
    let plant = Plant::new().await;
    pause(&plant, RESOURCE).await;
    let not_after = json!("2026-11-21T11:00:00Z");
    let expires = plant.job(with(grant("a", NOT_GRANTED), "not_after", not_after)).await;
    let behind = plant.job(grant("b", NOT_GRANTED)).await;
    let other = plant.job(grant("c", UNATTACHED)).await;
    plant.run_until(at("2026-11-21T11:00:00Z")).await;
    assert_eq!(plant.record(expires).await.state(), State::Queued);
    plant.run().await;
    let record = plant.record(expires).await;
    assert_eq!((record.state(), record.ending().unwrap().reason), (State::Failed, Reason::Expired));
    assert!(record.phase.finished_at().unwrap() < at("2026-11-21T11:00:01Z"), "{:?}", record.phase.finished_at());
    assert_eq!(
        plant.record(behind).await.phase.held(),
        Some(&account(RESOURCE)),
        "its turn came, and it is held as well"
    );
    plant.engine.command(other, Command::Cancel).await.unwrap();
    assert_eq!(plant.record(other).await.state(), State::Cancelled);
    assert_eq!(plant.record(other).await.phase.held(), None);
    assert_eq!(plant.cloud.total_calls(), 0);
}

#[tokio::test]
async fn a_pause_in_the_middle_of_a_look_stops_the_write_that_would_follow() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let slow = Limits { reads_per_second: 1, writes_per_second: 20, burst: 1, operations: BTreeMap::new() };
    let plant = Plant::with(&world(0), store.clone(), Some(slow)).await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 4, drain: Duration::from_secs(1) }, stopped));
    // The first uses up the budget of reads, so the second waits for it in the middle of its look.
    plant.job(grant("a", UNATTACHED)).await;
    let uid = plant.job(grant("b", NOT_GRANTED)).await;
    store.idle().await;
    let looks = plant.cloud.total_calls();
    pause(&plant, CEN_OWNER).await;
    store.run_out(&plant.clock).await;
    assert!(plant.cloud.total_calls() > looks, "the look was under way");
    let record = plant.record(uid).await;
    assert_eq!((record.phase.held(), record.writes.len()), (Some(&account(CEN_OWNER)), 0));
    assert!(record.why.contains("is paused since"), "{}", record.why);
    assert_eq!(write_calls(&plant), 0);
    plant.engine.unpause(&account(CEN_OWNER)).await.unwrap();
    store.run_out(&plant.clock).await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
}

#[tokio::test]
async fn an_account_nobody_configured_cannot_be_paused_by_mistake() {
    let plant = Plant::new().await;
    let store = plant.engine.store.clone();
    let sites = [RESOURCE, CEN_OWNER].map(|uid| (account(uid), crossgrant::domain::Site::China));
    let plant = plant.restarted(Policy::new(vec![], sites.into()), || store).await;
    let declined = plant.engine.pause(account("1688000000000009"), "ann".into(), "why".into()).await.unwrap_err();
    assert!(declined.to_string().contains("is it mistyped?"), "{declined}");
    pause(&plant, RESOURCE).await;
    assert_eq!(plant.store().pauses().await.unwrap().len(), 1);
}

/// Asks the admin HTTP of a worker.
async fn ask(plant: &Plant, method: &str, path: &str) -> (StatusCode, Value) {
    let (_stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let admin = Admin::new(Parts { engine: plant.engine.clone(), metrics, broker: None, token: None, stopping });
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = admin.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn many_are_approved_only_by_their_number() {
    let plant = guarded(4, limits(1, 0)).await;
    let uids = revokes(&plant, 0..4).await;
    let payer = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let parked = [State::Completed, State::Parked, State::Parked, State::Parked];
    assert_eq!(states(&plant, &uids).await, parked);
    let (_, all) = ask(&plant, "GET", "/v1/approvals?limit=1").await;
    assert_eq!((&all["total"], all["jobs"].as_array().unwrap().len()), (&json!(4), 1));

    for (path, status, said) in [
        ("kind=revoke&expect=2", StatusCode::CONFLICT, "jobs that need approval: 3, not 2; nothing was approved"),
        ("expect=3", StatusCode::CONFLICT, "jobs that need approval: 4, not 3"),
        ("kind=revoke", StatusCode::BAD_REQUEST, "expect=<count> is missing; jobs that need approval: 3"),
        ("job=anonymous/r1&expect=2", StatusCode::CONFLICT, "jobs that need approval: 1, not 2"),
        (
            "job=anonymous/r1&job=anonymous/r0",
            StatusCode::CONFLICT,
            "job anonymous/r0 is completed and needs no approval",
        ),
        ("job=anonymous/r1&kind=revoke&expect=1", StatusCode::BAD_REQUEST, "either"),
        ("state=queued&expect=1", StatusCode::BAD_REQUEST, "all parked"),
        ("knd=revoke&expect=3", StatusCode::BAD_REQUEST, "did you mean kind?"),
    ] {
        let (code, body) = ask(&plant, "POST", &format!("/v1/approvals?{path}")).await;
        assert_eq!(code, status, "{path}: {body}");
        assert!(body["message"].as_str().unwrap().contains(said), "{path}: {body}");
    }
    assert_eq!(states(&plant, &uids).await, parked, "nothing was changed");

    let (code, body) = ask(&plant, "POST", "/v1/approvals?job=anonymous/r1").await;
    assert_eq!((code, &body["approved"]), (StatusCode::OK, &json!([uids[1]])));
    let (code, body) = ask(&plant, "POST", "/v1/approvals?kind=revoke&expect=2").await;
    assert_eq!((code, body["approved"].as_array().unwrap().len(), &body["left"]), (StatusCode::OK, 2, &json!(0)));
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    assert_eq!(states(&plant, &uids).await, [State::Completed; 4]);
    assert_eq!(plant.record(payer).await.state(), State::Parked, "it was not among them");
    let (code, body) = ask(&plant, "POST", &format!("/v1/jobs/{payer}/approve")).await;
    assert_eq!((code, &body["state"]), (StatusCode::OK, &json!("queued")), "{body}");
}

/// A decision on a revoke of a network that is granted and not attached, as the first look shows it.
struct Desk {
    catalog: Catalog,
    registry: crossgrant::engine::ports::action::Registry,
}

impl Desk {
    fn new() -> Self {
        let registry = actions::registry();
        Self { catalog: Catalog::embedded(&registry.specs(), &Overrides::default()).unwrap(), registry }
    }

    fn decide(
        &self,
        record: &Record,
        observation: &Observation,
        now: &str,
    ) -> crossgrant::engine::decide::decision::Decision {
        let rules = Context {
            definition: self.catalog.definition(record.job.kind),
            registry: &self.registry,
            policies: &self.catalog.policies,
            classes: &self.catalog.classes,
            hour: Hour::REAL,
        };
        decide(&rules, record, observation, at(now))
    }
}

const NOW: &str = "2026-11-21T10:20:00Z";

fn paused() -> Pause {
    Pause { account: account(RESOURCE), since: at(NOW), by: "ann".into(), reason: "an incident".into() }
}

fn taken_up(paused: Option<Pause>) -> Observation {
    Observation::TakenUp { refusal: None, objections: vec![], paused }
}

/// A record as it was taken in, and as it is while its write is under way.
async fn stages() -> [Record; 3] {
    let plant = guarded(1, HourlyLimits::NONE).await;
    let uid = revokes(&plant, 0..1).await[0];
    let fresh = plant.record(uid).await;
    plant.cloud.inject(Fault::new("RevokeInstanceFromTransitRouter", FaultKind::Throttle { retry_after_ms: None }));
    plant.run_until(at("2026-11-21T10:20:05.5Z")).await;
    let refused = plant.record(uid).await;
    plant.cloud.inject(Fault::new("RevokeInstanceFromTransitRouter", FaultKind::DropBefore));
    plant.run_until(at("2026-11-21T10:20:10Z")).await;
    [fresh, refused, plant.record(uid).await]
}

#[tokio::test]
async fn a_pause_keeps_back_what_has_changed_nothing_and_nothing_else() {
    let desk = Desk::new();
    let [fresh, refused, unknown] = stages().await;
    assert!(matches!(refused.writes[0].outcome, Outcome::Refused { retry: true, .. }), "{refused:?}");
    assert_eq!(unknown.writes[0].outcome, Outcome::Unknown);
    for (record, kept) in [(&fresh, true), (&refused, true), (&unknown, false)] {
        for observation in [taken_up(Some(paused())), Observation::Paused(paused())] {
            let decision = desk.decide(record, &observation, NOW);
            assert_eq!(decision.next == Next::Rest, kept, "{}", record.why);
            assert_eq!(decision.record.phase.held().is_some(), kept);
            assert!(decision.says.is_empty() && !decision.begins);
        }
        let decision = desk.decide(record, &taken_up(None), NOW);
        assert!(matches!(decision.next, Next::Look(_)) && decision.record.phase.held().is_none());
    }
}

#[tokio::test]
async fn a_held_job_is_released_anew_or_expires() {
    let desk = Desk::new();
    let [mut fresh, mut refused, _] = stages().await;
    refused.attempt = 7;
    let held = desk.decide(&refused, &taken_up(Some(paused())), NOW).record;
    assert_eq!((held.due(), held.attempt), (None, 7));
    let released = desk.decide(&held, &taken_up(None), "2026-11-22T10:20:00Z").record;
    assert_eq!((released.phase.held(), released.attempt, released.trying_since), (None, 0, at("2026-11-22T10:20:00Z")));

    for record in [&mut fresh, &mut refused] {
        record.job.not_after = Some(at("2026-11-21T11:00:00Z"));
        let held = desk.decide(record, &taken_up(Some(paused())), NOW).record;
        assert_eq!(held.due(), Some(at("2026-11-21T11:00:00.000001Z")));
        let late = desk.decide(&held, &taken_up(Some(paused())), "2026-11-21T11:00:00.000001Z").record;
        assert_eq!((late.state(), late.ending().unwrap().reason), (State::Failed, Reason::Expired));
    }
}

#[tokio::test]
async fn what_goes_beyond_a_limit_is_parked_with_the_figures() {
    let desk = Desk::new();
    let [fresh, refused, _] = stages().await;
    for record in [fresh, refused] {
        let decision = desk.decide(&record, &Observation::OverLimit { begun: 23, most: 20 }, NOW);
        let parked = &decision.record;
        assert!(decision.commit && decision.next == Next::Rest && parked.needs_approval());
        assert!(!parked.is_half_done() && !parked.phase.in_queue(), "the next one passes");
        assert!(parked.why.contains("hour: 23; ") && parked.why.contains("allows 20, so"), "{}", parked.why);
    }
}

#[tokio::test]
async fn only_a_beginning_is_tested_and_an_approved_one_by_no_number() {
    let plant = guarded(1, limits(7, 8)).await;
    let [fresh, _, unknown] = stages().await;
    let desk = Desk::new();
    let now = plant.clock.now();
    let begins = |decision: &Decision| plant.engine.change(decision.clone(), LeaseUse::None, now).0.admission;
    let mut decision = desk.decide(&fresh, &taken_up(None), NOW);
    assert_eq!(begins(&decision), None);
    decision = desk.decide(&unknown, &taken_up(None), NOW);
    assert_eq!(begins(&decision), None);
    decision.begins = true;
    let tested = begins(&decision).unwrap();
    assert_eq!((tested.most, tested.since), (Some(7), at("2026-11-21T09:20:00Z")));
    decision.record.approved_at = Some(now);
    assert_eq!(begins(&decision).unwrap().most, None);
}
