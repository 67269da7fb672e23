//! One requester's jobs and another's: what names a false owner, and what comes in masses, holds up no other.

use std::sync::Arc;
use std::time::Duration;

use crossgrant::admin::explain;
use crossgrant::clock::{Clock, later};
use crossgrant::domain::{JobUid, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::loops::worker::{Capacity, work};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::store::{Store, Taken};
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange};
use crossgrant::store::Sqlite;
use serde_json::Value;
use tokio::sync::watch;

use super::second_cloud::{Stands, VPC};
use crate::support::idle::Counted;
use crate::support::plant::{
    CEN_OWNER, NOT_GRANTED, Plant, RESOURCE, STRANGER, Stock, UNATTACHED, grant, in_memory_and_in_a_database,
    payer_change, revoke, with,
};

mod flood;

in_memory_and_in_a_database!(
    a_job_that_names_a_false_owner_holds_up_no_other,
    while_one_job_writes_none_of_another_owner_does,
    a_half_done_job_keeps_the_jobs_of_every_owner_from_the_instance,
    a_false_owner_that_shuts_the_worker_out_keeps_the_instance_until_an_operator_releases_it,
);

/// The CEN of nobody: no account is shown it.
const NOWHERE: &str = "cen-44m0p68spvlrqq0666";

/// A job with these accounts instead of the true ones.
fn of(mut job: Value, instance_owner: &str, cen_owner: &str) -> Value {
    job["instance"]["owner"] = instance_owner.into();
    job["cen"]["owner"] = cen_owner.into();
    job
}

async fn job_as(plant: &Plant, user: &str, job: Value) -> JobUid {
    match plant.send_as(Some(user), &job).await {
        Taken::New(uid) => uid,
        other => panic!("{job} was not taken as a new job: {other:?}"),
    }
}

/// Lists of CENs in which nothing can be found and nothing is missing.
fn tells_nothing_of(cen: &str) -> InjectedFault {
    InjectedFault::new("DescribeCens", FaultKind::Empty).times(100_000).only(cen)
}

async fn a_job_that_names_a_false_owner_holds_up_no_other(stock: Stock) {
    let plant = VPC.plant(stock, Stands::NotGranted).await;
    plant.cloud.inject(tells_nothing_of(NOWHERE));
    let mut false_one = of(grant("mine", NOT_GRANTED), STRANGER, STRANGER);
    false_one["cen"]["id"] = NOWHERE.into();
    let held = job_as(&plant, "mallory", false_one).await;
    plant.work().await;
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    plant.run_on().await;
    assert_eq!(plant.record(held).await.state(), State::Running, "nothing tells");
    let record = plant.record(good).await;
    assert_eq!(record.state(), State::Completed, "{}", record.why);
    assert!(plant.record(good).await.phase.finished_at().unwrap() <= later(record.accepted_at, Duration::from_secs(1)));
}

async fn while_one_job_writes_none_of_another_owner_does(stock: Stock) {
    let plant = VPC.plant(stock, Stands::NotGranted).await;
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", FaultKind::DropBefore));
    let false_one = job_as(&plant, "mallory", of(grant("mine", NOT_GRANTED), STRANGER, CEN_OWNER)).await;
    plant.work().await;
    assert!(plant.record(false_one).await.has_written(), "it is not known whether it wrote");
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    plant.work().await;
    let record = plant.record(good).await;
    assert!(record.why.starts_with(&format!("job {false_one}, which names another owner")), "{}", record.why);
    assert!(record.writes.is_empty() && record.phase.due().is_some_and(|due| due > plant.clock.now()));
    plant.run().await;
    let states = [plant.record(false_one).await.state(), plant.record(good).await.state()];
    assert_eq!(states, [State::Failed, State::Completed]);
    assert_eq!(plant.effects(), [format!("GrantInstanceToTransitRouter {NOT_GRANTED} PayByCenOwner")]);
    let took = plant.record(good).await.phase.finished_at().unwrap().duration_since(record.accepted_at);
    assert!(took.as_secs() < 120, "{took:?}");
}

async fn a_half_done_job_keeps_the_jobs_of_every_owner_from_the_instance(stock: Stock) {
    let plant = VPC.plant(stock, Stands::NotGranted).await;
    let refusal = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refusal).times(100_000));
    let half_done = job_as(&plant, "ann", payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    assert!(plant.record(half_done).await.is_half_done());
    let written = plant.effects();
    let other = job_as(&plant, "mallory", of(grant("mine", UNATTACHED), STRANGER, CEN_OWNER)).await;
    plant.run_until(later(plant.clock.now(), Duration::from_secs(3600))).await;
    let record = plant.record(other).await;
    assert!(record.why.contains(&half_done.to_string()) && !record.state().is_terminal(), "{}", record.why);
    assert_eq!(plant.effects(), written);
    let tries = plant.cloud.calls().iter().filter(|call| call.operation == "DescribeGrantRulesToResource").count();
    assert!(tries < 1_000, "it looks again in seconds, not all the time: {tries}");
}

/// It is not known whether its write landed, and nothing tells any more.
async fn a_false_owner_that_shuts_the_worker_out_keeps_the_instance_until_an_operator_releases_it(stock: Stock) {
    let plant = VPC.plant(stock, Stands::NotGranted).await;
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", FaultKind::DropBefore));
    let false_one = job_as(&plant, "mallory", of(grant("mine", NOT_GRANTED), STRANGER, CEN_OWNER)).await;
    plant.work().await;
    let secret = "another".into();
    plant.cloud.change(OutsideChange::SetSecret { access_key_id: "stranger-key".into(), secret }).unwrap();
    plant.run_until(later(plant.clock.now(), Duration::from_secs(5))).await;
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    plant.run_until(later(plant.clock.now(), Duration::from_secs(15))).await;
    let command = |uid| plant.engine.command(uid, Command::Release, "tests");
    let why = command(false_one).await.unwrap_err().to_string();
    assert!(why.starts_with("what it sent may still take effect"), "{why}");
    plant.run_until(later(plant.clock.now(), Duration::from_secs(3600))).await;
    let record = plant.record(good).await;
    assert!(record.why.contains(&format!("see `crossgrant show {false_one}`")), "{}", record.why);
    assert!(command(good).await.unwrap_err().to_string().starts_with("only a job that is parked half done, or"));
    command(false_one).await.unwrap();
    plant.run_on().await;
    plant.run_until(later(plant.clock.now(), Duration::from_secs(60))).await;
    assert_eq!(plant.record(good).await.state(), State::Completed, "{}", plant.record(good).await.why);
    let record = plant.record(false_one).await;
    assert!(record.state() == State::Parked && record.why.ends_with("released by an operator (token tests)"));
    assert_eq!(plant.said(false_one).await, ["accepted", "parked"]);
    assert_eq!(plant.events(false_one).await.pop().unwrap()["data"]["half_done"], false);
    let explained = explain(&record, None, false, plant.clock.now());
    assert!(explained.next.starts_with("an operator has released its instance"), "{}", explained.next);
    assert_eq!(plant.effects(), [format!("GrantInstanceToTransitRouter {NOT_GRANTED} PayByCenOwner")]);
}

#[tokio::test]
async fn two_accounts_that_are_both_false_end_the_job_in_seconds() {
    for kind in ["grant", "revoke", "payer-change"] {
        for instance in [NOT_GRANTED, UNATTACHED] {
            let plant = VPC.plant(Stock::Memory, Stands::NotGranted).await;
            let job = match kind {
                "grant" => grant("mine", instance),
                "revoke" => revoke("mine", instance),
                _ => payer_change("mine", instance, "PayByResourceOwner"),
            };
            let uid = plant.job(of(job, STRANGER, STRANGER)).await;
            plant.run_on().await;
            let record = plant.record(uid).await;
            let ending = record.phase.ending().map(|ending| ending.reason);
            assert_eq!((record.state(), ending), (State::Failed, Some(Reason::PreflightFailed)), "{}", record.why);
            assert_eq!(plant.effects(), Vec::<String>::new());
        }
    }
}

#[tokio::test]
async fn a_job_behind_one_with_a_wrong_owner_of_the_cen_begins_in_seconds() {
    let plant = VPC.plant(Stock::Memory, Stands::NotGranted).await;
    let wrong = job_as(&plant, "ann", of(grant("wrong", NOT_GRANTED), RESOURCE, STRANGER)).await;
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    plant.run_on().await;
    assert_eq!(plant.record(wrong).await.state(), State::Failed);
    assert_eq!(plant.record(good).await.state(), State::Completed);
}

/// Where nothing tells who is right, the jobs behind wait for minutes and not for hours.
#[tokio::test]
async fn a_job_of_which_nothing_can_be_told_gives_up_in_minutes() {
    let plant = VPC.plant(Stock::Memory, Stands::NotGranted).await;
    plant.cloud.inject(tells_nothing_of(NOWHERE));
    let untold = job_as(&plant, "ann", with(grant("untold", NOT_GRANTED), "cen", of_cen(NOWHERE))).await;
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    plant.run_until(later(plant.clock.now(), Duration::from_secs(16 * 60))).await;
    let record = plant.record(untold).await;
    assert_eq!(record.phase.ending().map(|ending| ending.reason), Some(Reason::GaveUp), "{}", record.why);
    assert!(!record.is_half_done() && record.why.contains("could not be read to its end"), "{}", record.why);
    assert_eq!(plant.record(good).await.state(), State::Completed);
}

fn of_cen(id: &str) -> Value {
    serde_json::json!({"id": id, "owner": STRANGER})
}

/// The example world with this many networks that are not granted.
fn world(networks: usize) -> String {
    let network = |n| {
        let id = network(n);
        format!("\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n")
    };
    include_str!("../../examples/world.toml").to_owned() + &(0..networks).map(network).collect::<String>()
}

fn network(n: usize) -> String {
    format!("vpc-bp1flooded{n:08}")
}

#[tokio::test]
async fn one_requester_does_not_fill_all_slots_of_a_worker() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(20), store.clone(), None).await;
    plant.cloud.inject(InjectedFault::new("DescribeGrantRulesToResource", FaultKind::HangBefore).times(20));
    let (stop, stopped) = watch::channel(false);
    let capacity = Capacity { jobs: 4, drain: Duration::ZERO };
    let working = tokio::spawn(work(plant.engine.clone(), capacity, stopped));
    for n in 0..20 {
        job_as(&plant, "mallory", grant(&format!("m-{n}"), &network(n))).await;
    }
    store.idle().await;
    let hanging = || plant.cloud.calls().iter().filter(|call| call.operation == "DescribeGrantRulesToCen").count();
    assert!(hanging() > 0, "they are at work");
    plant.cloud.clear_faults();
    let good = job_as(&plant, "ann", grant("good", NOT_GRANTED)).await;
    store.run_until(&plant.clock, || !plant.effects().is_empty()).await;
    let record = plant.record(good).await;
    assert_eq!(
        plant.effects(),
        [format!("GrantInstanceToTransitRouter {NOT_GRANTED} PayByCenOwner")],
        "{}",
        record.why
    );
    stop.send_replace(true);
    working.await.unwrap();
}

#[tokio::test]
async fn a_requester_has_a_bounded_number_of_jobs_on_an_instance_that_have_not_begun() {
    let store: Arc<dyn Store> = Arc::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(0), store.clone(), None).await;
    let plant = plant.restarted(Policy::everybody().with_unbegun(Some(2)), || store).await;
    let first = job_as(&plant, "mallory", grant("m-1", NOT_GRANTED)).await;
    job_as(&plant, "mallory", revoke("m-2", NOT_GRANTED)).await;
    let third = grant("m-3", NOT_GRANTED);
    let Taken::Rejected(rejected) = plant.send_as(Some("mallory"), &third).await else { panic!("it was taken") };
    let said = plant.events(rejected).await.pop().unwrap();
    assert_eq!(said["type"], "crossgrant.job.rejected");
    let fault = &said["data"]["faults"][0];
    let names = (&said["data"]["reason"], &said["data"]["job_id"], &fault["code"], &fault["at"]);
    assert_eq!(names, (&"too-many".into(), &"m-3".into(), &"job-too-many".into(), &"/instance/id".into()));
    let message = said["data"]["message"].as_str().unwrap();
    assert!(message.contains("2 jobs") && message.contains("unbegun_per_instance"), "{message}");
    assert_eq!(plant.send_as(Some("mallory"), &grant("m-1", NOT_GRANTED)).await, Taken::Repeated(first));
    job_as(&plant, "ann", grant("a-1", NOT_GRANTED)).await;
    plant.run().await;
    let taken = job_as(&plant, "mallory", third).await;
    plant.run().await;
    assert_eq!(plant.record(taken).await.state(), State::Completed, "the id was free");
}
