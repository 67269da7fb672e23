//! Several workers of one database: they notify and count each other, and share out what only one of them may do.

use super::*;
use crate::support::outbox::WholeOutbox as _;

/// The next wake-up, but for a change in the number of workers. It comes before the one that comes every few seconds.
async fn wakeup(store: &Postgres) -> Wakeup {
    loop {
        let wakeup = tokio::time::timeout(Duration::from_secs(4), store.wakeup()).await.expect("it is notified");
        let wakeup = Wakeup { workers: false, ..wakeup };
        if wakeup != Wakeup::default() {
            return wakeup;
        }
    }
}

/// Returns when the store counts this many workers; each change wakes it up.
async fn counts(store: &Postgres, workers: u32) {
    while store.workers() != workers {
        store.wakeup().await;
    }
}

/// What the store has to publish, once it may: the lock of another ends when the server has ended its connection.
async fn publishes(store: &Postgres) -> Vec<OutboxRow> {
    loop {
        match store.queued(0, 9).await {
            nothing if nothing.is_empty() => tokio::task::yield_now().await,
            queued => return queued,
        }
    }
}

#[tokio::test]
async fn workers_count_each_other() {
    let database = Cluster::shared().database();
    let one = open(&database.url(), "w1").await;
    assert_eq!(one.workers(), 1);
    let others = [open(&database.url(), "w2").await, open(&database.url(), "w3").await];
    assert_eq!(others[1].workers(), 3, "from the beginning");
    let began = SystemClock.uptime();
    counts(&one, 3).await;
    assert!(SystemClock.uptime() - began < Duration::from_secs(4), "it is notified of one that comes");
    drop(others);
    counts(&one, 1).await;
    assert!(SystemClock.uptime() - began < Duration::from_secs(12), "and finds out that some are gone");
}

/// The keys of the locks are no secret, and PostgreSQL lets every role take every advisory lock.
#[tokio::test]
async fn a_role_that_may_only_connect_counts_as_no_worker() {
    let database = Cluster::shared().database();
    let owner = outsider(&database).await;
    let role = format!("role_{}", database.url().rsplit('/').next().unwrap().split('?').next().unwrap());
    owner.batch_execute(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    let url = database.url().replace("crossgrant@", &format!("{role}@"));
    let (stranger, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let one = open(&database.url(), "w1").await;
    // What a worker holds to be counted.
    stranger.batch_execute("SELECT pg_advisory_lock_shared(1131562868, -1912097226)").await.unwrap();
    let two = open(&database.url(), "w2").await;
    assert_eq!(two.workers(), 2);
    assert!(Postgres::open_to_all(&settings(&database.url(), "w3")).await.unwrap().unwrap().contains("FROM PUBLIC"));
    owner.batch_execute("SELECT pg_advisory_lock_shared(1131562868, -1912097226)").await.unwrap();
    let three = open(&database.url(), "w3").await;
    assert_eq!(three.workers(), 4, "one that may write jobs counts");
    drop((one, two, three, stranger));
    connection.await.unwrap().unwrap();
    owner.batch_execute(&format!("DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_silent_worker_is_not_counted_and_loses_its_locks() {
    let database = Cluster::shared().database();
    let proxy = Proxy::start(&database).await;
    let (one, other) = (open(&proxy.url(), "w1").await, open(&database.url(), "w2").await);
    take(&other, &[record(1)]).await;
    assert_eq!(one.queued(0, 10).await.len(), 1, "it publishes");
    assert!(other.queued(0, 10).await.is_empty());
    proxy.freeze();
    counts(&other, 1).await;
    assert_eq!(publishes(&other).await.len(), 1, "now the other publishes");
    drop((one, database));
}

#[tokio::test]
async fn workers_notify_each_other() {
    let (_database, one, other) = two().await;
    take(&*one, &[record(1)]).await;
    assert_eq!(wakeup(&other).await, Wakeup { work: true, mail: true, ..Wakeup::default() });
    set(&*other, 1, |r| waiting(running(r), at(100))).await;
    assert_eq!(wakeup(&one).await, Wakeup { sweep: true, ..Wakeup::default() }, "and nothing of its own");
}

#[tokio::test]
async fn one_worker_publishes_and_another_goes_on_when_it_is_gone() {
    let (_database, one, other) = two().await;
    take(&*other, &[record(1), record(2)]).await;
    assert_eq!(one.queued(0, 9).await.len(), 2);
    assert_eq!(other.queued(0, 9).await, [], "they are being published");
    take(&*other, &[record(3)]).await;
    let queued = one.queued(0, 9).await;
    assert_eq!(queued.len(), 3);
    one.mark(&[queued[0].number], &[]).await;
    drop(one);
    assert_eq!(publishes(&other).await, queued[1..]);
}

#[tokio::test]
async fn a_number_that_comes_to_light_late_is_not_passed_over() {
    let (database, store, _) = two().await;
    take(&*store, &[record(1)]).await;
    let first = store.queued(0, 9).await[0].number;
    let slow = outsider(&database).await;
    let insert = "BEGIN; INSERT INTO outbox (uid, address, about, body)
        SELECT uid, address, about, body FROM mail WHERE uid <> gen_random_uuid() LIMIT 1";
    slow.batch_execute(insert).await.unwrap();
    take(&*store, &[record(2)]).await;
    let later = store.queued(first, 9).await;
    assert_eq!(later.iter().map(|queued| queued.number).collect::<Vec<_>>(), [first + 4]);
    slow.batch_execute("COMMIT").await.unwrap();
    take(&*store, &[record(3)]).await;
    let rest = store.queued(first + 4, 9).await;
    assert_eq!(rest.iter().map(|queued| queued.number).collect::<Vec<_>>(), [first + 2, first + 6]);
}

#[tokio::test]
async fn a_group_is_swept_by_one_worker_at_a_time() {
    let (_database, one, other) = two().await;
    let mut records: Vec<_> = (1..=3).map(|n| waiting(record(n), at(100))).collect();
    records[2].job.cen.id = crossgrant::domain::CenId::parse("cen-44m0p68spvlrqq0002").unwrap();
    take(&*one, &records).await;
    let groups = one.swept_groups(at(100)).await.unwrap();
    assert_eq!(groups, other.swept_groups(at(100)).await.unwrap());
    let [(first, 2), (second, 1)] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(one.swept(first, at(100), None, 9).await.unwrap().len(), 2);
    assert_eq!(other.swept(first, at(100), None, 9).await.unwrap(), [], "another sweeps it");
    assert_eq!(other.swept(second, at(100), None, 9).await.unwrap().len(), 1);
    assert!(other.next_sweep().await.unwrap() > Some(at(100)), "another sweeps what is due");
    assert_eq!(one.next_sweep().await.unwrap(), Some(at(100)));
    assert_eq!(one.swept(second, at(100), None, 9).await.unwrap(), []);
    assert_eq!(other.swept(first, at(100), None, 9).await.unwrap(), [], "another still sweeps it");
    one.release_group(first).await.unwrap();
    assert_eq!(other.swept(first, at(100), None, 9).await.unwrap().len(), 2, "the other has released it");
}

#[tokio::test]
async fn messages_are_taken_by_one_worker_until_it_resigns_or_is_gone() {
    let (_database, one, other) = two().await;
    for _ in 0..2 {
        assert_eq!((one.lead_intake().await.unwrap(), other.lead_intake().await.unwrap()), (true, false));
    }
    one.resign_intake().await.unwrap();
    assert_eq!((other.lead_intake().await.unwrap(), one.lead_intake().await.unwrap()), (true, false));
    drop(other);
    while !one.lead_intake().await.unwrap() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn two_workers_cannot_have_the_same_name() {
    let (database, one, _other) = two().await;
    take(&*one, &[record(1)]).await;
    one.reclaim("w1").await.unwrap();
    let held = claim(&*one, 1).await;
    let same = settings(&database.url(), "w1");
    assert!(Postgres::name_is_taken(&same).await.unwrap());
    // While two doubles wait for the name, workers that start count neither.
    let counted = async {
        let _third = open(&database.url(), "w3").await;
        open(&database.url(), "w4").await.workers()
    };
    let double = || Postgres::open(&same, LeaseClock::Callers);
    let (refused, second, workers) = tokio::join!(double(), double(), counted);
    let (refused, second) = (refused.map(drop), second.map(drop));
    assert_eq!(workers, 4, "one that may not start is none");
    assert!(!Postgres::name_is_taken(&settings(&database.url(), "w9")).await.unwrap());
    assert!(
        matches!(&refused, Err(StoreError::Unusable(crossgrant::domain::Code::WorkerNameTaken, why)) if why.contains("same name")),
        "{refused:?}"
    );
    assert!(matches!(second, Err(StoreError::Unusable(..))), "of three workers of one name one starts: {second:?}");
    let kept = change(running(record(1)), LeaseUse::Keep(lease_of(&held, 1), at(200)));
    assert_eq!(one.commit(kept).await.unwrap(), Committed::Done, "its leases are its own");
    drop(one);
    let again = open(&database.url(), "w1").await;
    assert_eq!(again.reclaim("w1").await.unwrap(), 1, "one that was started again takes them back at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_workers_together_stay_within_the_limit() {
    let (_database, one, other) = two().await;
    let mut jobs: Vec<_> = (1..=40).map(record).collect();
    take(&*one, &jobs).await;
    let mut tasks = tokio::task::JoinSet::new();
    for job in &mut jobs {
        job.begun_at = Some(at(10));
        let admission = Some(Admission { since: at(0), most: Some(7) });
        let change = Change { admission, ..change(running(job.clone()), LeaseUse::None) };
        let store = Arc::clone(if job.uid.0.as_u128() % 2 == 0 { &one } else { &other });
        tasks.spawn(async move { store.commit(change).await.unwrap() });
    }
    let came_of = tasks.join_all().await;
    assert_eq!(came_of.iter().filter(|came_of| **came_of == Committed::Done).count(), 7);
    assert_eq!(came_of.iter().filter(|came_of| **came_of == Committed::OverLimit(7)).count(), 33);
}

#[tokio::test]
async fn a_pause_waits_for_jobs_that_are_beginning() {
    let (database, one, other) = two().await;
    take(&*one, &[record(1)]).await;
    let busy = outsider(&database).await;
    busy.batch_execute("BEGIN; SELECT 1 FROM jobs FOR UPDATE").await.unwrap();
    let mut job = running(record(1));
    job.begun_at = Some(at(10));
    let change = Change { admission: Some(Admission { since: at(0), most: None }), ..change(job, LeaseUse::None) };
    let beginning = tokio::spawn(async move { one.commit(change).await.unwrap() });
    waits(&database, 1).await;
    let pause = Pause {
        account: record(1).job.cen.owner,
        since: at(5),
        by: "a\0".into(),
        authority: Some("b".into()),
        reason: "b".into(),
    };
    let (kept, told) = (pause.clone(), Arc::clone(&other));
    let mut pausing = tokio::spawn(async move { told.pause(&kept).await.unwrap() });
    let early = tokio::time::timeout(Duration::from_millis(100), &mut pausing).await;
    assert!(early.is_err(), "a pause that is answered is seen by all");
    busy.batch_execute("COMMIT").await.unwrap();
    assert_eq!((beginning.await.unwrap(), pausing.await.unwrap()), (Committed::Done, true));
    assert_eq!(other.pauses().await.unwrap(), [pause]);
}
