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
use crossgrant::store::Sqlite;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::support::idle::Counted;
use crate::support::plant::{Plant, RESOURCE, grant};

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
