//! What a run is to be: read from the command line.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::store::Engine;

/// A run.
#[derive(Debug)]
pub struct Wanted {
    pub store: Engine,
    pub workers: usize,
    pub jobs: usize,
    /// Over how long the jobs are submitted, and parts are struck.
    pub seconds: u64,
    /// How many nodes RabbitMQ has.
    pub nodes: usize,
    /// The programs of another RabbitMQ.
    pub rabbit: Option<PathBuf>,
    pub seed: u64,
}

impl Wanted {
    /// Reads the options; each may be absent.
    pub fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let (mut store, mut rabbit, mut seed) = (Engine::Sqlite, None, None);
        let (mut workers, mut jobs, mut nodes, mut seconds) = (1, 600, 1, None);
        while let Some(option) = arguments.next() {
            let value = arguments.next().with_context(|| format!("{option} needs a value"))?;
            let number = || value.parse::<u64>().with_context(|| format!("{option} takes a number, not {value:?}"));
            let count = || number().map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            match option.as_str() {
                "--store" => {
                    let known = [Engine::Sqlite, Engine::Postgres].into_iter().find(|engine| engine.name() == value);
                    store = known.context("--store is sqlite or postgres")?;
                }
                "--workers" => workers = count()?,
                "--jobs" => jobs = count()?,
                "--cluster" => nodes = count()?,
                "--seconds" => seconds = Some(number()?),
                "--seed" => seed = Some(number()?),
                "--rabbit" => rabbit = Some(value.into()),
                _ => bail!(
                    "{option}: the options are --store, --workers, --jobs, --seconds, --cluster, --rabbit, --seed"
                ),
            }
        }
        ensure!(workers >= 1 && jobs >= 1 && nodes >= 1, "--workers, --jobs and --cluster are at least 1");
        ensure!(workers == 1 || matches!(store, Engine::Postgres), "an SQLite file is for one worker");
        // Two jobs in a second: most of them meet some fault.
        let seconds = seconds.unwrap_or(jobs as u64 / 2);
        Ok(Self { store, workers, jobs, seconds, nodes, rabbit, seed: seed.map_or_else(random, Ok)? })
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, workers, jobs, seconds, nodes, seed, .. } = self;
        let store = store.name();
        write!(
            f,
            "{jobs} jobs in {seconds} s on {store}, workers: {workers}, nodes of RabbitMQ: {nodes}, --seed {seed}"
        )
    }
}

/// A seed that can be typed.
fn random() -> Result<u64> {
    let mut bytes = [0; 4];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u32::from_ne_bytes(bytes).into())
}
