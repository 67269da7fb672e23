//! The whole worker, steered by a seed: every delay, fault, crash, repetition, command and change of somebody else comes from
//! it, on one thread and by one clock. Afterwards all is well again, and what was promised must hold. The same seed is nearly
//! the same run: which of several branches of a `select!` that are ready goes first is for the runtime to say.
//!
//! `make sim SEEDS=A..B` plays other seeds. A run that breaks a promise is made as short as it goes, and printed with the
//! command that plays it again.

mod broker;
mod judge;
mod scenario;
mod stage;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use crossgrant::clock::{Clock as _, SystemClock};
use scenario::Scenario;
use stage::Stage;

/// Plays a run; what is wrong, and the trace.
fn play(scenario: &Scenario) -> Result<(), (String, Vec<String>)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let trace = Arc::new(Mutex::new(Vec::new()));
    let played = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut stage = Stage::new(scenario, trace.clone()).await;
            stage.play(scenario).await;
            judge::faults(&stage).await.join("\n")
        })
    }));
    let trace = std::mem::take(&mut *trace.lock().unwrap());
    match played {
        Ok(faults) if faults.is_empty() => Ok(()),
        Ok(faults) => Err((faults, trace)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err((text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default(), trace))
        }
    }
}

/// The fewest steps that still break a promise, found by leaving out ever smaller parts.
fn shortest(scenario: &Scenario) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..scenario.steps.len()).collect();
    let mut part = kept.len().div_ceil(2);
    while part > 0 {
        let mut at = 0;
        while at < kept.len() {
            let less: Vec<usize> = [&kept[..at], &kept[(at + part).min(kept.len())..]].concat();
            match play(&scenario.only(&less)) {
                Err(_) => kept = less,
                Ok(()) => at += part,
            }
        }
        part /= 2;
    }
    kept
}

fn broken(seed: u64) -> Option<String> {
    let scenario = Scenario::of(seed);
    play(&scenario).err()?;
    let kept = shortest(&scenario);
    let (faults, trace) = play(&scenario.only(&kept)).err()?;
    let steps = kept.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    Some(format!(
        "{faults}\n\n{} workers, {}\n{}\n\nmake sim SEEDS={seed}..{} STEPS={steps}\n",
        scenario.workers,
        scenario.switches,
        trace.join("\n"),
        seed + 1
    ))
}

/// `A..B`.
fn range(text: &str) -> Range<u64> {
    let (from, to) = text.split_once("..").unwrap_or_else(|| panic!("{text:?} is not like 0..100"));
    from.parse().unwrap()..to.parse().unwrap()
}

fn all(seeds: Range<u64>, threads: usize) {
    let (next, found) = (AtomicU64::new(seeds.start), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    if let Some(story) = broken(seed) {
                        eprintln!("seed {seed}: {story}");
                        found.lock().unwrap().push(seed);
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "of {seeds:?} these seeds break a promise: {found:?}");
}

#[test]
fn no_seed_breaks_a_promise() {
    all(0..40, 1);
}

/// `make planted` changes the program so that one does.
#[test]
#[ignore = "`make planted` runs it"]
fn the_first_seed_that_breaks_a_promise() {
    let seeds = range(&std::env::var("CROSSGRANT_SEEDS").expect("CROSSGRANT_SEEDS=A..B says which"));
    for seed in seeds.clone() {
        if let Err((faults, _)) = play(&Scenario::of(seed)) {
            println!("seed {seed} of {seeds:?}: {}", faults.lines().next().unwrap_or_default());
            return;
        }
    }
    panic!("none of the seeds {seeds:?} breaks a promise");
}

/// Each of them can still be planted.
#[test]
fn every_bug_that_is_planted_has_its_place() {
    #[derive(serde::Deserialize)]
    struct Bugs {
        bug: Vec<Bug>,
    }
    #[derive(serde::Deserialize)]
    struct Bug {
        name: String,
        edit: Vec<Edit>,
    }
    #[derive(serde::Deserialize)]
    struct Edit {
        file: String,
        find: String,
        plant: String,
    }
    let bugs: Bugs = toml::from_str(include_str!("../planted/bugs.toml")).unwrap();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for Bug { name, edit } in &bugs.bug {
        for Edit { file, find, plant } in edit {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            assert_eq!(text.matches(find).count(), 1, "{name}: {find:?} in {file}");
            assert_ne!(find, plant, "{name}");
        }
    }
}

#[test]
#[ignore = "`make sim SEEDS=A..B` runs it"]
fn other_seeds() {
    let seeds = range(&std::env::var("CROSSGRANT_SEEDS").expect("CROSSGRANT_SEEDS=A..B says which"));
    if let Ok(steps) = std::env::var("CROSSGRANT_STEPS") {
        let kept: Vec<usize> = steps.split(',').map(|step| step.parse().unwrap()).collect();
        let (faults, trace) = play(&Scenario::of(seeds.start).only(&kept)).expect_err("the steps break no promise");
        panic!("{faults}\n{}", trace.join("\n"));
    }
    let count = seeds.end - seeds.start;
    let began = SystemClock.uptime();
    all(seeds, std::thread::available_parallelism().map_or(1, usize::from));
    println!("{count} seeds in {:?}", SystemClock.uptime().saturating_sub(began));
}
