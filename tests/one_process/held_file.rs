//! What SQLite cannot promise by itself: the file that a worker has open stays the one that its path leads to, and nothing
//! is answered that a restart would not find.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crossgrant::engine::ports::store::{Store, StoreError};
use crossgrant::store::Sqlite;
use tempfile::TempDir;

use crate::support::conformance::fixtures::*;

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crossgrant.db");
    (dir, path)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    PathBuf::from(format!("{}{suffix}", path.display()))
}

/// Copies a store that is closed.
fn copy(from: &Path, to: &Path) {
    fs::copy(from, to).unwrap();
}

/// Opens a store, does this to its files, and tells how the next message and the next look are answered.
async fn after(harm: impl FnOnce(&Path)) -> [Result<(), StoreError>; 2] {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1)]).await;
    store.check().await.unwrap();
    harm(&path);
    let taken = store.take(vec![arrival(&record(2))]).await.map(drop);
    [taken, store.check().await]
}

fn lost(answers: [Result<(), StoreError>; 2], why: &str) {
    for answer in answers {
        assert!(matches!(&answer, Err(StoreError::Lost(said)) if said.contains(why)), "{why}: {answer:?}");
    }
}

#[tokio::test]
async fn nothing_is_accepted_into_a_file_that_was_removed_replaced_linked_or_overwritten() {
    lost(after(|path| fs::remove_file(path).unwrap()).await, "removed or renamed");
    lost(after(|path| fs::rename(path, beside(path, ".old")).unwrap()).await, "removed or renamed");
    lost(after(|path| fs::hard_link(path, beside(path, ".link")).unwrap()).await, "2 names (hard links)");
    lost(after(|path| fs::remove_file(beside(path, "-wal")).unwrap()).await, "-wal was removed");
    lost(after(|path| fs::remove_file(beside(path, "-shm")).unwrap()).await, "-shm was removed");

    let (_dir, other) = place();
    let store = Sqlite::open(&other).unwrap();
    take(&store, &[record(7)]).await;
    drop(store);
    lost(
        after(|path| {
            copy(&other, &beside(path, ".new"));
            fs::rename(beside(path, ".new"), path).unwrap();
        })
        .await,
        "another file was put in its place",
    );
    // `cp backup.db crossgrant.db` keeps the file and changes what is in it.
    lost(after(|path| fs::write(path, fs::read(&other).unwrap()).unwrap()).await, "another program wrote to it");
}

#[tokio::test]
async fn what_belongs_to_a_worker_is_not_taken_for_harm() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    for n in 1..=40 {
        take(&store, &[record(n)]).await;
        store.check().await.unwrap();
    }
    // Others may read and copy it while it is in use.
    rusqlite::Connection::open(&path).unwrap().query_row("SELECT count(*) FROM jobs", [], |_| Ok(())).unwrap();
    take(&store, &[record(41)]).await;
    store.check().await.unwrap();
    drop(store);
    Sqlite::open(&path).unwrap().check().await.unwrap();
}

#[tokio::test]
async fn a_second_process_is_refused_under_every_name_of_the_file() {
    let (dir, path) = place();
    let first = Sqlite::open(&path).unwrap();
    let [link, relative, hard] = ["link.db", "relative.db", "hard.db"].map(|name| dir.path().join(name));
    symlink(&path, &link).unwrap();
    symlink("crossgrant.db", &relative).unwrap();
    for name in [&link, &relative] {
        let refused = Sqlite::open(name).map(drop).unwrap_err().to_string();
        assert!(refused.contains("another crossgrant process uses"), "{refused}");
    }
    fs::hard_link(&path, &hard).unwrap();
    let refused = Sqlite::open(&hard).map(drop).unwrap_err().to_string();
    assert!(refused.contains("another crossgrant process uses"), "{refused}");
    drop(first);
    let refused = Sqlite::open(&hard).map(drop).unwrap_err().to_string();
    assert!(refused.contains("2 names (hard links): remove all but one"), "{refused}");
    fs::remove_file(&hard).unwrap();
    Sqlite::open(&link).unwrap();
}

#[tokio::test]
async fn an_empty_store_where_one_was_and_an_older_copy_are_refused_until_they_are_accepted() {
    let (dir, path) = place();
    let older = dir.path().join("older.db");
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1)]).await;
    store.check().await.unwrap();
    drop(store);
    copy(&path, &older);
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(2)]).await;
    store.check().await.unwrap();
    drop(store);

    let refused = || {
        let refused = Sqlite::open(&path).map(drop).unwrap_err();
        assert!(matches!(&refused, StoreError::Lost(why) if why.contains("serve --accept-store")), "{refused}");
    };
    let current = fs::read(&path).unwrap();
    copy(&older, &path);
    refused();
    fs::write(&path, current).unwrap();
    drop(Sqlite::open(&path).unwrap());

    fs::remove_file(&path).unwrap();
    refused();
    assert!(!path.exists(), "no empty file is left in its place");
    fs::write(&path, "").unwrap();
    refused();

    copy(&older, &path);
    let store = Sqlite::open_as_found(&path).unwrap();
    assert!(store.load(uid(1)).await.unwrap().is_some() && store.load(uid(2)).await.unwrap().is_none());
    store.check().await.unwrap();
    drop(store);
    Sqlite::open(&path).unwrap();
}
