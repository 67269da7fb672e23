//! Two workers on one database, real processes both, and one of them is stopped (SIGSTOP) for longer than its lease, in
//! the very instruction at which the engine can be cut, and woken again when the other has taken over. No write is made by
//! one who has lost his lease, but for the one whose check was already behind it; and whatever was said is in the ledger.
//!
//! The worker that stops is this program once more, with faults that production does not have.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser as _;
use crossgrant::cli::{Cli, execute};
use crossgrant::engine::faults::{Faults, Point};

use crate::end_to_end::{GRANT, HOUR, MODIFY, REVOKE, UPDATE, answers, completes_once, operations, site};
use crate::support::plant::{ATTACHED, UNATTACHED};
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::site::{Options, SHORT_LEASES, Site, job, until};

const CONFIG: &str = "STOPPED_CONFIG";
const PLACE: &str = "STOPPED_PLACE";
const POINTS: [Point; 4] = [Point::BeforeWrite, Point::BeforeSend, Point::AfterWrite, Point::AfterCommit];
/// Pairs of workers at a time: they mostly wait.
const PAIRS: usize = 8;

/// Stops this process at the n-th time it passes a point.
struct Stop {
    point: Point,
    left: AtomicUsize,
}

impl Faults for Stop {
    fn cut(&self, at: Point) -> bool {
        if at == self.point && self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
            stop_here();
        }
        false
    }
}

/// Returns when this process was stopped and woken. A process goes on for a moment after it was told to stop; this thread
/// does not, for it waits for another that watches.
fn stop_here() {
    let watch = "kill -STOP $PPID; stopped() { grep -q '^State:.T' /proc/$PPID/status; }; \
                 until stopped; do :; done; while stopped; do sleep 0.01; done";
    assert!(Command::new("sh").args(["-c", watch]).status().unwrap().success());
}

#[test]
#[ignore = "the worker that the tests beside it stop"]
fn worker_that_stops() {
    let (Ok(config), Ok(place)) = (std::env::var(CONFIG), std::env::var(PLACE)) else { return };
    let (point, nth) = place.split_once(' ').unwrap();
    let point = POINTS.into_iter().find(|known| format!("{known:?}") == point).unwrap();
    let faults = Stop { point, left: AtomicUsize::new(nth.parse().unwrap()) };
    let cli = Cli::try_parse_from(["crossgrant", "--config", &config, "serve"]).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if let Err(failure) = runtime.block_on(execute(cli, Arc::new(faults))) {
        panic!("{failure}");
    }
}

/// A payer change, and where its worker stops.
#[derive(Debug, Clone, Copy)]
struct Round {
    instance: &'static str,
    writes: &'static [&'static str],
    point: Point,
    nth: usize,
}

/// Every point, in a change of both sides and in one that is a revoke and a grant.
fn rounds() -> Vec<Round> {
    let mut rounds = Vec::new();
    for (instance, writes) in [(ATTACHED, &[MODIFY, UPDATE]), (UNATTACHED, &[REVOKE, GRANT])] {
        for point in POINTS {
            // Of the commits those of both intents and both answers.
            let times = if point == Point::AfterCommit { 4 } else { writes.len() };
            rounds.extend((0..times).map(|nth| Round { instance, writes, point, nth }));
        }
    }
    rounds
}

fn worker(site: &Site, Round { point, nth, .. }: Round) -> Process {
    let program = std::env::current_exe().unwrap();
    let itself = ["--exact", "stopped::worker_that_stops", "--ignored", "--nocapture"];
    let place = format!("{point:?} {nth}");
    Process::start_with("the worker that stops", &program, &itself, &[(CONFIG, site.config()), (PLACE, &place)])
}

fn play(round: Round) {
    let Round { instance, writes, point, nth } = round;
    let database = Cluster::shared().database();
    let site = site(&Options { timing: SHORT_LEASES, database: Some(&database), ..Options::default() });
    let sleeper = site.worker_by(worker(&site, round));
    site.mail.submit(&job("change", "payer-change", instance));
    until(&format!("{round:?}: it stops"), || sleeper.process.is_stopped().then_some(()));
    let other = site.colleague("colleague");
    until(&format!("{round:?}: the other goes on to the end"), || other.terminal_ids("change").pop());
    assert!(sleeper.process.is_stopped());
    sleeper.process.wake();
    completes_once(&site, &other, "change");
    // After its end it makes no more calls.
    sleeper.process.terminate();
    assert!(sleeper.process.end(LIMIT).expect("it ends").success(), "{round:?}");

    let mut effects = writes.to_vec();
    if instance == ATTACHED {
        effects.push(HOUR);
    }
    for (n, write) in writes.iter().enumerate() {
        let late = usize::from(point == Point::BeforeSend && nth == n);
        let calls: u64 = site.cloud.answers(write).values().sum();
        assert_eq!(calls, 1 + late as u64, "{round:?}: {write}: {}", answers(&site, write));
        // A revoke knows no ClientToken and asks for no payer: late, it takes what was granted meanwhile.
        if late > 0 && *write == REVOKE {
            effects.push(REVOKE);
        }
    }
    assert_eq!(operations(&site, instance), effects, "{round:?}");
}

#[test]
fn at_every_point_for_longer_than_its_lease() {
    // `CROSSGRANT_ROUNDS=20` for each of them so often.
    let times = std::env::var("CROSSGRANT_ROUNDS").map_or(1, |times| times.parse().unwrap());
    let rounds: Mutex<VecDeque<Round>> = Mutex::new((0..times).flat_map(|_| rounds()).collect());
    let next = || rounds.lock().unwrap().pop_front();
    std::thread::scope(|pairs| {
        for _ in 0..PAIRS {
            pairs.spawn(|| {
                while let Some(round) = next() {
                    play(round);
                }
            });
        }
    });
}
