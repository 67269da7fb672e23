//! The budget of API calls: a worker that has more to do than the cloud takes keeps to what it takes, and uses it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use crossgrant::clock::{Clock, later};
use crossgrant::cloud::Limits;
use crossgrant::engine::loops::worker::{Capacity, work};
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::store::{Filter, Taken};
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault};
use crossgrant::store::Sqlite;
use crossgrant::sweep;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::idle::Counted;
use crate::support::plant::{ATTACHED, CEN_OWNER, Plant, RESOURCE, grant, payer_change, revoke};

const JOBS: usize = 1_000;
/// Calls a second that the simulated cloud takes of each operation, and that the client is set to.
const PER_SECOND: u32 = 20;

fn instance(n: usize) -> String {
    format!("vpc-bp1onboard{n:08}")
}

fn vbr(n: usize) -> String {
    format!("vbr-bp1onboard{n:08}")
}

fn cen(n: usize) -> String {
    format!("cen-onboard{n:08}")
}

/// The example world with networks to onboard, and as many further CENs.
fn world(networks: usize) -> String {
    let network = |kind: &str, id: String| {
        format!("\n[[instances]]\ntype = {kind:?}\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n")
    };
    let cen = |n| format!("\n[[cens]]\nid = {:?}\nowner = {CEN_OWNER:?}\n", cen(n));
    let more: String = (0..networks).map(|n| network("VPC", instance(n)) + &network("VBR", vbr(n)) + &cen(n)).collect();
    format!("{}{more}", include_str!("../../examples/world.toml"))
}

fn message(job: Value) -> Incoming {
    Incoming { body: Bytes::from(job.to_string()), routing_key: "crossgrant.jobs".into(), ..Incoming::default() }
}

/// Runs grants of `jobs` networks to their ends; returns the plant and how long they took.
async fn onboard(jobs: usize, limits: Limits) -> (Plant, Duration) {
    carry_out((0..jobs).map(|n| grant(&format!("NET-{n}"), &instance(n))).collect(), limits).await
}

/// Runs jobs of one kind to their completion through the worker's own loop; returns the plant and how long they took.
async fn carry_out(jobs: Vec<Value>, limits: Limits) -> (Plant, Duration) {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(jobs.len()), store.clone(), Some(limits)).await;
    plant.cloud.patch_switches(json!({"calls_per_second": PER_SECOND})).unwrap();
    let count = jobs.len() as u64;
    let messages = jobs.into_iter().map(message).collect();
    let taken = plant.inbox.accept(messages).await.unwrap();
    assert!(taken.iter().all(|taken| matches!(taken, Taken::New(_))));

    let began = plant.clock.now();
    let (stop, stopped) = watch::channel(false);
    let capacity = Capacity { jobs: 256, drain: Duration::from_secs(1) };
    let working = tokio::spawn(work(plant.engine.clone(), capacity, stopped));
    store.run_out(&plant.clock).await;
    stop.send_replace(true);
    working.await.unwrap();

    let census = plant.store().counts().await.unwrap();
    assert!(census.jobs.keys().all(|(_, state)| *state == State::Completed), "{census:?}");
    assert_eq!(census.jobs.values().sum::<u64>(), count);
    let took = crossgrant::clock::until(began, plant.clock.now());
    (plant, took)
}

#[tokio::test]
async fn a_thousand_grants_go_as_fast_as_the_cloud_takes_them() {
    // Exactly what the cloud takes: a burst on top would be throttled.
    let limits = Limits { reads_per_second: PER_SECOND, writes_per_second: PER_SECOND, burst: 1, ..Limits::default() };
    let (plant, took) = onboard(JOBS, limits).await;

    let calls = plant.cloud.calls();
    assert_eq!(calls.len() as u64, plant.cloud.total_calls(), "the log holds every call");
    let mut by_operation: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for call in &calls {
        let (taken, throttled) = by_operation.entry(&call.operation).or_default();
        *(if call.code == "Throttling.User" { throttled } else { taken }) += 1;
    }
    let most = by_operation.values().map(|(taken, _)| *taken).max().unwrap();
    let allowed = Duration::from_secs_f64(most as f64 / f64::from(PER_SECOND));
    let first = calls[0].at;
    let late: Vec<bool> = calls
        .iter()
        .filter(|call| call.at >= later(first, Duration::from_secs(10)))
        .map(|call| call.code == "Throttling.User")
        .collect();
    let throttled = late.iter().filter(|throttled| **throttled).count();
    let share = throttled as f64 / late.len() as f64;
    let ratio = took.as_secs_f64() / allowed.as_secs_f64();
    println!("{JOBS} grants took {took:.1?} of simulated time; {allowed:.1?} are allowed: {ratio:.3} of it");
    println!("throttled after ten seconds: {throttled} of {} calls, {:.2} %", late.len(), share * 100.0);
    for (operation, (taken, throttled)) in &by_operation {
        println!("  {operation:<30} {taken:>5} taken {throttled:>4} throttled");
    }

    assert_eq!(plant.effects().len(), JOBS, "every network was granted once");
    let shared = by_operation["DescribeGrantRulesToCen"].0 as usize;
    assert!(shared < JOBS / 2, "each looked at the CEN twice, with {shared} calls");
    assert!(share <= 0.05, "{share}");
    assert!(ratio <= 1.2, "{ratio}");
}

#[tokio::test]
async fn a_client_that_was_promised_too_much_slows_down_by_itself() {
    let hundred = 5 * PER_SECOND;
    let limits = Limits { reads_per_second: hundred, writes_per_second: hundred, ..Limits::default() };
    let (plant, took) = onboard(200, limits).await;
    let count = |throttled: bool| -> u64 {
        let counts = plant.cloud.counts().into_iter();
        counts.filter(|count| (count.code == "Throttling.User") == throttled).map(|count| count.count).sum()
    };
    println!("200 grants took {took:.1?}; {} calls were taken, {} throttled", count(false), count(true));
    assert_eq!(plant.effects().len(), 200);
    assert!(count(true) < count(false) / 2, "{} of {}", count(true), count(false));
}

/// A worker whose reads are few, working in the background.
async fn slow_reader(networks: usize) -> (Plant, std::sync::Arc<Counted>, watch::Sender<bool>) {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let limits = Limits { reads_per_second: 1, writes_per_second: PER_SECOND, burst: 1, operations: BTreeMap::new() };
    let plant = Plant::with(&world(networks), store.clone(), Some(limits)).await;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 256, drain: Duration::from_secs(1) }, stopped));
    (plant, store, stop)
}

#[tokio::test]
async fn the_sweep_waits_behind_jobs_that_came_later() {
    const READ: &str = "DescribeGrantRulesToCen";
    let (plant, store, _stop) = slow_reader(12).await;
    let waiting = plant.job(payer_change("NET-P", ATTACHED, "PayByResourceOwner")).await;
    store.run_out(&plant.clock).await;
    assert_eq!(plant.record(waiting).await.state(), State::Waiting);
    plant.clock.advance_to(plant.store().next_sweep().await.unwrap().unwrap());

    let reads = || plant.cloud.calls().iter().filter(|call| call.operation == READ).count();
    let before = reads();
    // Each in a CEN of its own: those of one CEN would be read together.
    let grant = |n: usize| {
        let mut job = grant(&format!("NET-{n}"), &instance(n));
        job["cen"]["id"] = cen(n).into();
        job
    };
    plant.job(grant(0)).await;
    store.idle().await;
    assert_eq!(reads(), before + 1, "the look of the first grant left nothing for the sweep");
    let pass = tokio::spawn({
        let engine = plant.engine.clone();
        async move { sweep::pass(&engine).await.unwrap() }
    });
    store.idle().await;
    for n in 1..12 {
        plant.job(grant(n)).await;
    }
    store.run_until(&plant.clock, || pass.is_finished()).await;
    assert_eq!(pass.await.unwrap().confirmed, 1);
    assert_eq!(reads() - before, 9, "seven that came later went first, and no more");
    store.run_out(&plant.clock).await;
    assert_eq!(plant.effects().iter().filter(|effect| effect.starts_with("Grant")).count(), 12);
}

#[tokio::test]
async fn a_write_that_found_no_room_is_known_not_to_have_been_sent() {
    let (plant, store, _stop) = slow_reader(1).await;
    let operation = "GrantInstanceToTransitRouter";
    // Longer than the step may take: what comes next must not wait for it inside of the call.
    let throttle = FaultKind::Throttle { retry_after_ms: Some(100_000) };
    plant.cloud.inject(InjectedFault::new(operation, throttle));
    let began = plant.clock.now();
    let uid = plant.job(grant("NET-0", &instance(0))).await;
    store.run_out(&plant.clock).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Completed);
    let calls: Vec<_> = plant.cloud.calls().into_iter().filter(|call| call.operation == operation).collect();
    assert_eq!(calls.len(), 2);
    let asked = later(calls[0].at, Duration::from_secs(100));
    assert!(calls[1].at >= asked && calls[1].at < later(asked, Duration::from_secs(10)), "{calls:?} since {began}");
}

#[tokio::test]
async fn a_write_is_committed_to_only_when_it_can_go_out() {
    const GRANTS: usize = 60;
    let limits = Limits { reads_per_second: PER_SECOND, writes_per_second: 1, burst: 1, operations: BTreeMap::new() };
    let (plant, took) = onboard(GRANTS, limits).await;
    assert!(took < Duration::from_secs(GRANTS as u64 * 12 / 10), "{took:?}");
    let calls: Vec<_> = plant.cloud.calls();
    let sent: Vec<_> = calls.iter().filter(|call| call.operation == "GrantInstanceToTransitRouter").collect();
    assert_eq!(sent.len(), GRANTS, "none was sent in vain");
    let filter = Filter { limit: GRANTS, ..Filter::default() };
    for record in plant.store().list(&filter).await.unwrap() {
        let [write] = record.writes.as_slice() else { panic!("{:?}", record.writes) };
        assert_eq!(write.sends, 1);
        assert!(sent.iter().any(|call| call.at == write.intended_at), "{write:?}");
    }
}

#[tokio::test]
async fn a_list_that_is_the_same_for_all_is_read_once_for_those_who_want_it_at_the_same_time() {
    const REVOKES: usize = 100;
    let limits = Limits { reads_per_second: PER_SECOND, writes_per_second: 1, burst: 1, operations: BTreeMap::new() };
    let revoke = |n| {
        let mut job = revoke(&format!("NET-{n}"), &vbr(n));
        job["instance"]["type"] = "VBR".into();
        job
    };
    let (plant, _) = carry_out((0..REVOKES).map(revoke).collect(), limits).await;
    let calls = |operation: &str| plant.cloud.calls().iter().filter(|call| call.operation == operation).count();
    assert_eq!(calls("DescribeGrantRulesToResource"), REVOKES, "every one was looked at");
    for list in ["ListTransitRouters", "DescribeCenAttachedChildInstances", "DescribeGrantRulesToCen"] {
        assert!((1..=3).contains(&calls(list)), "{list}: {}", calls(list));
    }
    // Who this list is for is known only once the routers are, so they come in one more lot.
    let list = "ListTransitRouterVbrAttachments";
    assert!((1..=4).contains(&calls(list)), "{list}: {}", calls(list));
}
