//! The schema, and its version.

use super::error::Fault;
use super::line::CLASS;
use super::session::Session;
use crate::engine::ports::store::StoreError;

/// The schema, step by step. What was released is never edited: a change is a new entry.
const MIGRATIONS: [&str; 2] = [include_str!("migrations/0001-jobs.sql"), include_str!("migrations/0002-guards.sql")];

/// The lock for whoever changes the schema; above those of the lines.
const MIGRATING: i32 = 1 << 20;

/// Brings the schema up to date. Several workers may start at once: one does it, the others wait and find it done.
pub(super) async fn migrate(session: &Session) -> Result<(), StoreError> {
    session.patient_batch(&format!("SELECT pg_advisory_lock({CLASS}, {MIGRATING})")).await?;
    // The session, and with it the lock, ends with the migration.
    Ok(steps(session).await?)
}

async fn steps(session: &Session) -> Result<(), Fault> {
    // Not `IF NOT EXISTS`: that asks for the right to create even where there is nothing to create.
    let there = session.query_one("SELECT to_regnamespace('crossgrant') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        session.batch("CREATE SCHEMA crossgrant").await?;
    }
    let there = session.query_one("SELECT to_regclass('crossgrant.migrations') IS NOT NULL", &[]).await?;
    if !there.get::<_, bool>(0) {
        session
            .batch("CREATE TABLE crossgrant.migrations (number integer PRIMARY KEY, at timestamptz NOT NULL)")
            .await?;
    }
    let found = version(session).await?;
    for (sql, number) in MIGRATIONS.iter().zip(1_i32..).skip(found) {
        session
            .patient_batch(&format!("BEGIN; {sql}; INSERT INTO migrations VALUES ({number}, now()); COMMIT"))
            .await?;
        tracing::info!(migration = number, "brought the schema of the database up to date");
    }
    Ok(())
}

/// How many migrations the database has seen.
async fn version(session: &Session) -> Result<usize, Fault> {
    let row = session.query_one("SELECT coalesce(max(number), 0) FROM crossgrant.migrations", &[]).await?;
    let found: i32 = row.get(0);
    let known = MIGRATIONS.len();
    usize::try_from(found).ok().filter(|found| *found <= known).ok_or_else(|| {
        let why = format!(
            "its schema is version {found}, and this program knows versions up to {known}: a newer one has written it"
        );
        StoreError::Corrupt(why).into()
    })
}
