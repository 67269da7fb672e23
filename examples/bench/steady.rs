//! W1 and W1g: jobs one after the other, so many in flight.

use anyhow::Result;

use crate::driver::Driver;
use crate::figures::{Figures, percentile};
use crate::rig::Rig;
use crate::usage::{Usage, memory};
use crate::world::{Network, job};

const IN_FLIGHT: usize = 256;
/// Jobs before those that count.
const WARM: usize = 512;

/// W1.
pub async fn payer_changes(rig: &Rig, jobs: usize) -> Result<Figures> {
    steady(rig, jobs, "payer-change", Network::Attached, "job.waiting").await
}

/// W1g.
pub async fn grants(rig: &Rig, jobs: usize) -> Result<Figures> {
    steady(rig, jobs, "grant", Network::New, "job.completed").await
}

async fn steady(rig: &Rig, jobs: usize, kind: &str, like: Network, event: &str) -> Result<Figures> {
    // An hour that does not end meanwhile: what waits goes on waiting.
    let round = rig.round(jobs + WARM, like, "1h").await?;
    let mut driver = Driver::connect(&round, event).await?;
    driver.closed_loop(WARM, IN_FLIGHT, kind, |n| job(kind, n, None)).await?;
    let (before, calls_before) = (Usage::of(round.worker.id())?, round.total_calls()?);
    let took = driver.closed_loop(jobs, IN_FLIGHT, kind, |n| job(kind, n + WARM, None)).await?;
    let (after, calls) = (Usage::of(round.worker.id())?, round.total_calls()? - calls_before);
    let peak = memory(round.worker.id(), "VmHWM");
    round.end()?;
    Ok(Figures::default()
        .with("jobs_per_s", jobs as f64 / took.all)
        .with("p50_ms", percentile(&took.each, 0.5))
        .with("p99_ms", percentile(&took.each, 0.99))
        .with("calls_per_job", calls as f64 / jobs as f64)
        .with("cpu_us_per_call", after.micros_per_call(before, calls))
        .with("peak_rss_mib", peak)
        .and(after.since(before, jobs)))
}
