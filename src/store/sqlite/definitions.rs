//! The workflow definitions that jobs are pinned to, by digest.

use rusqlite::{Connection, OptionalExtension as _};

use crate::engine::ports::store::StoreError;

pub(super) fn put(conn: &Connection, digest: &str, name: &str, text: &str) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT INTO definitions (digest, name, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
        .execute([digest, name, text])?;
    Ok(())
}

pub(super) fn get(conn: &Connection, digest: &str) -> Result<Option<(String, String)>, StoreError> {
    Ok(conn
        .prepare_cached("SELECT name, text FROM definitions WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}
