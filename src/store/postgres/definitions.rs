//! The workflow definitions that jobs are pinned to, by digest.

use super::connection::Connection;
use super::error::PgError;

pub(super) async fn put(conn: &Connection, digest: &str, name: &str, text: &str) -> Result<(), PgError> {
    let sql = "INSERT INTO definitions (digest, name, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    conn.execute(sql, &[&digest, &name, &text]).await.map(drop)
}

pub(super) async fn get(conn: &Connection, digest: &str) -> Result<Option<(String, String)>, PgError> {
    let row = conn.query_opt("SELECT name, text FROM definitions WHERE digest = $1", &[&digest]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}
