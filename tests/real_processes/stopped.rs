//! Two workers on one database, real processes both, and one of them is stopped (SIGSTOP) for longer than its lease, in
//! the very instruction at which the engine can be cut, and woken again when the other has taken over. No write is made by
//! one who has lost his lease, but for the one whose check was already behind it; and whatever was said is in the ledger.
//!
//! The worker that stops is this program once more, with faults that production does not have.

use std::collections::VecDeque;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser as _;
use crossgrant::cli::{Cli, execute};
use crossgrant::clock::{Clock as _, SystemClock};
use crossgrant::engine::ports::crash_points::{CrashPoint, CrashPoints};

use super::{GRANT, HOUR, MODIFY, REVOKE, UPDATE, answers, completes_once, operations, site};
use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED, UNATTACHED};
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::site::{Options, SHORT_LEASES, Site, job, until};

const CONFIG: &str = "STOPPED_CONFIG";
const PLACE: &str = "STOPPED_PLACE";
const POINTS: [CrashPoint; 4] =
    [CrashPoint::BeforeWrite, CrashPoint::BeforeSend, CrashPoint::AfterWrite, CrashPoint::AfterCommit];
/// After so long another may take a job over: the lease and one request of [`SHORT_LEASES`].
const KEPT: Duration = Duration::from_secs(4);
/// Pairs of workers at a time: they mostly wait.
const PAIRS: usize = 8;

/// Stops this process at the n-th time it passes a point.
struct Stop {
    point: CrashPoint,
    left: AtomicUsize,
}

impl CrashPoints for Stop {
    fn cut(&self, at: CrashPoint) -> bool {
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
    point: CrashPoint,
    nth: usize,
    /// How long it is stopped; `None` for until the job has ended.
    stopped: Option<Duration>,
}

/// Every point, in a change of both sides and in one that is a revoke and a grant.
fn rounds(stopped: Option<Duration>) -> Vec<Round> {
    let mut rounds = Vec::new();
    for (instance, writes) in [(ATTACHED, &[MODIFY, UPDATE]), (UNATTACHED, &[REVOKE, GRANT])] {
        for point in POINTS {
            let times = match point {
                // Of the commits those of both intents and both answers; where nothing is attached, also the one with which
                // the job rests before it looks again.
                CrashPoint::AfterCommit => 4 + usize::from(instance == UNATTACHED),
                _ => writes.len(),
            };
            rounds.extend((0..times).map(|nth| Round { instance, writes, point, nth, stopped }));
        }
    }
    rounds
}

fn worker(site: &Site, Round { point, nth, .. }: Round) -> Process {
    let program = std::env::current_exe().unwrap();
    let itself = ["--exact", "real_processes::stopped::worker_that_stops", "--ignored", "--nocapture"];
    let place = format!("{point:?} {nth}");
    Process::start_with("the worker that stops", &program, &itself, &[(CONFIG, site.config()), (PLACE, &place)])
}

fn play(round: Round) {
    let Round { instance, writes, point, nth, stopped } = round;
    let database = Cluster::shared().database();
    let site = site(&Options { timing: SHORT_LEASES, database: Some(&database), ..Options::default() });
    let sleeper = site.worker_by(worker(&site, round));
    sleeper.until_ready(true);
    site.mail.submit(&job("change", "payer-change", instance));
    until(&format!("{round:?}: it stops"), || sleeper.process.is_stopped().then_some(()));
    let since = SystemClock.uptime();
    let other = site.colleague("colleague");
    match stopped {
        Some(span) => until("it was stopped that long", || (SystemClock.uptime() - since > span).then_some(())),
        None => {
            until(&format!("{round:?}: the other goes on to the end"), || other.terminal_ids("change").pop().map(drop))
        }
    }
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
    let mut late = None;
    for (n, write) in writes.iter().enumerate() {
        let may_be_late = u64::from(point == CrashPoint::BeforeSend && nth == n);
        let calls: u64 = site.cloud.answers(write).values().sum();
        assert!((1..=1 + may_be_late).contains(&calls), "{round:?}: {write}: {}", answers(&site, write));
        late = late.or((calls > 1).then_some(*write));
    }
    // A revoke knows no ClientToken and asks for no payer: late, it takes what was granted meanwhile.
    let done = operations(&site, instance);
    let revoked_late = late == Some(REVOKE) && done[..] == [REVOKE, GRANT, REVOKE];
    assert!(revoked_late || done == effects, "{round:?}: {done:?}");
    if revoked_late {
        let says = "a write may have been carried out after another worker took the job over";
        assert!(sleeper.process.lines().iter().any(|line| line.contains(says)), "{round:?}: it says so");
    }
    println!("{point:?} {nth}, stopped for {stopped:?}: {done:?}, late: {late:?}");
}

#[test]
fn at_every_point_for_longer_than_its_lease() {
    // `CROSSGRANT_ROUNDS=20` for each of them so often.
    let times = std::env::var("CROSSGRANT_ROUNDS").map_or(1, |times| times.parse().unwrap());
    // Every second time it is woken in the midst of what the other does.
    let stopped = |time| (time % 2 == 1).then(|| KEPT + Duration::from_millis(250) * time);
    let rounds: Mutex<VecDeque<Round>> = Mutex::new((0..times).flat_map(|time| rounds(stopped(time))).collect());
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

#[test]
fn for_long_and_the_other_publishes_and_sweeps_and_takes_jobs_in_its_place() {
    let database = Cluster::shared().database();
    // Long enough for both writes of a job, wherever in an hour they begin.
    let site = site(&Options { hour: "12s", timing: SHORT_LEASES, database: Some(&database), ..Options::default() });
    let sleeper = site.worker();
    site.mail.submit(&job("first", "payer-change", ATTACHED));
    site.mail.event("waiting", "first");
    let other = site.colleague("colleague");
    sleeper.process.stop();
    until("it stops", || sleeper.process.is_stopped().then_some(()));
    // The broker gives its place to the other when it has heard nothing from it for a while, and so does the database.
    site.mail.submit_all(&[job("second", "payer-change", HELD), job("third", "grant", NOT_GRANTED)]);
    for id in ["first", "second", "third"] {
        completes_once(&site, &other, id);
    }
    assert!(sleeper.process.is_stopped());
    sleeper.process.wake();
    sleeper.until_ready(true);
    site.mail.submit(&job("fourth", "payer-change", UNATTACHED));
    completes_once(&site, &sleeper, "fourth");
    for process in [&sleeper.process, &other.process] {
        process.terminate();
        assert!(process.end(LIMIT).expect("it ends").success());
    }
    for instance in [ATTACHED, HELD] {
        assert_eq!(operations(&site, instance), [MODIFY, UPDATE, HOUR]);
    }
    assert_eq!(operations(&site, NOT_GRANTED), [GRANT]);
    assert_eq!(operations(&site, UNATTACHED), [REVOKE, GRANT]);
}
