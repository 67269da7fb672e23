//! What comes in masses from one requester leaves the others their time from `accepted` to the first write.

use std::collections::BTreeMap;

use bytes::Bytes;
use crossgrant::actions;
use crossgrant::clock::SystemClock;
use crossgrant::cloud::Limits;
use crossgrant::domain::Hour;
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::loops::shared::{Engine, EngineParts};
use crossgrant::engine::ports::crash_points::NoCrashes;
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::observe::NoObserver;
use crossgrant::simulator::{Simulator, World};

use super::*;
use crate::support::plant::{announcer, usual};

/// Calls a second that an account's budget lets out, of each operation.
const PER_SECOND: u32 = 20;
/// Jobs of the requester who is to be served, sent at once.
const JOBS: usize = 40;

const LIMITS: Limits =
    Limits { reads_per_second: PER_SECOND, writes_per_second: PER_SECOND, burst: 1, operations: BTreeMap::new() };

/// Grants of the networks of these numbers, as messages from `user`.
fn messages(user: &str, numbers: std::ops::Range<usize>) -> Vec<Incoming> {
    let message = |n: usize| Incoming {
        body: Bytes::from(grant(&format!("{user}-{n}"), &network(n)).to_string()),
        routing_key: "crossgrant.jobs".into(),
        user_id: Some(user.to_owned()),
        ..Incoming::default()
    };
    numbers.map(message).collect()
}

fn new(taken: Vec<Taken>) -> Vec<JobUid> {
    let uid = |taken| if let Taken::New(uid) = taken { uid } else { panic!("{taken:?} is no new job") };
    taken.into_iter().map(uid).collect()
}

/// The time of each job from `accepted` to its first write, in seconds and ascending; `None` until all have begun.
async fn to_the_first_write(store: &dyn Store, jobs: &[JobUid]) -> Option<Vec<f64>> {
    let mut times = Vec::new();
    for uid in jobs {
        let record = store.load(*uid).await.unwrap().unwrap();
        times.push(record.begun_at?.duration_since(record.accepted_at).as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Some(times)
}

/// The median, and the longest.
fn figures(times: &[f64]) -> (f64, f64) {
    (times[times.len() / 2], times[times.len() - 1])
}

/// The times of the jobs of one requester after so many messages of another, by a clock that calls alone move.
async fn after_a_flood_of(messages_before: usize) -> Vec<f64> {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(JOBS + messages_before), store.clone(), Some(LIMITS)).await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 32, drain: Duration::ZERO }, stopped));
    new(plant.inbox.accept(messages("mallory", JOBS..JOBS + messages_before)).await.unwrap());
    // Until the worker has as much of it in hand as it takes.
    store.idle().await;
    let jobs = new(plant.inbox.accept(messages("ann", 0..JOBS)).await.unwrap());
    loop {
        if let Some(times) = to_the_first_write(store.as_ref(), &jobs).await {
            return times;
        }
        let second = plant.clock.uptime() + Duration::from_secs(1);
        store.run_until(&plant.clock, || plant.clock.uptime() >= second).await;
    }
}

#[tokio::test]
async fn a_flood_by_one_leaves_the_others_half_of_what_there_is() {
    let (alone, beside) = (after_a_flood_of(0).await, after_a_flood_of(2_000).await);
    let ((median, longest), (median_beside, longest_beside)) = (figures(&alone), figures(&beside));
    println!(
        "to the first write: {median:.2} s, at most {longest:.2} s; beside a flood {median_beside:.2} s, {longest_beside:.2} s"
    );
    // The call that is under way when the first job comes, and the one of the flood whose turn is next.
    let calls_before = 4.0 / f64::from(PER_SECOND);
    assert!(median_beside <= 2.0 * median + calls_before, "{median_beside} instead of {median}");
    assert!(longest_beside <= 2.0 * longest + calls_before, "{longest_beside} instead of {longest}");
}

/// The times by the clock of the machine, with a store on disk.
async fn measured(messages_before: usize) -> Vec<f64> {
    let dir = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(Sqlite::open(&dir.path().join("jobs.db")).unwrap());
    let clock = Arc::new(SystemClock);
    let world = World::from_toml(&world(JOBS + messages_before)).unwrap();
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let parts = EngineParts {
        store: store.clone(),
        cloud: Arc::new(Plant::accounts(&clock, &cloud, Some(LIMITS))),
        clock,
        catalog: usual(),
        registry: Arc::new(actions::registry()),
        policy: Policy::everybody().with_unbegun(Some(100)).into(),
        announcer: announcer(),
        crash_points: Arc::new(NoCrashes),
        observer: Arc::new(NoObserver),
        holder: "worker".into(),
    };
    let engine = Arc::new(Engine::new(parts).await.unwrap());
    let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(work(engine.clone(), Capacity { jobs: 256, drain: Duration::ZERO }, stopped));
    let began = engine.clock.uptime();
    for batch in messages("mallory", JOBS..JOBS + messages_before).chunks(200) {
        new(inbox.accept(batch.to_vec()).await.unwrap());
    }
    println!("{messages_before} messages before were taken in {:.1?}", engine.clock.uptime().saturating_sub(began));
    let jobs = new(inbox.accept(messages("ann", 0..JOBS)).await.unwrap());
    let times = loop {
        if let Some(times) = to_the_first_write(store.as_ref(), &jobs).await {
            break times;
        }
        engine.clock.sleep(Duration::from_millis(250)).await;
    };
    stop.send_replace(true);
    working.await.unwrap();
    times
}

/// `cargo test --release --test promises -- --ignored --nocapture a_flood_of_a_hundred_thousand_messages`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes"]
async fn a_flood_of_a_hundred_thousand_messages_leaves_the_others_their_time() {
    let (mut alone, mut beside) = (vec![], vec![]);
    for _ in 0..3 {
        alone.extend(measured(0).await);
        beside.extend(measured(100_000).await);
    }
    for times in [&mut alone, &mut beside] {
        times.sort_by(f64::total_cmp);
        let (least, (median, longest)) = (times[0], figures(times));
        println!("{} jobs to the first write: median {median:.2} s, from {least:.2} s to {longest:.2} s", times.len());
    }
    let (median, longest) = figures(&alone);
    let (median_beside, longest_beside) = figures(&beside);
    assert!(median_beside <= 2.0 * median + 0.5, "{median_beside} instead of {median}");
    assert!(longest_beside <= 2.0 * longest + 0.5, "{longest_beside} instead of {longest}");
}
