//! What the database must offer, found out before a worker relies on it: a place for every character, sessions of its own,
//! and the rights it needs. Each refusal names the command that mends it.

use std::time::Duration;

use super::connection::Connection;
use super::error::PgError;
use super::lock_keys::{self, WORKER_CLASS};
use crate::engine::ports::store::StoreError;

/// How long two transactions may take that do nothing. A pooler without a free connection lets the second one wait.
const LIMIT: Duration = Duration::from_secs(10);

/// Refuses a pooler that gives each transaction another session: locks, by which only one worker publishes or sweeps, and
/// notifications belong to a session.
pub(super) async fn own_sessions(one: &Connection, other: &Connection) -> Result<(), StoreError> {
    let shared = one.process == other.process
        || tokio::time::timeout(LIMIT, both_moved(one, other)).await.unwrap_or(Ok(true))?;
    if shared { Err(shared_sessions()) } else { Ok(()) }
}

/// What is said of such a pooler.
pub(super) fn shared_sessions() -> StoreError {
    let why = "the database is reached through a pooler that gives each transaction another session (pgbouncer: \
               `pool_mode = transaction`), and locks and notifications need one of their own: connect to the database \
               itself, or set `pool_mode = session` for this user";
    StoreError::Unavailable(why.into())
}

/// Whether one of them is at times with another server process than when it was opened. A pooler gives the first one the
/// session that came free last, or the one that has been free longest: after one of the two orders, that is the other's.
async fn both_moved(one: &Connection, other: &Connection) -> Result<bool, PgError> {
    let mut moved = false;
    for freed in [[one, other], [other, one], [one, other]] {
        for conn in [one, other] {
            conn.batch("BEGIN").await?;
            moved |= conn.present_process().await? != Some(conn.process);
        }
        for conn in freed {
            conn.batch("COMMIT").await?;
        }
    }
    Ok(moved)
}

/// Refuses a database that cannot hold every character, or that takes any bytes for text.
pub(super) async fn encoding(conn: &Connection) -> Result<(), StoreError> {
    let row = conn.query_one("SELECT current_setting('server_encoding'), current_database()::text", &[]).await?;
    let (encoding, database): (&str, &str) = (row.get(0), row.get(1));
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!(
        "the encoding of the database {database:?} is {encoding}, and it must be UTF8: make another, with \
         `createdb --encoding UTF8 --locale C --template template0 NAME`, and name it in `[store] url`"
    )))
}

/// Refuses to change the schema under a worker that runs: one of an older version would write rows without the new columns,
/// and jobs would wait for ever or be written twice.
pub(super) async fn no_other_worker(conn: &Connection) -> Result<(), PgError> {
    // Every role that may connect can take the lock of a worker; a worker may write jobs.
    let sql = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
        AND l.classid = $1::int4::oid AND l.objid = $2::int4::oid
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND has_table_privilege(a.usesysid, to_regclass('crossgrant.jobs'), 'UPDATE')";
    let workers: i64 = conn.query_one(sql, &[&WORKER_CLASS, &lock_keys::presence()]).await?.get(0);
    if workers == 0 {
        return Ok(());
    }
    let why = format!(
        "the schema of the database has to be brought up to date, and {workers} workers of an older version use it: stop \
         them, then start this one"
    );
    Err(StoreError::Unavailable(why).into())
}

/// The commands after which only the worker's role may connect, if every role of the server may: each of them could hold the locks
/// by which workers share out their work.
pub(super) async fn open_to_all(conn: &Connection) -> Result<Option<String>, PgError> {
    let sql = "SELECT has_database_privilege('public', current_database(), 'CONNECT'), quote_ident(current_database()),
        quote_ident(current_user)";
    let row = conn.query_one(sql, &[]).await?;
    let (open, database, role): (bool, String, String) = (row.get(0), row.get(1), row.get(2));
    Ok(open.then(|| {
        format!("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC; GRANT CONNECT ON DATABASE {database} TO {role}")
    }))
}

/// Refuses a role that cannot create the schema where there is none.
pub(super) async fn may_create(conn: &Connection) -> Result<(), PgError> {
    let sql =
        "SELECT has_database_privilege(current_database(), 'CREATE'), current_database()::text, current_user::text";
    let row = conn.query_one(sql, &[]).await?;
    if row.get(0) {
        return Ok(());
    }
    let (database, role): (String, String) = (row.get(1), row.get(2));
    let why = format!(
        "the role {role} cannot create the schema crossgrant: run `GRANT CREATE ON DATABASE {database} TO {role}` as its owner"
    );
    Err(StoreError::Unavailable(why).into())
}

/// Refuses a role that cannot read and write every table, or take the next number of a message.
pub(super) async fn may_work(conn: &Connection) -> Result<(), PgError> {
    let sql = "SELECT coalesce(string_agg(name, ', ' ORDER BY name), ''), current_user::text FROM (
          SELECT c.relname::text || ' (' || concat_ws(', ',
              CASE WHEN NOT has_table_privilege(c.oid, 'SELECT') THEN 'SELECT' END,
              CASE WHEN NOT has_table_privilege(c.oid, 'INSERT') THEN 'INSERT' END,
              CASE WHEN NOT has_table_privilege(c.oid, 'UPDATE') THEN 'UPDATE' END,
              CASE WHEN NOT has_table_privilege(c.oid, 'DELETE') THEN 'DELETE' END) || ')' AS name
          FROM pg_class c WHERE c.relnamespace = 'crossgrant'::regnamespace AND c.relkind = 'r'
            AND c.relname <> 'migrations'
            AND NOT (has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
              AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE'))
          UNION ALL
          SELECT c.relname::text || ' (USAGE)' FROM pg_class c
          WHERE c.relnamespace = 'crossgrant'::regnamespace
            AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'USAGE') ELSE false END
        ) AS missing";
    let row = conn.query_one(sql, &[]).await?;
    let (missing, role): (String, String) = (row.get(0), row.get(1));
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!(
        "the role {role} has not every right in the schema crossgrant; missing: {missing}. Run as the owner of the tables: \
         `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA crossgrant TO {role}; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA crossgrant TO {role}`"
    );
    Err(StoreError::Unavailable(why).into())
}
