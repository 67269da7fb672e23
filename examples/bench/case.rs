//! What is to be measured: read from the command line.

use anyhow::{Result, bail};

use crate::store::Engine;

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    PayerChanges,
    Grants,
    TheHour,
    Recovery,
    Intake,
    Growth,
    Scaling,
}

/// One of a kind: what its line says.
struct About {
    workload: Workload,
    name: &'static str,
    about: &'static str,
    /// How many jobs, unless told otherwise: some of them one after the other.
    jobs: &'static [usize],
}

const ALL: [About; 7] = [
    About {
        workload: Workload::PayerChanges,
        name: "W1",
        about: "payer changes of attached VPCs, 256 in flight, from publish to `waiting`",
        jobs: &[10_000],
    },
    About {
        workload: Workload::Grants,
        name: "W1g",
        about: "grants of VPCs, 256 in flight, from publish to `completed`",
        jobs: &[10_000],
    },
    About {
        workload: Workload::TheHour,
        name: "W2",
        about: "payer changes on 50 CENs of 50 owners that wait for one hour, from that instant to the last `completed`",
        jobs: &[20_000],
    },
    About {
        workload: Workload::Recovery,
        name: "W3",
        about: "kill -9 with so many waiting and 1,000 in mid-step, from exec to the first step and to all at rest",
        jobs: &[10_000],
    },
    About {
        workload: Workload::Intake,
        name: "W4",
        about: "a burst of messages, from the first publish to the last `accepted`, against a bare consumer",
        jobs: &[20_000],
    },
    About {
        workload: Workload::Growth,
        name: "growth",
        about: "W1 by how many jobs, and by how many finished ones are in the store",
        jobs: &[1_000, 10_000],
    },
    About { workload: Workload::Scaling, name: "scaling", about: "W1 with 1, 2 and 4 workers", jobs: &[10_000] },
];

/// One line of figures.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    pub workload: Workload,
    pub name: &'static str,
    pub about: &'static str,
    pub engine: Engine,
    pub jobs: usize,
    /// Finished jobs that are in the store before.
    pub finished: usize,
    pub workers: usize,
}

/// Everything that is wanted.
pub struct Wanted {
    pub cases: Vec<Case>,
    pub rounds: usize,
}

/// Reads `[WORKLOAD…] [--store sqlite|postgres] [--jobs N…] [--finished N…] [--workers N…] [--rounds N]`.
pub fn wanted(arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let (mut names, mut engines, mut rounds) = (vec![], vec![], 3);
    let (mut jobs, mut finished, mut workers) = (vec![], vec![], vec![]);
    let mut arguments = arguments.peekable();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        let number = |text: String| -> Result<usize> {
            text.replace('_', "").parse().map_err(|_| anyhow::anyhow!("{argument} takes numbers, not {text:?}"))
        };
        let numbers = |text: String| text.split(',').map(|part| number(part.to_owned())).collect::<Result<Vec<_>>>();
        match argument.as_str() {
            "--jobs" => jobs = numbers(value())?,
            "--finished" => finished = numbers(value())?,
            "--workers" => workers = numbers(value())?,
            "--rounds" => rounds = number(value())?.max(1),
            "--store" => {
                let name = value();
                let Some(engine) = Engine::ALL.into_iter().find(|engine| engine.name() == name) else {
                    bail!("there is no store {name:?}; there are sqlite and postgres")
                };
                engines.push(engine);
            }
            name => names.push(name.to_owned()),
        }
    }
    if let Some(name) = names.iter().find(|name| ALL.iter().all(|known| known.name != **name)) {
        bail!("there is no workload {name}; there are {}", ALL.map(|known| known.name).join(", "));
    }
    let mut cases = vec![];
    for about in ALL.iter().filter(|about| names.is_empty() || names.iter().any(|name| name == about.name)) {
        let told = |told: &[usize], default: &[usize]| if told.is_empty() { default.to_vec() } else { told.to_vec() };
        let (growth, scaling) = (about.workload == Workload::Growth, about.workload == Workload::Scaling);
        let default_engines: &[Engine] = match about.workload {
            Workload::Growth => &[Engine::Sqlite],
            Workload::Scaling => &[Engine::Postgres],
            _ => &Engine::ALL,
        };
        let engines = if engines.is_empty() { default_engines } else { &engines };
        for engine in engines {
            for finished in told(&finished, if growth { &[0, 100_000] } else { &[0] }) {
                for jobs in told(&jobs, about.jobs) {
                    for workers in told(&workers, if scaling { &[1, 2, 4] } else { &[1] }) {
                        if workers > 1 && *engine == Engine::Sqlite {
                            bail!("an SQLite file is for one worker");
                        }
                        let About { workload, name, about, .. } = *about;
                        cases.push(Case { workload, name, about, engine: *engine, jobs, finished, workers });
                    }
                }
            }
        }
    }
    Ok(Wanted { cases, rounds })
}
