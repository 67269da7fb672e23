//! What is to be measured: read from the command line.

use anyhow::{Result, bail, ensure};

use super::store::Engine;

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
    Calls,
}

/// A kind of work, and what is measured of it unless told otherwise: of several, each in turn.
struct About {
    workload: Workload,
    name: &'static str,
    about: &'static str,
    engines: &'static [Engine],
    jobs: &'static [usize],
    /// Empty if it begins with none whatever is told.
    finished: &'static [usize],
    /// Empty if there is one whatever is told.
    workers: &'static [usize],
}

const BOTH: &[Engine] = &[Engine::Sqlite, Engine::Postgres];

const ALL: [About; 8] = [
    About {
        workload: Workload::PayerChanges,
        name: "W1",
        about: "payer changes of attached VPCs, 256 in flight, from publish to `waiting`",
        engines: BOTH,
        jobs: &[10_000],
        finished: &[0],
        workers: &[1],
    },
    About {
        workload: Workload::Grants,
        name: "W1g",
        about: "grants of VPCs, 256 in flight, from publish to `completed`",
        engines: BOTH,
        jobs: &[10_000],
        finished: &[0],
        workers: &[1],
    },
    About {
        workload: Workload::TheHour,
        name: "W2",
        about: "payer changes on 50 CENs of 50 owners that wait for one hour, from that instant to the last `completed`",
        engines: BOTH,
        jobs: &[20_000],
        finished: &[],
        workers: &[1],
    },
    About {
        workload: Workload::Recovery,
        name: "W3",
        about: "kill -9 with these jobs waiting and 1,000 in mid-step, from exec to the first step and to all at rest",
        engines: BOTH,
        jobs: &[10_000],
        finished: &[],
        workers: &[],
    },
    About {
        workload: Workload::Intake,
        name: "W4",
        about: "a burst of messages, from the first publish to the last `accepted`, against a bare consumer",
        engines: BOTH,
        jobs: &[20_000],
        finished: &[],
        workers: &[1],
    },
    About {
        workload: Workload::Growth,
        name: "growth",
        about: "W1 by how many jobs, and by how many finished ones are in the store",
        engines: &[Engine::Sqlite],
        jobs: &[1_000, 10_000],
        finished: &[0, 100_000],
        workers: &[1],
    },
    About {
        workload: Workload::Scaling,
        name: "scaling",
        about: "W1 with 1, 2 and 4 workers",
        engines: &[Engine::Postgres],
        jobs: &[5_000],
        finished: &[0],
        workers: &[1, 2, 4],
    },
    About {
        workload: Workload::Calls,
        name: "calls",
        about: "the same calls by the client alone, and the same HTTP without it, 256 in flight",
        engines: &[Engine::Sqlite],
        jobs: &[50_000],
        finished: &[],
        workers: &[],
    },
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

/// What the command line says of each workload.
#[derive(Default)]
struct Told {
    names: Vec<String>,
    engines: Vec<Engine>,
    jobs: Vec<usize>,
    finished: Vec<usize>,
    workers: Vec<usize>,
}

/// Reads `[WORKLOAD…] [--store sqlite|postgres] [--jobs N,…] [--finished N,…] [--workers N,…] [--rounds N]`.
pub fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let (mut told, mut rounds) = (Told::default(), 3);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_default();
        let numbers = |text: String| {
            let number = |part: &str| part.replace('_', "").parse::<usize>().ok();
            let numbers: Option<Vec<usize>> = text.split(',').map(number).collect();
            numbers.ok_or_else(|| anyhow::anyhow!("{argument} takes numbers, not {text:?}"))
        };
        match argument.as_str() {
            "--jobs" => told.jobs = numbers(value())?,
            "--finished" => told.finished = numbers(value())?,
            "--workers" => told.workers = numbers(value())?,
            "--rounds" => rounds = numbers(value())?[0].max(1),
            "--store" => told.engines.push(engine(&value())?),
            name if ALL.iter().any(|known| known.name == name) => told.names.push(name.to_owned()),
            name => bail!("there is no workload {name}; there are {}", ALL.map(|known| known.name).join(", ")),
        }
    }
    let cases: Vec<Case> =
        ALL.iter().filter(|about| told.is_wanted(about)).flat_map(|about| told.cases(about)).collect();
    let shared = |case: &Case| case.workers > 1 && case.engine == Engine::Sqlite;
    ensure!(!cases.iter().any(shared), "an SQLite file is for one worker");
    Ok(Wanted { cases, rounds })
}

fn engine(name: &str) -> Result<Engine> {
    match BOTH.iter().find(|engine| engine.name() == name) {
        Some(engine) => Ok(*engine),
        None => bail!(
            "there is no store {name:?}; there are {}",
            BOTH.iter().map(|e| e.name()).collect::<Vec<_>>().join(", ")
        ),
    }
}

impl Told {
    fn is_wanted(&self, about: &About) -> bool {
        match self.names.is_empty() {
            // The others take a quarter of an hour together.
            true => about.workload != Workload::Scaling,
            false => self.names.iter().any(|name| name == about.name),
        }
    }

    fn cases(&self, about: &About) -> Vec<Case> {
        let engines = if self.engines.is_empty() { about.engines } else { &self.engines };
        let numbers = |told: &[usize], default: &[usize], fixed: usize| match (told, default) {
            (_, []) => vec![fixed],
            ([], default) => default.to_vec(),
            (told, _) => told.to_vec(),
        };
        let mut cases = vec![];
        for &engine in engines {
            for finished in numbers(&self.finished, about.finished, 0) {
                for jobs in numbers(&self.jobs, about.jobs, 0) {
                    for workers in numbers(&self.workers, about.workers, 1) {
                        let About { workload, name, about, .. } = *about;
                        cases.push(Case { workload, name, about, engine, jobs, finished, workers });
                    }
                }
            }
        }
        cases
    }
}
