//! What Crossgrant costs: workloads on real parts (RabbitMQ, a simulated cloud and a worker, each a process of its own on
//! this machine), one JSON line for each. `make bench` builds and runs it; docs/performance.md says how to read it.
//!
//! `bench [WORKLOAD…] [--jobs N] [--rounds N]`; without a workload all that are short. Every figure is the median of its
//! rounds, with the least and the most. With `BENCH_SYNC_US` every fsync of worker and broker takes so much longer.

#[path = "../../tests/support"]
#[expect(dead_code, reason = "the workloads need only a part of what the tests share")]
mod support {
    pub mod process;
    pub mod rabbit;
    pub mod web;
}
mod driver;
mod figures;
mod intake;
mod rig;
mod steady;
mod the_hour;
mod usage;
mod world;

use std::process::ExitCode;

use anyhow::{Result, bail};
use figures::Figures;
use rig::Rig;

/// What can be measured: a name, what it is, and how many jobs it takes unless told otherwise.
const WORKLOADS: [(&str, &str, usize); 4] = [
    ("W1", "payer changes of attached VPCs, 256 in flight, from publish to `waiting`", 10_000),
    ("W1g", "grants of VPCs, 256 in flight, from publish to `completed`", 10_000),
    (
        "W2",
        "payer changes on 50 CENs of 50 owners that wait for one hour, from that instant to the last `completed`",
        20_000,
    ),
    ("W4", "a burst of messages, from the first publish to the last `accepted`, against a bare consumer", 100_000),
];

struct Wanted {
    workloads: Vec<(&'static str, &'static str, usize)>,
    rounds: usize,
}

fn wanted() -> Result<Wanted> {
    let (mut names, mut jobs, mut rounds) = (vec![], None, 3);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<usize> {
            let value = arguments.next().unwrap_or_default().replace('_', "");
            value.parse().map_err(|_| anyhow::anyhow!("{argument} takes a number"))
        };
        match argument.as_str() {
            "--jobs" => jobs = Some(number()?),
            "--rounds" => rounds = number()?.max(1),
            name => names.push(name.to_owned()),
        }
    }
    if let Some(name) = names.iter().find(|name| WORKLOADS.iter().all(|(known, ..)| known != name)) {
        bail!("there is no workload {name}; there are {}", WORKLOADS.map(|(known, ..)| known).join(", "));
    }
    let chosen = WORKLOADS.iter().filter(|(known, ..)| names.is_empty() || names.iter().any(|name| name == known));
    let workloads = chosen.map(|(name, about, default)| (*name, *about, jobs.unwrap_or(*default))).collect();
    Ok(Wanted { workloads, rounds })
}

#[tokio::main]
async fn main() -> ExitCode {
    let measured = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        measured = measure() => measured,
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure() -> Result<()> {
    let wanted = wanted()?;
    let rig = Rig::start()?;
    for (name, about, jobs) in wanted.workloads {
        let mut rounds = Vec::with_capacity(wanted.rounds);
        for round in 1..=wanted.rounds {
            eprintln!("· {name}, {jobs} jobs, round {round} of {}: {about}", wanted.rounds);
            rounds.push(match name {
                "W1" => steady::payer_changes(&rig, jobs).await?,
                "W1g" => steady::grants(&rig, jobs).await?,
                "W2" => the_hour::pass(&rig, jobs).await?,
                _ => intake::burst(&rig, jobs).await?,
            });
        }
        println!("{}", Figures::medians(name, jobs, &rounds));
    }
    Ok(())
}
