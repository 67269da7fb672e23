//! The budget of API calls: a worker that has more to do than the cloud takes keeps to what it takes, and uses it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use crossgrant::clock::{Clock, later};
use crossgrant::cloud::Limits;
use crossgrant::domain::Kind;
use crossgrant::engine::mail::Incoming;
use crossgrant::engine::state::State;
use crossgrant::engine::store::Taken;
use crossgrant::engine::worker::{Capacity, work};
use crossgrant::simulator::{Fault, FaultKind};
use crossgrant::store::Sqlite;
use crossgrant::sweep;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::idle::Counted;
use crate::support::plant::{ATTACHED, Plant, RESOURCE, grant, payer_change};

const JOBS: usize = 1_000;
/// Calls a second that the simulated cloud takes of each operation, and that the client is set to.
const PER_SECOND: u32 = 20;

fn instance(n: usize) -> String {
    format!("vpc-bp1onboard{n:08}")
}

/// The example world with networks to onboard.
fn world(networks: usize) -> String {
    let network = |n| {
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n",
            instance(n)
        )
    };
    let networks: String = (0..networks).map(network).collect();
    format!("{}{networks}", include_str!("../examples/world.toml"))
}

fn message(job: Value) -> Incoming {
    Incoming { body: Bytes::from(job.to_string()), routing_key: "crossgrant.jobs".into(), ..Incoming::default() }
}

/// Runs grants of `jobs` networks to their ends through the worker's own loop; returns the plant and how long they took.
async fn onboard(jobs: usize, limits: Limits) -> (Plant, Duration) {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(jobs), store.clone(), Some(limits)).await;
    plant.cloud.patch_switches(json!({"calls_per_second": PER_SECOND})).unwrap();
    let messages = (0..jobs).map(|n| message(grant(&format!("NET-{n}"), &instance(n)))).collect();
    let taken = plant.inbox.accept(messages).await.unwrap();
    assert!(taken.iter().all(|taken| matches!(taken, Taken::New(_))));

    let began = plant.clock.now();
    let (stop, stopped) = watch::channel(false);
    let capacity = Capacity { jobs: 256, drain: Duration::from_secs(1) };
    let working = tokio::spawn(work(plant.core.clone(), capacity, stopped));
    store.run_out(&plant.clock).await;
    stop.send_replace(true);
    working.await.unwrap();

    let census = plant.store().census().await.unwrap();
    assert_eq!(census.jobs, BTreeMap::from([((Kind::Grant, State::Completed), jobs as u64)]));
    let took = crossgrant::clock::until(began, plant.clock.now());
    (plant, took)
}

#[tokio::test]
async fn a_thousand_grants_go_as_fast_as_the_cloud_takes_them() {
    let limits = Limits { reads_per_second: PER_SECOND, writes_per_second: PER_SECOND, ..Limits::default() };
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
    tokio::spawn(work(plant.core.clone(), Capacity { jobs: 256, drain: Duration::from_secs(1) }, stopped));
    (plant, store, stop)
}

#[tokio::test]
async fn the_sweep_waits_behind_jobs_that_came_later() {
    const READ: &str = "DescribeGrantRulesToCen";
    let (plant, store, _stop) = slow_reader(12).await;
    let waiting = plant.job(payer_change("NET-P", ATTACHED, "PayByResourceOwner")).await;
    store.run_out(&plant.clock).await;
    assert_eq!(plant.record(waiting).await.state, State::Waiting);
    plant.clock.advance_to(plant.store().next_sweep().await.unwrap().unwrap());

    let reads = || plant.cloud.calls().iter().filter(|call| call.operation == READ).count();
    let before = reads();
    plant.job(grant("NET-0", &instance(0))).await;
    store.idle().await;
    assert_eq!(reads(), before + 1, "the look of the first grant left nothing for the sweep");
    let pass = tokio::spawn({
        let core = plant.core.clone();
        async move { sweep::pass(&core).await.unwrap() }
    });
    store.idle().await;
    for n in 1..12 {
        plant.job(grant(&format!("NET-{n}"), &instance(n))).await;
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
    plant.cloud.inject(Fault::new(operation, throttle));
    let began = plant.clock.now();
    let uid = plant.job(grant("NET-0", &instance(0))).await;
    store.run_out(&plant.clock).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state, State::Completed);
    let calls: Vec<_> = plant.cloud.calls().into_iter().filter(|call| call.operation == operation).collect();
    assert_eq!(calls.len(), 2);
    let asked = later(calls[0].at, Duration::from_secs(100));
    assert!(calls[1].at >= asked && calls[1].at < later(asked, Duration::from_secs(10)), "{calls:?} since {began}");
}
