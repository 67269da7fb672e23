//! The schema of the database, and its version.

use super::connection::Connection;
use super::error::PgError;
use super::lock_keys::{MIGRATION, TRANSACTION_CLASS};
use super::preconditions;
use crate::engine::ports::store::StoreError;
use crate::store::judge;

/// The schema, step by step. A released step is never edited; a change is a new one.
pub(super) const MIGRATIONS: [&str; 7] = [
    include_str!("migrations/0001-jobs.sql"),
    include_str!("migrations/0002-guards.sql"),
    include_str!("migrations/0003-owners.sql"),
    include_str!("migrations/0004-outbox.sql"),
    include_str!("migrations/0005-leases.sql"),
    include_str!("migrations/0006-batches.sql"),
    include_str!("migrations/0007-feed.sql"),
];

/// Brings the schema up to date. Of several workers that start at once, one does it; the others wait and find it done.
pub(super) async fn migrate(conn: &Connection) -> Result<(), StoreError> {
    preconditions::encoding(conn).await?;
    conn.patient_batch(&format!("SELECT pg_advisory_lock({TRANSACTION_CLASS}, {MIGRATION})")).await?;
    // The lock ends with the connection, which is used for nothing else.
    Ok(steps(conn).await?)
}

async fn steps(conn: &Connection) -> Result<(), PgError> {
    // `IF NOT EXISTS` would need the privilege to create even where everything is there.
    if !has_schema(conn).await? {
        preconditions::may_create(conn).await?;
        conn.batch("CREATE SCHEMA crossgrant").await?;
    }
    if !has_migrations(conn).await? {
        conn.batch("CREATE TABLE crossgrant.migrations (number integer PRIMARY KEY, at timestamptz NOT NULL)").await?;
    }
    let found = version(conn).await?;
    if found < MIGRATIONS.len() {
        preconditions::no_other_worker(conn).await?;
    }
    for (sql, number) in MIGRATIONS.iter().zip(1_i32..).skip(found) {
        conn.patient_batch(&format!("BEGIN; {sql}; INSERT INTO migrations VALUES ({number}, now()); COMMIT")).await?;
        tracing::info!(migration = number, "migrated the schema of the database");
    }
    preconditions::may_work(conn).await
}

/// Whether the schema is there, with or without anything in it.
pub(super) async fn has_schema(conn: &Connection) -> Result<bool, PgError> {
    Ok(conn.query_one("SELECT to_regnamespace('crossgrant') IS NOT NULL", &[]).await?.get(0))
}

async fn has_migrations(conn: &Connection) -> Result<bool, PgError> {
    Ok(conn.query_one("SELECT to_regclass('crossgrant.migrations') IS NOT NULL", &[]).await?.get(0))
}

/// How many migrations the database has seen; 0 also if it holds no list of them.
pub(super) async fn found(conn: &Connection) -> Result<usize, PgError> {
    if has_migrations(conn).await? { version(conn).await } else { Ok(0) }
}

/// How many migrations the database has seen.
async fn version(conn: &Connection) -> Result<usize, PgError> {
    let row = conn.query_one("SELECT coalesce(max(number), 0) FROM crossgrant.migrations", &[]).await?;
    Ok(judge::schema(row.get::<_, i32>(0).into(), MIGRATIONS.len())?)
}
