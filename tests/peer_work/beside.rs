//! W1s: this worker beside RabbitMQ → Restate → RabbitMQ, by a harness that is not part of this repository, in turns on
//! the same machine, so that a slow spell of it does not hit one of them only.
//!
//! `by_hand peer-work beside HARNESS [--jobs N] [--rounds N] [KEY=VALUE…]` runs `HARNESS/run.sh external w1` and
//! `HARNESS/run.sh restate-amqp w1` and prints one JSON line with the figures of both. With `BENCH_SYNC_US` in the
//! environment every fsync of the worker, of Restate's server and of the broker takes so much longer. Every KEY=VALUE
//! is handed on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::bench::figures::Figures;

const IN_FLIGHT: usize = 64;
/// What the harness recommends for Restate at this size: the default of 24 costs it half as much again.
const PARTITIONS: &str = "restate.RESTATE_DEFAULT_NUM_PARTITIONS=4";
/// How the processes of a broker are called, in the order of their weight.
const BROKER: [&str; 4] = ["beam.smp", "erl_child_setup", "inet_gethost", "epmd"];

/// What the harness says of one run.
#[derive(Deserialize)]
struct Run {
    n: usize,
    errors: usize,
    dup_completions: usize,
    steps_ok: bool,
    per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// CPU seconds of all jobs, by the name of the process.
    cpu_by: BTreeMap<String, f64>,
    fsyncs_per_wf: f64,
    disk_bytes_per_wf: f64,
    peak_pss_mb: f64,
    other_cpu_s: f64,
    window_s: f64,
}

struct Wanted {
    harness: PathBuf,
    jobs: usize,
    rounds: usize,
    options: Vec<String>,
}

fn wanted(mut arguments: impl Iterator<Item = String>) -> Result<Wanted> {
    let harness =
        arguments.next().filter(|path| !path.is_empty()).context("`beside` needs the folder of the harness")?;
    let mut wanted = Wanted { harness: harness.into(), jobs: 8_000, rounds: 3, options: vec![] };
    while let Some(argument) = arguments.next() {
        let mut number = || -> Result<usize> {
            let value = arguments.next().unwrap_or_default().replace('_', "");
            value.parse().with_context(|| format!("{argument} takes a number"))
        };
        match argument.as_str() {
            "--jobs" => wanted.jobs = number()?,
            "--rounds" => wanted.rounds = number()?.max(1),
            option if option.contains('=') => wanted.options.push(argument),
            other => bail!("{other}: only --jobs, --rounds and KEY=VALUE are known"),
        }
    }
    Ok(wanted)
}

/// Measures both in turns and prints the line.
pub fn measure(arguments: impl Iterator<Item = String>) -> Result<()> {
    let Wanted { harness, jobs, rounds, mut options } = wanted(arguments)?;
    let this = std::env::current_exe()?;
    let worker = format!("cmd='{}' peer-work", this.to_str().context("the path of this program is not text")?);
    options.extend([format!("n={jobs}"), format!("c={IN_FLIGHT}"), format!("warm={}", jobs / 4), "reps=1".into()]);
    let slowed = std::env::var("BENCH_SYNC_US").ok();
    options.extend(slowed.as_ref().map(|us| format!("fsync_us={us}")));
    let mut measured = Vec::with_capacity(rounds);
    for round in 1..=rounds {
        eprintln!("· W1s, {jobs} jobs, round {round} of {rounds}: {IN_FLIGHT} in flight, beside restate-amqp");
        let ours = run(&harness, "external", &worker, &options)?;
        let theirs = run(&harness, "restate-amqp", PARTITIONS, &options)?;
        measured.push(figures(&ours, &theirs));
    }
    let slowed = slowed.and_then(|us| us.parse::<u64>().ok()).unwrap_or(0);
    let figures = Figures::medians(&measured);
    println!("{}", json!({"workload": "W1s", "jobs": jobs, "rounds": rounds, "sync_us": slowed, "figures": figures}));
    Ok(())
}

fn run(harness: &Path, peer: &str, option: &str, options: &[String]) -> Result<Run> {
    let program = harness.join("run.sh");
    let output = Command::new(&program)
        .args([peer, "w1", option])
        .args(options)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{peer} ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    let run: Run = serde_json::from_str(text.lines().last().context("the harness said nothing")?)?;
    let sound = run.steps_ok && run.errors == 0 && run.dup_completions == 0;
    ensure!(sound, "{peer} did not make each step of each job once: {text}");
    let others = run.other_cpu_s / run.window_s;
    eprintln!("  {peer}: {:.0} jobs/s, {:.2} of a core was used by others meanwhile", run.per_s, others);
    Ok(run)
}

/// CPU seconds per 1,000 jobs of the processes that are the broker's, or of those that are not.
fn cpu(run: &Run, broker: bool) -> f64 {
    let of = run.cpu_by.iter().filter(|(name, _)| BROKER.contains(&name.as_str()) == broker);
    of.map(|(_, seconds)| seconds).sum::<f64>() / run.n as f64 * 1_000.0
}

fn figures(ours: &Run, theirs: &Run) -> Figures {
    Figures::default()
        .with("jobs_per_s", ours.per_s)
        .with("p50_ms", ours.p50_ms)
        .with("p99_ms", ours.p99_ms)
        .with("cpu_s_per_1000_jobs", cpu(ours, false))
        .with("broker_cpu_s_per_1000_jobs", cpu(ours, true))
        .with("fsyncs_per_job", ours.fsyncs_per_wf)
        .with("disk_bytes_per_job", ours.disk_bytes_per_wf)
        .with("peak_pss_mib", ours.peak_pss_mb)
        .with("restate_jobs_per_s", theirs.per_s)
        .with("restate_p50_ms", theirs.p50_ms)
        .with("restate_p99_ms", theirs.p99_ms)
        .with("restate_cpu_s_per_1000_jobs", cpu(theirs, false))
        .with("restate_broker_cpu_s_per_1000_jobs", cpu(theirs, true))
        .with("restate_fsyncs_per_job", theirs.fsyncs_per_wf)
        .with("restate_disk_bytes_per_job", theirs.disk_bytes_per_wf)
        .with("restate_peak_pss_mib", theirs.peak_pss_mb)
        .with("jobs_per_s_ratio", ours.per_s / theirs.per_s)
        .with("p99_ratio", ours.p99_ms / theirs.p99_ms)
        .with("cpu_ratio", cpu(ours, false) / cpu(theirs, false))
}
