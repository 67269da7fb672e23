//! The conformance suite on SQLite, and what only a file can promise.

use crate::support::outbox::WholeOutbox as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossgrant::domain::Code;
use crossgrant::engine::ports::store::{Committed, Filter, LeaseUse, Store, StoreError};
use crossgrant::engine::record::State;
use crossgrant::store::Sqlite;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::conformance::conformance;
use crate::support::conformance::damage::damaged_rows_cost_themselves_alone;
use crate::support::conformance::fixtures::*;

mod in_memory {
    use super::*;

    async fn make() -> Fresh {
        Fresh { store: Arc::new(Sqlite::in_memory().unwrap()), guard: Box::new(()) }
    }

    conformance!(make);
}

mod in_a_file {
    use super::*;

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

/// Makes the row of job 1 unreadable.
fn damage(path: &Path) {
    let other = Connection::open(path).unwrap();
    assert_eq!(other.execute("UPDATE jobs SET record = '{}' WHERE job_id = 'job-1'", []).unwrap(), 1);
}

fn everything() -> Filter {
    Filter { limit: 1000, ..Filter::default() }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record_on(2, 1)]).await;
    let_wait(&store, 1, 3600).await;
    let held = claim(&store, 1).await;
    store.put_definition("d1", "grant", "text").await.unwrap();
    let (records, mail) = (store.list(&everything()).await.unwrap(), store.queued(0, 100).await);
    drop(store);

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(&everything()).await.unwrap(), records);
    assert_eq!(store.queued(0, 100).await, mail);
    assert_eq!(store.next_sweep().await.unwrap(), Some(at(3600)));
    assert!(store.definition("d1").await.unwrap().is_some());
    let mine = change(running(load(&store, 2).await), LeaseUse::Release(lease_of(&held, 2)));
    assert_eq!(store.commit(mine).await.unwrap(), Committed::Done, "leases outlive the process");
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
async fn other_users_cannot_read_the_files() {
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
    assert!(message.contains("version 99") && message.contains("Start the newer program"), "{message}");
    let refused = Sqlite::open(&path).unwrap_err();
    assert_eq!(refused.code(), Code::StoreNewer);
    let version: i64 = Connection::open(&path).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, 99);
}

#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_to_date() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    let mut of_another_owner = record_on(2, 1);
    of_another_owner.job.instance.owner = "1377000000000003".parse().unwrap();
    take(&store, &[record(1), of_another_owner, record_on(3, 1), record(4)]).await;
    let records = store.list(&everything()).await.unwrap();
    drop(store);
    let older = "DROP INDEX jobs_begun; DROP INDEX jobs_held; DROP INDEX jobs_held_by; DROP INDEX jobs_queue;
        DROP INDEX jobs_unbegun; DROP INDEX jobs_locks; DROP INDEX jobs_ready; DROP TABLE pauses;
        CREATE INDEX jobs_line ON jobs (instance_id, turn) WHERE turn IS NOT NULL;
        CREATE INDEX jobs_ready ON jobs (due_us, uid) WHERE is_first = 1 AND swept = 0 AND due_us IS NOT NULL;
        UPDATE jobs SET turn = 3 WHERE turn = 2; UPDATE jobs SET turn = 2, is_first = 0 WHERE instance_owner LIKE '1377%';
        ALTER TABLE jobs DROP COLUMN instance_owner; ALTER TABLE jobs DROP COLUMN locks;
        ALTER TABLE jobs DROP COLUMN counted_as;
        ALTER TABLE jobs DROP COLUMN begun_us; ALTER TABLE jobs DROP COLUMN held;
        CREATE TRIGGER jobs_come AFTER INSERT ON jobs BEGIN UPDATE census SET jobs = jobs + 1; END;
        CREATE TRIGGER jobs_move AFTER UPDATE OF state ON jobs BEGIN UPDATE census SET jobs = jobs + 1; END;
        DROP INDEX outbox_fresh; DROP INDEX outbox_due; DROP INDEX outbox_queue;
        ALTER TABLE outbox DROP COLUMN tries; ALTER TABLE outbox DROP COLUMN due_us;
        ALTER TABLE undeliverable DROP COLUMN tries; ALTER TABLE undeliverable DROP COLUMN reason;
        DROP TABLE feed; DROP INDEX rejections_batch;
        ALTER TABLE rejections DROP COLUMN batch_id; ALTER TABLE rejections DROP COLUMN not_listed;
        ALTER TABLE outbox DROP COLUMN reason;
        DROP INDEX jobs_batch; ALTER TABLE jobs DROP COLUMN batch; DROP TABLE batches;
        CREATE TRIGGER jobs_go AFTER DELETE ON jobs BEGIN UPDATE census SET jobs = jobs - 1; END;
        PRAGMA user_version = 1";
    Connection::open(&path).unwrap().execute_batch(older).unwrap();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.list(&everything()).await.unwrap(), records);
    assert_eq!(claimed(&store, 1).await, [uid(1), uid(2), uid(4)], "the third is behind the first, of its owner");
    take(&store, &[record(5)]).await;
    assert_eq!(store.counts().await.unwrap().jobs.values().sum::<u64>(), 5);
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
    // A crash leaves the files as they are while the store is open.
    let copy = dir.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let name = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        std::fs::copy(name(&path), name(&copy)).unwrap();
    }
    assert!(std::fs::metadata(dir.path().join("copy.db-wal")).unwrap().len() > 0);
    let after = Sqlite::open(&copy).unwrap();
    assert_eq!(after.list(&everything()).await.unwrap(), store.list(&everything()).await.unwrap());
    assert_eq!(after.queued(0, 100).await.len(), 50);
    assert_eq!(load(&after, 7).await.state(), State::Failed);
}

#[tokio::test]
async fn an_unreadable_row_is_reported_and_does_not_hold_up_claims() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record(2)]).await;
    damage(&path);
    assert!(matches!(store.load(uid(1)).await, Err(StoreError::Corrupt(_))));
    let one = store.claim("w1", at(1), at(100), 1, &[]).await.unwrap();
    assert!(one.is_empty(), "it was first");
    assert_eq!(claimed(&store, 2).await, [uid(2)]);
}

#[tokio::test]
async fn an_unreadable_row_costs_itself_alone() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    damaged_rows_cost_themselves_alone(&store, async |sql| {
        let other = Connection::open(&path).unwrap();
        assert_eq!(other.execute(sql, []).unwrap(), 1, "{sql}");
    })
    .await;
}

#[tokio::test]
async fn an_unreadable_row_does_not_hold_up_the_sweep() {
    let (_dir, path) = place();
    let store = Sqlite::open(&path).unwrap();
    take(&store, &[record(1), record(2)]).await;
    let_wait(&store, 1, 5).await;
    let_wait(&store, 2, 5).await;
    damage(&path);
    let groups = store.swept_groups(at(6)).await.unwrap();
    let page = store.swept(&groups[0].0, at(6), None, 10).await.unwrap();
    assert_eq!(page.iter().map(|record| record.uid).collect::<Vec<_>>(), [uid(2)]);
}
