//! W1 and W1g: jobs one after the other, with a fixed number in flight.

use anyhow::Result;

use super::case::Case;
use super::driver::Driver;
use super::figures::{Figures, percentile};
use super::hour::endless;
use super::meter::{Meter, largest};
use super::rig::{Rig, Round};
use super::store::Engine;
use super::world::{Network, job};

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

/// A store with finished jobs, for rounds to begin with a copy of it.
pub struct Finished {
    engine: Engine,
    jobs: usize,
    /// No worker uses it. `None` if there are no finished jobs.
    round: Option<Round>,
}

impl Finished {
    /// As many as the case says.
    pub async fn new(rig: &Rig, case: &Case) -> Result<Self> {
        let (engine, jobs) = (case.engine, case.finished);
        if jobs == 0 {
            return Ok(Self { engine, jobs, round: None });
        }
        eprintln!("· puts {jobs} finished jobs into a store");
        let round = rig.round(engine, &[], endless())?;
        let store = round.place.open().await?;
        rig.patterns().await?.finished.fill(&store, FINISHED..FINISHED + jobs, |_| {}).await?;
        Ok(Self { engine, jobs, round: Some(round) })
    }

    /// Whether the rounds of a case begin like this.
    pub fn is_for(&self, case: &Case) -> bool {
        (self.engine, self.jobs) == (case.engine, case.finished)
    }

    /// The store.
    pub fn round(&self) -> Option<&Round> {
        self.round.as_ref()
    }
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
