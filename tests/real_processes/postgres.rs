//! The conformance suite on PostgreSQL, and what only a database of several workers can promise.

mod preconditions;
mod proxy;
mod workers;

use crate::support::outbox::{WholeOutbox as _, page};
use crossgrant::engine::ports::mail::Lane;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crossgrant::clock::{Clock as _, ManualClock, SystemClock, later, until};
use crossgrant::domain::{Code, Kind};
use crossgrant::engine::guards::Pause;
use crossgrant::engine::ports::store::{
    Admission, Change, Claimed, Committed, FeedPage, Filter, LeaseUse, Message, Outbox, OutboxPage, OutboxRow,
    Settlement, Store, StoreError, Wakeup,
};
use crossgrant::engine::record::State;
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings};

use self::proxy::{Cut, Proxy};
use crate::support::conformance::damage::damaged_rows_cost_themselves_alone;
use crate::support::conformance::fixtures::*;
use crate::support::conformance::{conformance, feed};
use crate::support::postgres::{Cluster, Database};

fn settings(url: &str, name: &str) -> PostgresSettings {
    PostgresSettings { url: url.to_owned().into(), password: None, ca_pem: None, name: name.into() }
}

async fn open(url: &str, name: &str) -> Postgres {
    Postgres::open(&settings(url, name), LeaseClock::Callers).await.unwrap()
}

mod conforming {
    use super::*;

    async fn make() -> Fresh {
        let database = Cluster::shared().database();
        let store = open(&database.url(), "w1").await;
        Fresh { store: Arc::new(store), guard: Box::new(database) }
    }

    conformance!(make);
}

/// Two workers of one database.
async fn two() -> (Database, Arc<Postgres>, Arc<Postgres>) {
    let database = Cluster::shared().database();
    let (one, other) = (open(&database.url(), "w1").await, open(&database.url(), "w2").await);
    (database, Arc::new(one), Arc::new(other))
}

/// A client of the database beside the stores.
async fn outsider(database: &Database) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET search_path = crossgrant").await.unwrap();
    client
}

#[tokio::test]
async fn two_workers_may_start_at_once() {
    let database = Cluster::shared().database();
    let url = database.url();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..4 {
        let url = url.clone();
        tasks.spawn(async move { open(&url, &format!("w{n}")).await });
    }
    let stores = tasks.join_all().await;
    take(&stores[0], &[record(1)]).await;
    assert_eq!(load(&stores[3], 1).await, record(1));
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_left_alone() {
    let database = Cluster::shared().database();
    let url = database.url();
    drop(open(&url, "w1").await);
    outsider(&database).await.execute("INSERT INTO migrations VALUES (9999, now())", &[]).await.unwrap();
    let refused = Postgres::open(&settings(&url, "w1"), LeaseClock::Callers).await.map(drop);
    let newer = |why: &String| why.contains("Start the newer program");
    assert!(matches!(&refused, Err(StoreError::Unusable(Code::StoreNewer, why)) if newer(why)), "{refused:?}");
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_character_is_refused_with_what_to_do() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let arguments = ["--encoding", encoding, "--template", "template0"];
        let database = Cluster::shared().database_with(&arguments);
        let refused = Postgres::open(&settings(&database.url(), "w1"), LeaseClock::Callers).await.map(drop);
        let why = refused.unwrap_err().to_string();
        for part in [encoding, "UTF8", "createdb --encoding UTF8 --locale C --template template0", "[store] url"] {
            assert!(why.contains(part), "{part}: {why}");
        }
        let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let row = client.query_one("SELECT to_regnamespace('crossgrant') IS NULL", &[]).await.unwrap();
        assert!(row.get::<_, bool>(0), "nothing was made in it");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_workers_that_claim_at_once_never_claim_the_same_job() {
    let (_database, one, other) = two().await;
    // Ten queues of six, and sixty jobs alone.
    let queued = (1..=60).map(|n| record_on(n, n % 10));
    take(&*one, &queued.chain((61..=120).map(record)).collect::<Vec<_>>()).await;
    let mut ends = 0;
    let mut seen = BTreeSet::new();
    while ends < 120 {
        let mut tasks = tokio::task::JoinSet::new();
        for (worker, store) in [("w1", &one), ("w2", &other), ("w1", &one), ("w2", &other)] {
            let store = Arc::clone(store);
            tasks.spawn(async move { store.claim(worker, at(1), at(100), 7, &[]).await.unwrap() });
        }
        let claims: Vec<Claimed> = tasks.join_all().await.into_iter().flatten().collect();
        assert!(!claims.is_empty(), "{ends} of 120, and nothing to claim");
        let mut instances = BTreeSet::new();
        let mut tasks = tokio::task::JoinSet::new();
        for claimed in claims {
            assert!(seen.insert(claimed.record.uid), "{} was claimed twice", claimed.record.uid);
            assert!(instances.insert(claimed.record.job.instance.id.clone()), "two of one queue were claimed at once");
            let store = Arc::clone(if claimed.lease.holder == "w1" { &one } else { &other });
            let end = change(at_rest(claimed.record, State::Failed), LeaseUse::Release(claimed.lease));
            tasks.spawn(async move { store.commit(end).await.unwrap() });
        }
        for committed in tasks.join_all().await {
            assert_eq!(committed, Committed::Done);
            ends += 1;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn queues_stay_whole_while_two_workers_fill_and_empty_them() {
    let (database, one, other) = two().await;
    let mut tasks = tokio::task::JoinSet::new();
    for (worker, store) in [("w1", &one), ("w2", &other)] {
        let (first, store) = (if worker == "w1" { 1 } else { 1001 }, Arc::clone(store));
        let taking = Arc::clone(&store);
        tasks.spawn(async move {
            for n in first..first + 60 {
                take(&*taking, &[record_on(n, n % 4)]).await;
            }
        });
        tasks.spawn(async move {
            let mut ended = 0;
            // Between them they end all 120; one that finds nothing lets the other go on.
            while ended < 120 {
                let claims = store.claim(worker, at(1), at(100), 3, &[]).await.unwrap();
                for claimed in claims {
                    let end = change(at_rest(claimed.record, State::Failed), LeaseUse::Release(claimed.lease));
                    assert_eq!(store.commit(end).await.unwrap(), Committed::Done);
                }
                let counts = store.counts().await.unwrap();
                ended = counts.jobs.get(&(Kind::PayerChange, State::Failed)).copied().unwrap_or(0);
            }
        });
    }
    let ended = tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await;
    assert!(ended.is_ok(), "a queue has jobs and no first");
    let left =
        outsider(&database).await.query_one("SELECT count(*) FROM jobs WHERE turn IS NOT NULL", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_workers_that_change_one_job_one_wins() {
    let (_database, one, other) = two().await;
    take(&*one, &(1..=20).map(record).collect::<Vec<_>>()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=20 {
        for store in [&one, &other] {
            let store = Arc::clone(store);
            let change = change(running(record(n)), LeaseUse::None);
            tasks.spawn(async move { store.commit(change).await.unwrap() });
        }
    }
    let done = tasks.join_all().await.into_iter().filter(|committed| *committed == Committed::Done).count();
    assert_eq!(done, 20);
    // Each supersedes what the other changes: locked in one order, they do not wait in a circle.
    let mut crossing = Vec::new();
    for order in [(1..=10).collect::<Vec<_>>(), (1..=10).rev().collect()] {
        let mut change = change(running(load(&*one, order[0]).await), LeaseUse::None);
        for n in &order[1..] {
            change.also.push((next_of(running(load(&*one, *n).await)), vec![]));
        }
        crossing.push(change);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for (store, change) in [&one, &other].into_iter().zip(crossing) {
        let store = Arc::clone(store);
        tasks.spawn(async move { store.commit(change).await.unwrap() });
    }
    let mut committed = tasks.join_all().await;
    committed.sort_by_key(|committed| *committed == Committed::Conflict);
    assert_eq!(committed, [Committed::Done, Committed::Conflict]);
}

#[tokio::test]
async fn simultaneous_commits_share_a_transaction() {
    let (database, store, _) = two().await;
    take(&*store, &(1..=100).map(record).collect::<Vec<_>>()).await;
    set(&*store, 1, running).await;
    // Another holds the row of the first until all the others wait behind it.
    let other = outsider(&database).await;
    other.batch_execute("BEGIN; SELECT 1 FROM jobs WHERE job_id = 'job-2' FOR UPDATE").await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 2..=100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.commit(change(running(record(n)), LeaseUse::None)).await.unwrap() });
        if n == 2 {
            waits(&database, 1).await;
        }
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    other.batch_execute("COMMIT").await.unwrap();
    assert!(tasks.join_all().await.into_iter().all(|committed| committed == Committed::Done));
    let sql = "SELECT count(DISTINCT xmin::text) FROM jobs WHERE job_id <> 'job-1'";
    let transactions = other.query_one(sql, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(transactions, 2, "the first alone, and all that waited together");
}

/// Returns when this many sessions wait for locks.
async fn waits(database: &Database, sessions: i64) {
    let watcher = outsider(database).await;
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while watcher.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < sessions {
        tokio::task::yield_now().await;
    }
}

/// One worker has published the first reply to a queue, another has been told that the queue refuses it: both settle that at
/// the same moment.
#[tokio::test]
async fn no_reply_stays_behind_one_that_another_worker_has_settled() {
    let (database, one, other) = two().await;
    let to = [("full", "a"), ("full", "b"), ("full", "c"), ("other", "d")];
    take(&*one, &[record(1)]).await;
    one.take(to.map(|(queue, id)| arrival(&with_reply(record(1), queue, id))).to_vec()).await.unwrap();
    let numbers: Vec<i64> =
        one.outbox(page(Lane::Replies, 0, 9)).await.unwrap().into_iter().map(|row| row.number).collect();
    let outsider = outsider(&database).await;
    // The first worker has removed the reply, and waits for the last row of what it settles.
    outsider
        .batch_execute(&format!("BEGIN; SELECT 1 FROM outbox WHERE number = {} FOR UPDATE", numbers[3]))
        .await
        .unwrap();
    let settle = |store: &Arc<Postgres>, done: &[i64], refused: i64| {
        let settlement = Settlement { done: done.to_vec(), refused: vec![(refused, at(20))], ..Settlement::default() };
        let store = Arc::clone(store);
        tokio::spawn(async move { store.settle(Lane::Replies, &settlement).await })
    };
    let first = settle(&one, &numbers[..1], numbers[3]);
    waits(&database, 1).await;
    let second = settle(&other, &[], numbers[0]);
    waits(&database, 2).await;
    outsider.batch_execute("COMMIT").await.unwrap();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    let left = one.outbox(page(Lane::Replies, 0, 9)).await.unwrap();
    let ids: Vec<_> = left.iter().map(|row| row.outgoing.correlation_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["b", "c"]);
}

/// As an earlier version could leave them, whose workers settled at the same moment.
#[tokio::test]
async fn replies_that_wait_behind_nothing_are_freed_at_the_start() {
    let database = Cluster::shared().database();
    let store = open(&database.url(), "w1").await;
    let to = [("gone", "a"), ("gone", "b"), ("full", "c"), ("full", "d"), ("good", "e")];
    take(&store, &[record(1)]).await;
    store.take(to.map(|(queue, id)| arrival(&with_reply(record(1), queue, id))).to_vec()).await.unwrap();
    let rows = store.outbox(page(Lane::Replies, 0, 9)).await.unwrap();
    let refused = vec![(rows[0].number, at(20)), (rows[2].number, at(20))];
    store.settle(Lane::Replies, &Settlement { refused, ..Settlement::default() }).await.unwrap();
    // The one that the others to its queue wait behind has left, and they were told nothing.
    let outsider = outsider(&database).await;
    let left = "UPDATE outbox SET due_us = 9223372036854775807, tries = 0 WHERE queue = '\"gone\"'";
    assert_eq!(outsider.execute(left, &[]).await.unwrap(), 2);
    drop(store);

    let store = open(&database.url(), "w1").await;
    let ids = async |which| {
        let page = OutboxPage { lane: Lane::Replies, which, messages: 9, bytes: usize::MAX };
        let rows = store.outbox(page).await.unwrap();
        rows.into_iter().map(|row| row.outgoing.correlation_id.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(ids(Outbox::PutOff(at(0))).await, ["a", "b"], "they are due");
    assert_eq!(ids(Outbox::PutOff(at(20))).await, ["a", "b", "c"], "and what stays behind another does");
    assert_eq!(ids(Outbox::Fresh(0)).await, ["e"]);
}

#[tokio::test]
async fn what_the_database_refuses_spoils_nothing_else() {
    let (database, store, _) = two().await;
    take(&*store, &(1..=5).map(record).collect::<Vec<_>>()).await;
    let refuse = "ALTER TABLE jobs ADD CHECK (job_id <> 'job-3' OR state = 'queued')";
    outsider(&database).await.batch_execute(refuse).await.unwrap();
    let changes = (1..=5).map(|n| change(running(record(n)), LeaseUse::None)).collect();
    let done = store.commit_all(changes).await.unwrap();
    let (good, bad) = (Committed::Done, Committed::Conflict);
    assert_eq!(done, [good, good, bad, good, good]);
    let alone = store.commit(change(running(record(3)), LeaseUse::None)).await;
    assert!(matches!(alone, Err(StoreError::Refused(_))), "{alone:?}");
    assert_eq!(load(&*store, 3).await, record(3));
    assert_eq!(
        store.commit(change(at_rest(load(&*store, 4).await, State::Failed), LeaseUse::None)).await.unwrap(),
        good
    );
}

#[tokio::test]
async fn an_unreadable_row_costs_itself_alone() {
    let (database, store, _) = two().await;
    let other = outsider(&database).await;
    damaged_rows_cost_themselves_alone(&*store, async |sql| {
        assert_eq!(other.execute(sql, &[]).await.unwrap(), 1, "{sql}");
    })
    .await;
}

#[tokio::test]
async fn any_byte_is_kept_as_it_is() {
    let (_database, store, _) = two().await;
    let mut odd = with_reply(record(1), "q\0", "c\0");
    odd.job.labels.insert("na\0me".into(), "va\0lue".into());
    take(&*store, &[odd.clone()]).await;
    let mut bad = rejection(7);
    (bad.job_id, bad.outbound[0].outgoing.message_id) = (Some("b\0d".into()), "m\0".into());
    store.take(vec![Message::Rejection(Box::new(bad.clone()))]).await.unwrap();
    let label = Some(("na\0me".to_owned(), "va\0lue".to_owned()));
    assert_eq!(store.list(&Filter { label, limit: 9, ..Filter::default() }).await.unwrap(), [odd]);
    assert_eq!(store.rejections(9, None).await.unwrap()[0].job_id, bad.job_id);
    let queued = store.queued(0, 9).await;
    assert!(queued.iter().any(|queued| queued.outgoing == bad.outbound[0].outgoing), "{queued:?}");
}

#[tokio::test]
async fn a_server_that_was_killed_has_lost_nothing() {
    let database = Arc::new(Cluster::start().unwrap()).database();
    let store = Arc::new(open(&database.url(), "w1").await);
    take(&*store, &(1..=50).map(record).collect::<Vec<_>>()).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=50 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { (n, store.commit(change(running(record(n)), LeaseUse::None)).await) });
        if n == 25 {
            // Some are answered, some are under way.
            let (_, first) = tasks.join_next().await.unwrap().unwrap();
            assert_eq!(first.unwrap(), Committed::Done);
            database.cluster().kill9();
        }
    }
    // Those under way wait until it is known what became of them; the others fail at once.
    let restarted = tokio::task::spawn_blocking(move || {
        database.cluster().restart().unwrap();
        database
    });
    let results = tasks.join_all().await;
    let _database = restarted.await.unwrap();
    while store.probe().await.is_err() {
        tokio::task::yield_now().await;
    }
    for (n, result) in results {
        let state = load(&*store, n).await.state();
        match result {
            Ok(committed) => assert_eq!((committed, state), (Committed::Done, State::Running), "job {n}"),
            Err(StoreError::Unavailable(_)) => assert_eq!(state, State::Queued, "job {n}: nothing was changed"),
            Err(error) => panic!("{error}"),
        }
    }
    take(&*store, &[record(51)]).await;
    let queued = loop {
        match store.outbox(page(Lane::Events, 0, 100)).await {
            Ok(queued) => break queued,
            // The listener connects again a moment later.
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(queued.len(), 51);
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_done() {
    let (database, direct, _) = two().await;
    let proxy = Proxy::start(&database).await;
    let store = open(&proxy.url(), "w3").await;
    proxy.cut_next_commit(Cut::After);
    take(&store, &[record(1), record(2)]).await;
    assert!(proxy.has_cut());
    proxy.cut_next_commit(Cut::After);
    assert_eq!(store.commit(change(running(record(1)), LeaseUse::None)).await.unwrap(), Committed::Done);
    assert!(proxy.has_cut());
    proxy.cut_next_commit(Cut::After);
    let claims = store.claim("w3", at(1), at(100), 9, &[]).await.unwrap();
    assert_eq!(claims.len(), 2);
    assert!(proxy.has_cut());
    assert_eq!(load(&*direct, 1).await.revision, 1);
    let held = change(running(record(2)), LeaseUse::Release(lease_of(&claims, 2)));
    assert_eq!(direct.commit(held).await.unwrap(), Committed::Done, "it has the lease it was told of");
    assert_eq!(direct.queued(0, 9).await.len(), 2);
}

#[tokio::test]
async fn a_commit_that_never_arrived_is_found_undone() {
    let (database, direct, _) = two().await;
    let proxy = Proxy::start(&database).await;
    let store = open(&proxy.url(), "w3").await;
    proxy.cut_next_commit(Cut::Before);
    let lost = store.take(vec![arrival(&record(1))]).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    take(&store, &[record(1)]).await;
    proxy.cut_next_commit(Cut::Before);
    let mut said = change(running(record(1)), LeaseUse::None);
    said.outbound = vec![event(1, 2, false)];
    let lost = store.commit(said.clone()).await;
    assert!(matches!(lost, Err(StoreError::Unavailable(_))), "{lost:?}");
    assert_eq!(load(&*direct, 1).await, record(1));
    assert_eq!(store.commit(said).await.unwrap(), Committed::Done, "it is made again");
    assert_eq!(direct.events(uid(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn leases_end_by_the_clock_of_the_database_whatever_a_worker_believes() {
    let database = Cluster::shared().database();
    let clock = |hours: i64| {
        let right = SystemClock.now();
        Arc::new(ManualClock::new(right + jiff::SignedDuration::from_hours(hours)))
    };
    let (slow, fast) = (clock(-3), clock(3));
    let open = |name: &'static str, clock: &Arc<ManualClock>| {
        let (settings, clock) = (settings(&database.url(), name), LeaseClock::Database(clock.clone()));
        async move { Postgres::open(&settings, clock).await.unwrap() }
    };
    let (one, other) = (open("w1", &slow).await, open("w2", &fast).await);
    let minute = Duration::from_secs(60);
    // They have watched the clock of the database for the length of a lease.
    let watches = || [&slow, &fast].map(|clock| clock.advance(minute));
    let claims = async |store: &Postgres, name: &str, clock: &ManualClock| {
        let now = clock.now();
        store.claim(name, now, later(now, minute), 9, &[]).await.unwrap()
    };
    let passes = "UPDATE jobs SET lease_until_us = lease_until_us - 61 * 1000000";
    let passes = async || outsider(&database).await.batch_execute(passes).await.unwrap();

    take(&one, &[record(1)]).await;
    let held = claims(&one, "w1", &slow).await;
    assert_eq!(held.len(), 1);
    watches();
    assert!(claims(&other, "w2", &fast).await.is_empty(), "hours ago by its own clock, but not by the one they share");
    let next = other.next_due().await.unwrap().unwrap();
    let wait = until(fast.now(), next);
    assert!(wait > minute / 2 && wait <= minute, "told in its own time: {wait:?}");

    // Prolonged: a minute from now, though the slow clock's minute ended hours ago.
    passes().await;
    let keep = LeaseUse::Keep(held[0].lease.clone(), later(slow.now(), minute));
    assert_eq!(one.commit(change(running(record(1)), keep)).await.unwrap(), Committed::Done);
    assert!(claims(&other, "w2", &fast).await.is_empty());

    // It looks at the clock of the database every few seconds, and then sees that these uptimes are not real.
    let claims_at_last = async |store: &Postgres, name: &str, clock: &ManualClock| loop {
        watches();
        let claimed = claims(store, name, clock).await;
        if !claimed.is_empty() {
            return claimed;
        }
    };
    passes().await;
    let over = claims_at_last(&other, "w2", &fast).await;
    assert_eq!(over.len(), 1);
    assert!(over[0].lease.token > held[0].lease.token);
    passes().await;
    assert_eq!(claims_at_last(&one, "w1", &slow).await.len(), 1, "and the slow one sees the end as well");
}

#[tokio::test]
async fn where_tls_is_used_the_server_is_verified() {
    let database = Cluster::shared().database();
    let ours = include_str!("../support/tls/ca.pem");
    for (mode, ca, host, good) in [
        ("require", Some(ours), "127.0.0.1", true),
        ("verify-full", Some(ours), "localhost", true),
        ("require", None, "127.0.0.1", false),
        ("prefer", None, "127.0.0.1", false),
        ("require", Some(ours), "127.0.0.2", false),
    ] {
        let url = database.url().replace("sslmode=disable", &format!("sslmode={mode}"));
        let url = url.replace("@127.0.0.1", &format!("@{host}"));
        let settings = PostgresSettings { ca_pem: ca.map(str::to_owned), ..settings(&url, "w1") };
        let opened = Postgres::open(&settings, LeaseClock::Callers).await;
        assert_eq!(opened.is_ok(), good, "{mode} {host}: {opened:?}");
        let Ok(store) = opened else { continue };
        let sql = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'crossgrant w1' AND datname = current_database()";
        assert!(outsider(&database).await.query_one(sql, &[]).await.unwrap().get::<_, bool>(0));
        store.probe().await.unwrap();
    }
}

/// Written by two workers at once, events do not become visible in the order in which they were written.
#[tokio::test]
async fn an_event_that_is_committed_late_is_not_missed_by_who_reads_the_feed() {
    let (database, one, other) = two().await;
    let mut slow = outsider(&database).await;
    let early = slow.transaction().await.unwrap();
    let event = "INSERT INTO events (uid, sequence, address, about, body) VALUES ($1, 1, '{}', '{}', '{}')";
    let place = "INSERT INTO feed (uid, sequence, requester) VALUES ($1, 1, 'tickets')";
    for sql in [event, place] {
        early.execute(sql, &[&uid(9).0]).await.unwrap();
    }
    take(&*one, &[record(1)]).await;
    let read = async |after: i64| {
        let feed = other.feed(&feed::from(after)).await.unwrap();
        (feed::told(&feed), feed.after)
    };
    let (first, after) = read(0).await;
    assert_eq!(first, [(1, 1)], "the other is not committed");
    take(&*one, &[record(2)]).await;
    early.commit().await.unwrap();
    let (next, end) = read(after).await;
    assert_eq!(next, [(9, 1), (2, 1)], "it is told, though it was written before what was told");
    assert_eq!(read(end).await, (vec![], end));
    assert_eq!(one.feed(&feed::from(0)).await.unwrap(), other.feed(&feed::from(0)).await.unwrap());
}

/// Many readers and writers at once: every reader sees every event, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_of_the_feed_miss_nothing_while_two_workers_write() {
    let (_database, one, other) = two().await;
    let mut tasks = tokio::task::JoinSet::new();
    for (store, first) in [(&one, 1), (&other, 1001)] {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            for n in first..first + 60 {
                take(&*store, &[record(n)]).await;
            }
            Vec::new()
        });
    }
    for store in [&one, &other, &one] {
        let store = Arc::clone(store);
        tasks.spawn(async move {
            let (mut seen, mut after) = (Vec::new(), 0);
            while seen.len() < 120 {
                let page = store.feed(&FeedPage { events: 7, ..feed::from(after) }).await.unwrap();
                seen.extend(feed::told(&page));
                after = page.after;
                tokio::task::yield_now().await;
            }
            seen
        });
    }
    let read: Vec<Vec<(u32, u32)>> = tasks.join_all().await.into_iter().filter(|seen| !seen.is_empty()).collect();
    assert_eq!(read.len(), 3);
    assert!(read.iter().all(|seen| *seen == read[0]), "all in one order");
    assert_eq!(read[0].iter().collect::<BTreeSet<_>>().len(), 120);
}
