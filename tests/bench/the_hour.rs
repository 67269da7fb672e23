//! W2: everything waits for the same hour, which comes.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use crossgrant::clock::{Clock as _, SystemClock};
use jiff::Timestamp;

use super::case::Case;
use super::driver::Driver;
use super::figures::Figures;
use super::fill::{Patterns, wait_until};
use super::hour::{ending_in, endless, now};
use super::meter::{Meter, largest};
use super::rig::Rig;
use super::usage::forget_peak;
use super::world::Network;

/// Jobs that a trial puts into a store, to tell how long all of them will take.
const TRIAL: usize = 2_000;
/// Seconds until the cloud and the workers are there, and networks for which it takes a second more.
const START: Duration = Duration::from_secs(10);
const NETWORKS_A_SECOND: usize = 10_000;
/// Rest before the hour: what a start costs is over by then.
const REST: Duration = Duration::from_secs(4);

/// From the top of the hour to the last `completed` that the broker delivers. The workers find the jobs in their store.
pub async fn pass(rig: &Rig, case: &Case) -> Result<Figures> {
    let jobs = case.jobs;
    let patterns = rig.patterns().await?;
    let (hour, top) = ending_in((filling(rig, case, patterns).await? + START + REST).as_secs());
    let mut round = rig.round(case.engine, &[(Network::Changing, 0..jobs)], hour)?;
    let at = Timestamp::from_second(i64::try_from(top)?)?;
    let store = round.place.open().await?;
    patterns.waiting.fill(&store, 0..jobs, |record| wait_until(record, at)).await?;
    drop(store);
    round.start(case.workers, 256).await?;
    let mut driver = Driver::connect(&round, "job.completed").await?;
    let left = Duration::from_secs(top).saturating_sub(now());
    ensure!(left > REST / 2, "filling took too long: {} s are left before the hour", left.as_secs());
    SystemClock.sleep(left.saturating_sub(Duration::from_millis(500))).await;
    let waiting = largest(&round, "VmRSS");
    let (before, calls_before) = (Meter::read(rig, &round)?, round.calls()?);
    round.workers.iter().for_each(|worker| forget_peak(worker.id()));
    driver.events(jobs).await?;
    let took = now().saturating_sub(Duration::from_secs(top));
    let (after, calls_after) = (Meter::read(rig, &round)?, round.calls()?);
    let peak = largest(&round, "VmHWM");
    round.stop()?;
    let mut calls: BTreeMap<String, u64> = calls_after.into_iter().fold(BTreeMap::new(), |mut calls, (name, count)| {
        *calls.entry(name).or_default() += count;
        calls
    });
    for (name, count) in calls_before {
        calls.entry(name).and_modify(|after| *after -= count);
    }
    let used = calls.iter().filter(|(_, count)| **count > 0);
    let figures =
        used.fold(Figures::default(), |figures, (name, count)| figures.with(format!("calls.{name}"), *count as f64));
    Ok(figures
        .with("last_completed_s", took.as_secs_f64())
        .with("calls", calls.values().sum::<u64>() as f64)
        .with("waiting_rss_mib", waiting)
        .with("peak_rss_mib", peak)
        .and(after.since(&before, jobs)))
}

/// At most how long it takes to make a world and fill a store, at the pace that the machine has now.
async fn filling(rig: &Rig, case: &Case, patterns: &Patterns) -> Result<Duration> {
    let round = rig.round(case.engine, &[], endless())?;
    let store = round.place.open().await?;
    let began = SystemClock.uptime();
    patterns.waiting.fill(&store, 0..TRIAL, |_| {}).await?;
    let trial = SystemClock.uptime().saturating_sub(began);
    let seconds = trial.as_secs_f64() * 2.0 / TRIAL as f64 + 1.0 / NETWORKS_A_SECOND as f64;
    Ok(Duration::from_secs_f64(seconds * case.jobs as f64))
}
