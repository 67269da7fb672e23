//! The file: how it is opened, and the version of its schema.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::engine::ports::store::StoreError;
use crate::store::judge;

/// In the header of the file, to recognize it as ours: "CrGr".
pub(super) const APPLICATION_ID: i32 = 0x4372_4772;

/// The schema, step by step. A released step is never edited; a change is a new one.
pub(super) const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/0001-jobs.sql"),
    include_str!("migrations/0002-guards.sql"),
    include_str!("migrations/0003-census.sql"),
    include_str!("migrations/0004-owners.sql"),
    include_str!("migrations/0005-outbox.sql"),
    include_str!("migrations/0006-batches.sql"),
    include_str!("migrations/0007-feed.sql"),
];

/// How long to wait for a lock on the file. Only a person with an SQLite shell can hold one beside the writer.
const BUSY: Duration = Duration::from_secs(5);

/// Pages (of 4 KiB) that the write-ahead log collects before they are copied into the file. A page that many commits touch
/// is then copied once for all of them.
const LOG_PAGES: i64 = 4_000;

/// The writer's page cache, in KiB. It holds all pages that one commit of the sweep touches, so that none is written twice.
const CACHE_KIB: i64 = 8 << 10;

/// The size in bytes to which the write-ahead log is cut back after a burst.
const LOG_BYTES: i64 = 64 << 20;

/// How many statements a connection keeps ready: all that there are, a few kB each. Reading one anew costs more than running it.
const STATEMENTS: usize = 128;

/// A connection that writes. It does not create the file: one that has vanished under a running worker must not come back
/// empty.
pub(super) fn connect(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    let mode: String = conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!(
            "{} does not allow a write-ahead log (journal mode {mode}); is it on a network file system?",
            path.display()
        )));
    }
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    conn.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    conn.pragma_update(None, "cache_size", -CACHE_KIB)?;
    tune(&conn)?;
    Ok(conn)
}

/// A connection that only reads.
pub(super) fn connect_to_read(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY)?;
    tune(&conn)?;
    Ok(conn)
}

/// With QPSG a statement is planned once; by default SQLite plans again whenever a parameter changes that the plan depends
/// on. What a statement may have to undo is kept in memory, not in a file.
pub(super) fn tune(conn: &Connection) -> Result<(), StoreError> {
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(())
}

/// Brings the schema up to date.
pub(super) fn migrate(conn: &mut Connection) -> Result<(), StoreError> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found = version(&tx)?;
    if found == 0 && tx.query_row("SELECT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))? {
        return Err(not_ours());
    }
    for (sql, number) in MIGRATIONS.iter().zip(1_i64..).skip(found) {
        tx.execute_batch(sql)?;
        tx.pragma_update(None, "user_version", number)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    Ok(tx.commit()?)
}

/// Fails if the file holds no store that this program can read.
pub(super) fn recognize(conn: &Connection) -> Result<(), StoreError> {
    if version(conn)? == 0 { Err(not_ours()) } else { Ok(()) }
}

/// Fails if the file is no longer the one that was opened.
pub(super) fn check(conn: &Connection) -> Result<(), StoreError> {
    match version(conn) {
        Ok(found) if found == MIGRATIONS.len() => Ok(()),
        Ok(found) => Err(StoreError::Corrupt(format!("the file was replaced: its schema is now version {found}"))),
        // Only opening says that a store is unusable.
        Err(StoreError::Unusable(_, why)) => Err(StoreError::Corrupt(format!("the file was replaced: {why}"))),
        Err(error) => Err(error),
    }
}

/// How many migrations the file has seen.
pub(super) fn version(conn: &Connection) -> Result<usize, StoreError> {
    let found: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let application: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    if application != APPLICATION_ID && (application != 0 || found != 0) {
        return Err(not_ours());
    }
    judge::schema(found, MIGRATIONS.len())
}

fn not_ours() -> StoreError {
    StoreError::Corrupt("it is an SQLite database, but not one of crossgrant".into())
}
