//! What a round has used up to a moment, and what that comes to for each job.

use anyhow::Result;

use super::figures::Figures;
use super::rig::{Rig, Round};
use super::usage::{Usage, memory};

/// A reading.
pub struct Meter {
    workers: Usage,
    /// The processes of the store, if it has its own.
    store: Usage,
    broker: Usage,
    calls: u64,
}

impl Meter {
    /// Reads what was used until now.
    pub fn read(rig: &Rig, round: &Round) -> Result<Self> {
        let workers = round.workers.iter().map(|worker| Usage::of(worker.id()));
        let workers = workers.collect::<Result<Vec<_>>>()?.into_iter().fold(Usage::default(), |all, one| all + one);
        Ok(Self { workers, store: rig.store_usage(round)?, broker: rig.broker_usage()?, calls: round.total_calls()? })
    }

    /// What was used since `before`, for this number of jobs.
    pub fn since(&self, before: &Self, jobs: usize) -> Figures {
        let (workers, store, broker) =
            (self.workers - before.workers, self.store - before.store, self.broker - before.broker);
        let (ours, jobs) = (workers + store, jobs as f64);
        let calls = (self.calls - before.calls) as f64;
        let figures = Figures::default()
            .with("cpu_s_per_1000_jobs", workers.cpu_seconds * 1_000.0 / jobs)
            .with("cpu_with_store_s_per_1000_jobs", ours.cpu_seconds * 1_000.0 / jobs)
            .with("broker_cpu_s_per_1000_jobs", broker.cpu_seconds * 1_000.0 / jobs)
            .with("calls_per_job", calls / jobs)
            .with("fsyncs_per_job", ours.fsyncs / jobs)
            .with("broker_fsyncs_per_job", broker.fsyncs / jobs)
            .with("disk_bytes_per_job", ours.disk_bytes / jobs);
        if calls > 0.0 { figures.with("cpu_us_per_call", ours.cpu_seconds * 1e6 / calls) } else { figures }
    }
}

/// `VmRSS` or `VmHWM` of the worker that has the most, in MiB.
pub fn largest(round: &Round, which: &str) -> f64 {
    round.workers.iter().map(|worker| memory(worker.id(), which)).fold(f64::NAN, f64::max)
}
