//! Group commit, from inside: what the writer does with transactions that come together, and with failures of the file.
//! Definitions stand for all that can be written.

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use rusqlite::Connection;
use tempfile::TempDir;

use super::{SharedTransaction, Sqlite, definitions};
use crate::domain::Kind;
use crate::engine::ports::store::{Store as _, StoreError};
use crate::engine::record::State;

fn open() -> (TempDir, PathBuf, Arc<Sqlite>) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crossgrant.db");
    let store = Arc::new(Sqlite::open(&path).unwrap());
    (dir, path, store)
}

/// Holds the writer up until the sender is dropped, so that what comes meanwhile becomes one group.
async fn hold(store: &Arc<Sqlite>) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (running, mut runs) = tokio::sync::mpsc::unbounded_channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        store
            .write(move |_| {
                running.send(()).unwrap();
                let _ = wait.recv();
                Ok(())
            })
            .await
    });
    runs.recv().await.unwrap();
    go
}

/// Runs these together with the definitions 1 to `count`, in one group; returns all results.
async fn together(
    store: &Arc<Sqlite>,
    count: u32,
    other: impl Fn(&SharedTransaction<'_>) -> Result<(), StoreError> + Send + 'static,
) -> Vec<Result<(), StoreError>> {
    let go = hold(store).await;
    let before = store.writer.groups();
    let mut tasks = tokio::task::JoinSet::new();
    let own = Arc::clone(store);
    tasks.spawn(async move { own.write(other).await });
    for n in 1..=count {
        let store = Arc::clone(store);
        tasks.spawn(async move { put(&store, n).await });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(go);
    let results = tasks.join_all().await;
    assert_eq!(store.writer.groups() - before, 1, "all that waited share one physical commit");
    results
}

/// Stores a definition, and counts it as a job.
async fn put(store: &Sqlite, n: u32) -> Result<(), StoreError> {
    let put = move |tx: &SharedTransaction<'_>| {
        tx.count(Kind::Grant, State::Queued, 1);
        definitions::put(tx, &format!("d{n}"), "grant", "text")
    };
    store.write(put).await
}

/// How many definitions are stored.
async fn stored(store: &Sqlite) -> i64 {
    store.read(|conn| Ok(conn.query_row("SELECT count(*) FROM definitions", [], |row| row.get(0))?)).await.unwrap()
}

/// Runs `work` on the writer's own connection.
async fn on_the_writer(store: &Sqlite, work: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static) {
    store.write(move |tx| Ok(work(tx)?)).await.unwrap();
}

async fn without_patience(store: &Sqlite) {
    on_the_writer(store, |conn| conn.busy_timeout(std::time::Duration::ZERO)).await;
}

fn unavailable<T: std::fmt::Debug>(result: &Result<T, StoreError>) {
    assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
}

#[tokio::test]
async fn simultaneous_commits_share_the_disk() {
    let (_dir, _, store) = open();
    assert!(together(&store, 100, |_| Ok(())).await.iter().all(Result::is_ok));
    assert_eq!(stored(&store).await, 100);
}

#[tokio::test]
async fn a_failed_physical_commit_is_a_failure_for_all() {
    let (_dir, _, store) = open();
    put(&store, 9).await.unwrap();
    // A reference that leads nowhere, and is looked at only when all is to be committed.
    let sql = "PRAGMA defer_foreign_keys = ON; INSERT INTO labels VALUES ('a', 'b', x'00')";
    let results = together(&store, 4, move |tx| Ok(tx.execute_batch(sql)?)).await;
    results.iter().for_each(unavailable);
    assert_eq!(stored(&store).await, 1);
    put(&store, 1).await.unwrap();
}

#[tokio::test]
async fn one_that_fails_after_it_wrote_does_not_harm_the_others() {
    let (_dir, _, store) = open();
    let results = together(&store, 3, |tx| {
        tx.count(Kind::Grant, State::Queued, 1);
        Ok(tx.execute_batch("INSERT INTO probe VALUES (7, 7); INSERT INTO probe VALUES (7, 8)")?)
    });
    let failed: Vec<_> = results.await.into_iter().filter_map(Result::err).collect();
    assert!(matches!(failed.as_slice(), [StoreError::Corrupt(why)] if why.contains("UNIQUE")), "{failed:?}");
    assert_eq!(stored(&store).await, 3);
    let left = store.read(|conn| Ok(conn.query_row("SELECT count(*) FROM probe", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(left.await.unwrap(), 0, "what it had written is undone");
    assert_eq!(store.counts().await.unwrap().jobs[&(Kind::Grant, State::Queued)], 3, "and not counted");
}

#[tokio::test]
async fn a_transaction_that_sqlite_ended_is_a_failure_for_all() {
    let (_dir, _, store) = open();
    together(&store, 3, |tx| Ok(tx.execute_batch("ROLLBACK")?)).await.iter().for_each(unavailable);
    assert_eq!(stored(&store).await, 0);
    put(&store, 1).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_reported_and_overcome() {
    let (_dir, _, store) = open();
    on_the_writer(&store, |conn| {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    })
    .await;
    let long = "text".repeat(100_000);
    unavailable(&store.put_definition("d1", "grant", &long).await);
    assert_eq!(stored(&store).await, 0);
    on_the_writer(&store, |conn| conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))).await;
    store.put_definition("d1", "grant", &long).await.unwrap();
}

#[tokio::test]
async fn a_locked_file_is_reported_and_overcome() {
    let (_dir, path, store) = open();
    without_patience(&store).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    unavailable(&put(&store, 1).await);
    assert!(store.definition("d1").await.unwrap().is_none(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    put(&store, 1).await.unwrap();
}

#[tokio::test]
async fn a_file_that_vanished_does_not_come_back_empty() {
    let (_dir, path, store) = open();
    without_patience(&store).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(store.probe().await.is_err(), "the writer gives up its connection");
    std::fs::rename(&path, path.with_extension("gone")).unwrap();
    let refused = put(&store, 1).await;
    assert!(matches!(refused, Err(StoreError::Lost(_))), "{refused:?}");
    assert!(!path.exists());
}
