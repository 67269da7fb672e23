//! The conformance suite on SQLite, and what only a file can promise.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use rusqlite::Connection;
use tempfile::TempDir;

use super::Sqlite;
use crate::engine::ports::store::{Committed, Filter, LeaseUse, Store, StoreError};
use crate::engine::record::State;
use crate::store::conformance::fixtures::*;

mod in_memory {
    use super::*;
    use crate::store::conformance::conformance;

    async fn make() -> Fresh {
        Fresh { store: Arc::new(Sqlite::in_memory().unwrap()), guard: Box::new(()) }
    }

    conformance!(make);
}

mod in_a_file {
    use super::*;
    use crate::store::conformance::conformance;

    async fn make() -> Fresh {
        let (dir, path) = place();
        Fresh { store: Arc::new(Sqlite::open(&path).unwrap()), guard: Box::new(dir) }
    }

    conformance!(make);
}

fn place() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state/crossgrant.db");
    (dir, path)
}

fn refusal(result: Result<Sqlite, StoreError>) -> String {
    result.map(drop).unwrap_err().to_string()
}

/// Holds the writer up until the sender is used or dropped, so that what comes meanwhile becomes one group.
async fn hold(store: &Arc<Sqlite>) -> mpsc::Sender<()> {
    let (go, wait) = mpsc::channel::<()>();
    let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
    let store = Arc::clone(store);
    tokio::spawn(async move {
        store
            .write(move |_| {
                begun.send(()).unwrap();
                let _ = wait.recv();
                Ok(())
            })
            .await
    });
    begins.recv().await.unwrap();
    go
}

/// Runs `work` on the writer's own connection.
async fn on_the_writer(store: &Sqlite, work: impl Fn(&Connection) -> rusqlite::Result<()> + Send + 'static) {
    store.write(move |conn| Ok(work(conn)?)).await.unwrap();
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record_on(2, 1)]).await;
    let_wait(&store, 1, 3600).await;
    let held = claim(&store, 1).await;
    store.put_definition("d1", "grant", "text").await.unwrap();
    let (records, mail) = (store.list(&everything()).await.unwrap(), store.outbox(0, 100).await.unwrap());
    drop(store);

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(&everything()).await.unwrap(), records);
    assert_eq!(store.outbox(0, 100).await.unwrap(), mail);
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(3600)));
    assert!(store.definition("d1").await.unwrap().is_some());
    let mine = change(running(load(&store, 2).await), LeaseUse::Release(lease_of(&held, 2)));
    assert_eq!(store.commit(mine).await.unwrap(), Committed::Done, "leases outlive the process");
}

fn everything() -> Filter {
    Filter { limit: 1000, ..Filter::default() }
}

#[tokio::test]
async fn a_second_process_is_told_who_is_in_the_way() {
    let (_dir, path) = place();
    let first = Sqlite::open(&path).unwrap();
    let message = refusal(Sqlite::open(&path));
    assert!(message.contains(&format!("another crossgrant process uses {}", path.display())), "{message}");
    drop(first);
    Sqlite::open(&path).unwrap();
}

#[tokio::test]
async fn nobody_else_can_read_the_files() {
    let (dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1)]).await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir.path().join("state")), 0o700);
    let files: Vec<PathBuf> = std::fs::read_dir(dir.path().join("state")).unwrap().map(|f| f.unwrap().path()).collect();
    assert!(files.len() >= 3, "database, log and lock: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn a_file_of_a_newer_version_is_refused_and_left_alone() {
    let (_dir, path) = place();
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let message = refusal(Sqlite::open(&path));
    assert!(message.contains("version 99") && message.contains("newer"), "{message}");
    let version: i64 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_to_date() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record(2)]).await;
    let records = store.list(&everything()).await.unwrap();
    drop(store);
    let older =
        "DROP INDEX jobs_begun; DROP INDEX jobs_held; DROP TABLE pauses; ALTER TABLE jobs DROP COLUMN counted_as;
        ALTER TABLE jobs DROP COLUMN begun_us; ALTER TABLE jobs DROP COLUMN held;
        CREATE TRIGGER jobs_come AFTER INSERT ON jobs BEGIN UPDATE census SET jobs = jobs + 1; END;
        CREATE TRIGGER jobs_move AFTER UPDATE OF state ON jobs BEGIN UPDATE census SET jobs = jobs + 1; END;
        CREATE TRIGGER jobs_go AFTER DELETE ON jobs BEGIN UPDATE census SET jobs = jobs - 1; END;
        PRAGMA user_version = 1";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(&everything()).await.unwrap(), records);
    assert_eq!(claimed(&store, 1).await, [uid(1), uid(2)]);
    take(&store, &[record(3)]).await;
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 3);
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let (_dir, path) = place();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    assert!(refusal(Sqlite::open(&path)).contains("not one of crossgrant"));
    std::fs::write(
        &path,
        "just a text, and long enough to be looked at as a header of a database file, and more.......",
    )
    .unwrap();
    assert!(matches!(Sqlite::open(&path), Err(StoreError::Corrupt(_))));
}

#[tokio::test]
async fn what_was_answered_survives_a_crash() {
    let (dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &(1..=50).map(record).collect::<Vec<_>>()).await;
    fail(&store, 7).await;
    // What a crash leaves: the files as they are, with nobody having closed them.
    let copy = dir.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(name(&path), name(&copy)).unwrap();
    }
    assert!(std::fs::metadata(dir.path().join("copy.db-wal")).unwrap().len() > 0);
    let after = Sqlite::open(&copy).unwrap();
    assert_eq!(after.list(&everything()).await.unwrap(), store.list(&everything()).await.unwrap());
    assert_eq!(after.outbox(0, 100).await.unwrap().len(), 50);
    assert_eq!(load(&after, 7).await.state(), State::Failed);
}

#[tokio::test]
async fn simultaneous_commits_share_the_disk() {
    let (_dir, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let go = hold(&store).await;
    let before = store.writer.groups();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=100 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.take(vec![arrival(&record(n))]).await.unwrap() });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(go);
    assert_eq!(tasks.join_all().await.len(), 100);
    assert_eq!(store.writer.groups() - before, 1, "all that waited went together");
}

#[tokio::test]
async fn a_failed_physical_commit_fails_all_who_shared_it() {
    let (_dir, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    take(&*store, &[record(1)]).await;
    let go = hold(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 2..=5 {
        let store = Arc::clone(&store);
        tasks.spawn(async move { store.take(vec![arrival(&record(n))]).await.map(drop) });
    }
    // A reference that leads nowhere, and is looked at only when all is to be committed.
    let saboteur = Arc::clone(&store);
    tasks.spawn(async move {
        let sql = "PRAGMA defer_foreign_keys = ON; INSERT INTO labels VALUES ('a', 'b', x'00')";
        saboteur.write(move |conn| Ok(conn.execute_batch(sql)?)).await
    });
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(go);
    for result in tasks.join_all().await {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    assert_eq!(store.list(&everything()).await.unwrap().len(), 1);
    take(&*store, &[record(2)]).await;
}

#[tokio::test]
async fn one_that_fails_after_it_wrote_takes_nobody_with_it() {
    let (_dir, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let go = hold(&store).await;
    let before = store.writer.groups();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            if n == 3 {
                let fail = |tx: &super::Transaction<'_>| {
                    super::take::take(tx, &[arrival(&record(9))])?;
                    Ok(tx.execute_batch("INSERT INTO probe VALUES (7, 7); INSERT INTO probe VALUES (7, 8)")?)
                };
                store.write(fail).await
            } else {
                store.take(vec![arrival(&record(n))]).await.map(drop)
            }
        });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(go);
    let failed: Vec<_> = tasks.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(matches!(failed.as_slice(), [StoreError::Corrupt(why)] if why.contains("UNIQUE")), "{failed:?}");
    assert_eq!(store.writer.groups() - before, 1, "in one physical commit");
    assert_eq!(store.list(&everything()).await.unwrap().len(), 3);
    let left = store
        .read(|conn| Ok(conn.query_row("SELECT count(*) FROM probe WHERE id = 7", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(left.await.unwrap(), 0, "what it had written is undone");
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 3, "and not counted");
}

#[tokio::test]
async fn a_transaction_that_sqlite_gave_up_is_nobodys_success() {
    let (_dir, path) = place();
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let go = hold(&store).await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 1..=4 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            if n == 3 {
                store.write(|conn| Ok(conn.execute_batch("ROLLBACK")?)).await
            } else {
                store.take(vec![arrival(&record(n))]).await.map(drop)
            }
        });
    }
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    drop(go);
    for result in tasks.join_all().await {
        assert!(matches!(result, Err(StoreError::Unavailable(_))), "{result:?}");
    }
    assert_eq!(store.list(&everything()).await.unwrap(), []);
    take(&*store, &[record(1)]).await;
}

#[tokio::test]
async fn a_full_disk_is_reported_and_overcome() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1)]).await;
    on_the_writer(&store, |conn| {
        let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    })
    .await;
    let mut many: Vec<_> = (2..=300).map(record).collect();
    let failed = store.take(many.iter().map(arrival).collect()).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert_eq!(store.list(&everything()).await.unwrap().len(), 1, "nothing of the batch is kept");
    on_the_writer(&store, |conn| conn.query_row("PRAGMA max_page_count = 1000000", [], |_| Ok(()))).await;
    take(&store, &many.split_off(1)).await;
}

#[tokio::test]
async fn a_locked_file_is_reported_and_overcome() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    on_the_writer(&store, |conn| conn.busy_timeout(std::time::Duration::ZERO)).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let failed = store.take(vec![arrival(&record(1))]).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(store.load(uid(1)).await.unwrap().is_none(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    take(&store, &[record(1)]).await;
}

#[tokio::test]
async fn a_file_that_vanished_does_not_come_back_empty() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    on_the_writer(&store, |conn| conn.busy_timeout(std::time::Duration::ZERO)).await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(store.probe().await.is_err(), "the writer gives up its connection");
    std::fs::rename(&path, path.with_extension("gone")).unwrap();
    let failed = store.take(vec![arrival(&record(1))]).await;
    assert!(matches!(failed, Err(StoreError::Unavailable(_))), "{failed:?}");
    assert!(!path.exists());
}

#[tokio::test]
async fn an_unreadable_row_is_reported_and_does_not_hold_up_claims() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record(2)]).await;
    on_the_writer(&store, |conn| conn.execute_batch("UPDATE jobs SET record = '{}' WHERE job_id = 'job-1'")).await;
    assert!(matches!(store.load(uid(1)).await, Err(StoreError::Corrupt(_))));
    let one = store.claim("w1", at(1), at(100), 1).await.unwrap();
    assert!(one.is_empty(), "it was first");
    assert_eq!(claimed(&store, 2).await, [uid(2)]);
}

#[tokio::test]
async fn an_unreadable_row_does_not_hold_up_the_sweep() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record(2)]).await;
    let_wait(&store, 1, 5).await;
    let_wait(&store, 2, 5).await;
    on_the_writer(&store, |conn| conn.execute_batch("UPDATE jobs SET record = '{}' WHERE job_id = 'job-1'")).await;
    let groups = store.swept_groups(at(6)).await.unwrap();
    let page = store.swept(&groups[0].0, at(6), None, 10).await.unwrap();
    assert_eq!(page.iter().map(|record| record.uid).collect::<Vec<_>>(), [uid(2)]);
}
