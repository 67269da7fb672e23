//! W3: a worker is killed with many jobs waiting and some in mid-step, and started again.

use std::time::Duration;

use anyhow::{Result, ensure};
use crossgrant::clock::{Clock as _, SystemClock, later};
use serde_json::json;

use super::case::Case;
use super::driver::Driver;
use super::figures::Figures;
use super::fill::wait_until;
use super::hour::endless;
use super::rig::Rig;
use super::usage::{Usage, memory};
use super::world::{Network, job};

/// Jobs in mid-step: their first write has taken effect, and its answer has not come.
const IN_STEP: usize = 1_000;
/// The first write of a payer change, and the second.
const WRITES: [&str; 2] = ["ModifyGrantInstanceToTransitRouter", "UpdateTransitRouterVpcAttachmentAttribute"];
/// The read that a job taken up again begins with.
const READ: &str = "DescribeGrantRulesToCen";

/// From the exec of the new worker until it works, and until no job is in work any more.
pub async fn after_a_kill(rig: &Rig, case: &Case) -> Result<Figures> {
    let (waiting, all) = (0..case.jobs, case.jobs + IN_STEP);
    let networks = [(Network::Changing, waiting.clone()), (Network::Attached, case.jobs..all)];
    let mut round = rig.round(case.engine, &networks, endless())?;
    let tomorrow = later(SystemClock.now(), Duration::from_secs(86_400));
    let store = round.place.open().await?;
    rig.patterns().await?.waiting.fill(&store, waiting, |record| wait_until(record, tomorrow)).await?;
    drop(store);
    round.start(1, IN_STEP).await?;
    let mut driver = Driver::connect(&round, "job.waiting").await?;
    round.cloud("POST", "/_sim/faults", json!({"operation": WRITES[0], "count": IN_STEP, "kind": "hang_after"}))?;
    driver.publish(case.jobs..all, "payer-change", |n| job("payer-change", n, None)).await?;
    round.cloud("GET", &format!("/_sim/wait?ledger={IN_STEP}"), json!(null))?;
    round.workers.iter().for_each(|worker| worker.kill9());
    round.workers.clear();

    let calls = round.calls()?;
    let next = |operation: &str| {
        let before: u64 = calls.iter().filter(|(name, _)| name == operation).map(|(_, count)| count).sum();
        format!("/_sim/wait?calls={operation}:{}", before + 1)
    };
    let began = SystemClock.uptime();
    let passed = || SystemClock.uptime().saturating_sub(began).as_secs_f64();
    let (read, write) = (round.when(next(READ)), round.when(next(WRITES[1])));
    round.start(1, IN_STEP).await?;
    let ready = passed();
    driver.event().await?;
    let first = passed();
    driver.events(IN_STEP - 1).await?;
    let steady = passed();
    let since = |at: Duration| at.saturating_sub(began).as_secs_f64();
    let (read, write) = (since(read.await??), since(write.await??));
    let worker = round.workers[0].id();
    let (usage, peak) = (Usage::of(worker)?, memory(worker, "VmHWM"));
    round.stop()?;
    ensure!(read <= steady && write <= steady, "the calls of a job come before its event");
    Ok(Figures::default()
        .with("ready_s", ready)
        .with("first_call_s", read)
        .with("first_write_s", write)
        .with("first_at_rest_s", first)
        .with("steady_s", steady)
        .with("cpu_s", usage.cpu_seconds)
        .with("peak_rss_mib", peak))
}
