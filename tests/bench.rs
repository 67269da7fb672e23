//! What Crossgrant costs: workloads on real parts (RabbitMQ, a simulated cloud, workers and their store, each a process of
//! its own on this machine), one JSON line for each. `make bench` builds and runs it; docs/performance.md says how to read it.
//!
//! `by_hand bench [WORKLOAD…] [--store sqlite|postgres] [--jobs N,…] [--finished N,…] [--workers N,…] [--rounds N]`;
//! without a workload all of them, at sizes that take minutes. Every figure is the median of its rounds, with the least and the most.
//! With `BENCH_SYNC_US` every fsync of worker, database server and broker takes so much longer.

mod calls;
mod case;
mod driver;
pub mod figures;
mod fill;
mod hour;
mod intake;
mod meter;
mod recovery;
mod rig;
mod steady;
pub mod store;
mod the_hour;
mod usage;
pub mod world;

use anyhow::Result;
use case::{Case, Workload, wanted};
use figures::Figures;
use rig::{Rig, Round};
use serde_json::json;
use steady::Finished;

/// Runs the workloads that the arguments name and prints a line for each.
pub async fn measure(arguments: impl Iterator<Item = String>) -> Result<()> {
    let wanted = wanted(arguments)?;
    let engines: Vec<_> = wanted.cases.iter().map(|case| case.engine).collect();
    let rig = Rig::start(&engines)?;
    let mut stored: Option<Finished> = None;
    for case in &wanted.cases {
        if stored.as_ref().is_none_or(|stored| !stored.is_for(case)) {
            // The one before goes first: they are large.
            drop(stored.take());
            stored = Some(Finished::new(&rig, case).await?);
        }
        let mut rounds = Vec::with_capacity(wanted.rounds);
        for round in 1..=wanted.rounds {
            let Case { name, about, engine, jobs, finished, workers, .. } = *case;
            let (engine, of) = (engine.name(), wanted.rounds);
            eprintln!(
                "· {name} on {engine}, {jobs} jobs ({finished} finished before), workers: {workers}, round {round} of {of}: {about}"
            );
            rounds.push(run(&rig, case, stored.as_ref().and_then(Finished::round)).await?);
        }
        println!("{}", line(case, &rounds));
    }
    Ok(())
}

async fn run(rig: &Rig, case: &Case, stored: Option<&Round>) -> Result<Figures> {
    match case.workload {
        Workload::PayerChanges | Workload::Growth | Workload::Scaling => steady::payer_changes(rig, case, stored).await,
        Workload::Grants => steady::grants(rig, case, stored).await,
        Workload::TheHour => the_hour::pass(rig, case).await,
        Workload::Recovery => recovery::after_a_kill(rig, case).await,
        Workload::Intake => intake::burst(rig, case).await,
        Workload::Calls => calls::alone(rig, case).await,
    }
}

fn line(case: &Case, rounds: &[Figures]) -> serde_json::Value {
    let sync_us = std::env::var("BENCH_SYNC_US").ok().and_then(|us| us.parse::<u64>().ok()).unwrap_or(0);
    json!({
        "workload": case.name, "store": case.engine.name(), "jobs": case.jobs, "finished": case.finished,
        "workers": case.workers, "rounds": rounds.len(), "sync_us": sync_us, "figures": Figures::medians(rounds),
    })
}
