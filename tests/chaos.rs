//! What holds while everything is killed: real parts (RabbitMQ, workers, PostgreSQL, each a process of its own on this
//! machine) are killed, stopped and started again at random while jobs run against a simulated cloud. Afterwards the
//! events, the ledger of the cloud and the queues must be as if nothing had happened. `make chaos` builds and runs it;
//! docs/reliability.md has the figures.
//!
//! `by_hand chaos [--store sqlite|postgres] [--workers N] [--jobs N] [--seconds N] [--cluster N] [--rabbit DIR] [--seed N]`
//! prints one JSON line, and fails if there is any problem. With `--cluster`, RabbitMQ has so many nodes, and the one that
//! is struck is the one that leads the queue of jobs. `--rabbit` is the folder of another RabbitMQ's programs. The same
//! seed makes the same faults at the same times; what they meet differs.

mod broker;
mod database;
mod parts;
mod requester;
mod storm;
mod verdict;
mod victim;
mod wanted;
mod work;
mod worker;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::sync::oneshot;

use crate::support::dice::Dice;
use parts::Parts;
use requester::Message;
use storm::Storm;
use verdict::Verdict;
use victim::torment;
use wanted::Wanted;
use work::Work;

/// Between two messages, or a few that come together.
const STEP: Duration = Duration::from_millis(500);

/// Runs what the arguments ask for, and prints the figures.
pub async fn run(arguments: impl Iterator<Item = String>) -> Result<()> {
    let wanted = Wanted::read(arguments)?;
    eprintln!("· {wanted}");
    // A thread, since everything here blocks. It ends with the program, and all that it has started ends with it.
    let (done, ended) = oneshot::channel();
    std::thread::spawn(move || drop(done.send(play(&wanted).map(|verdict| (verdict, wanted)))));
    let (verdict, wanted) = ended.await.context("the run ended in a panic")??;
    for problem in &verdict.problems {
        eprintln!("! {problem}");
    }
    println!("{}", verdict.line(&wanted));
    let (count, seed) = (verdict.problems.len(), wanted.seed);
    ensure!(verdict.problems.is_empty(), "problems: {count}; `--seed {seed}` makes the same faults again");
    Ok(())
}

fn play(wanted: &Wanted) -> Result<Verdict> {
    let work = Work::of(wanted.jobs);
    let parts = Parts::start(wanted, &work)?;
    let storm = Storm::begins();
    let submitted = std::thread::scope(|threads| {
        for (stream, victim) in (1..).zip(parts.victims()) {
            let (storm, dice) = (&storm, Dice::new(wanted.seed, stream));
            threads.spawn(move || torment(victim, storm, dice));
        }
        let submitted = submit(&parts, &work, wanted, &storm);
        storm.ends();
        submitted
    });
    submitted?;
    eprintln!("· {:.0} s: all jobs are submitted, and everything may recover", storm.seconds());
    parts.recover(&work, &storm);
    let seconds = storm.seconds();
    parts.stop(&storm);
    let (heard, ledger) = (parts.requester.heard(), parts.cloud.ledger());
    let mut verdict = Verdict::of(&work, &heard, &ledger);
    verdict.seconds = seconds;
    (verdict.faults, verdict.problems) = storm.came_to(verdict.problems);
    if !verdict.problems.is_empty() {
        eprintln!("· the logs of the workers are in {}", parts.keep_logs(wanted.seed)?.display());
    }
    Ok(verdict)
}

/// Submits all jobs, evenly spread over the time that is wanted.
fn submit(parts: &Parts, work: &Work, wanted: &Wanted, storm: &Storm) -> Result<()> {
    let mut sent = 0;
    while sent < work.len() {
        let part = storm.seconds() / wanted.seconds.max(1) as f64;
        let due = (((work.len() as f64) * part).ceil() as usize).min(work.len());
        let messages: Vec<Message> = (sent..due).map(|n| work.message(n)).collect();
        if !messages.is_empty() {
            parts.requester.submit(&messages)?;
        }
        sent = due;
        storm.rests(STEP, || ());
    }
    Ok(())
}
