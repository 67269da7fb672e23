//! W1 and W1g: jobs one after the other, so many in flight.

use anyhow::Result;

use crate::case::Case;
use crate::driver::Driver;
use crate::figures::{Figures, percentile};
use crate::hour::endless;
use crate::meter::{Meter, largest};
use crate::rig::{Rig, Round};
use crate::world::{Network, job};

const IN_FLIGHT: usize = 256;
/// Jobs before those that count.
const WARM: usize = 512;
/// What the finished jobs are numbered from: networks that no new job is about.
const FINISHED: usize = 1_000_000_000;

/// W1.
pub async fn payer_changes(rig: &Rig, case: &Case, stored: Option<&Round>) -> Result<Figures> {
    steady(rig, case, stored, "payer-change", Network::Attached, "job.waiting").await
}

/// W1g.
pub async fn grants(rig: &Rig, case: &Case, stored: Option<&Round>) -> Result<Figures> {
    steady(rig, case, stored, "grant", Network::New, "job.completed").await
}

/// A store with finished jobs, for rounds to begin with; `None` if they begin with none.
pub async fn finished(rig: &Rig, case: &Case) -> Result<Option<Round>> {
    if case.finished == 0 {
        return Ok(None);
    }
    let round = rig.round(case.engine, &[], endless())?;
    let store = round.place.open().await?;
    let patterns = rig.patterns().await?;
    patterns.finished.fill(&store, FINISHED..FINISHED + case.finished, |_| {}).await?;
    Ok(Some(round))
}

async fn steady(
    rig: &Rig,
    case: &Case,
    stored: Option<&Round>,
    kind: &str,
    like: Network,
    event: &str,
) -> Result<Figures> {
    let jobs = case.jobs;
    let networks = [(like, 0..WARM + jobs)];
    let mut round = match stored {
        Some(stored) => rig.round_like(stored, &networks, endless()).await?,
        None => rig.round(case.engine, &networks, endless())?,
    };
    round.start(case.workers, IN_FLIGHT).await?;
    let mut driver = Driver::connect(&round, event).await?;
    driver.closed_loop(WARM, IN_FLIGHT, kind, |n| job(kind, n, None)).await?;
    let before = Meter::read(rig, &round)?;
    let took = driver.closed_loop(jobs, IN_FLIGHT, kind, |n| job(kind, n + WARM, None)).await?;
    let after = Meter::read(rig, &round)?;
    let peak = largest(&round, "VmHWM");
    round.stop()?;
    Ok(Figures::default()
        .with("jobs_per_s", jobs as f64 / took.all)
        .with("p50_ms", percentile(&took.each, 0.5))
        .with("p99_ms", percentile(&took.each, 0.99))
        .with("peak_rss_mib", peak)
        .and(after.since(&before, jobs)))
}
