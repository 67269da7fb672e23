//! Housekeeping: definitions, counts, the probe, and what is forgotten.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Fault;
use super::session::{Pipeline, Session};
use crate::domain::Kind;
use crate::engine::ports::store::{Counts, StoreError};
use crate::engine::record::State;
use crate::store::row;

/// So many jobs, and so many rejections, are forgotten in one transaction.
const PIECE: i64 = 500;

/// Counts jobs by kind and state: one row of each, in one order.
pub(super) const COUNT: &str = "INSERT INTO census AS c (shard, kind, state, jobs)
    SELECT $1, * FROM unnest($2::text[], $3::text[], $4::int8[]) AS n(kind, state, jobs)
    ON CONFLICT (shard, kind, state) DO UPDATE SET jobs = c.jobs + excluded.jobs";

/// Keeps a definition.
pub(super) async fn put_definition(session: &Session, digest: &str, name: &str, text: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO definitions (digest, name, text) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    session.execute(sql, &[&digest, &name, &text]).await.map(drop)
}

/// A definition: its name and text.
pub(super) async fn definition(session: &Session, digest: &str) -> Result<Option<(String, String)>, Fault> {
    let row = session.query_opt("SELECT name, text FROM definitions WHERE digest = $1", &[&digest]).await?;
    Ok(row.map(|row| (row.get(0), row.get(1))))
}

/// Adds to the counts of a shard.
pub(super) async fn count(pipeline: Pipeline<'_>, more: &BTreeMap<(&str, &str), i64>, shard: i16) -> Result<(), Fault> {
    let more: Vec<_> = more.iter().filter(|(_, jobs)| **jobs != 0).collect();
    if more.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = more.iter().map(|((kind, _), _)| *kind).collect();
    let states: Vec<&str> = more.iter().map(|((_, state), _)| *state).collect();
    let jobs: Vec<i64> = more.iter().map(|(_, jobs)| **jobs).collect();
    pipeline.execute(COUNT, &[&shard, &kinds, &states, &jobs]).await
}

/// Counts for the metrics; kinds and states without a job are left out.
pub(super) async fn counts(session: &Session) -> Result<Counts, Fault> {
    let mut census = Counts::default();
    let sql = "SELECT kind, state, sum(jobs)::int8 FROM census GROUP BY kind, state HAVING sum(jobs) > 0";
    for row in session.query(sql, &[]).await? {
        let (kind, state): (&str, &str) = (row.get(0), row.get(1));
        let (Some(known_kind), Some(known_state)) = (Kind::parse(kind), State::parse(state)) else {
            return Err(StoreError::Corrupt(format!("unknown kind {kind} or state {state}")).into());
        };
        census.jobs.insert((known_kind, known_state), counted(&row, 2));
    }
    let sql = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM undeliverable),
        (SELECT count(*) FROM rejections), (SELECT count(*) FROM pauses WHERE active)";
    let row = session.query_one(sql, &[]).await?;
    census.paused = counted(&row, 3);
    (census.outbox, census.undeliverable, census.rejected) = (counted(&row, 0), counted(&row, 1), counted(&row, 2));
    Ok(census)
}

fn counted(row: &Row, column: usize) -> u64 {
    row.get::<_, i64>(column).unsigned_abs()
}

/// Writes something; says what.
pub(super) async fn probe(session: &Session, shard: i16) -> Result<i64, Fault> {
    let sql = "INSERT INTO probe AS p (shard, writes) VALUES ($1, 1)
        ON CONFLICT (shard) DO UPDATE SET writes = p.writes + 1 RETURNING writes";
    Ok(session.query_one(sql, &[&shard]).await?.get(0))
}

/// Reads what [`probe`] wrote last.
pub(super) async fn probed(session: &Session, shard: i16) -> Result<i64, Fault> {
    let row = session.query_opt("SELECT writes FROM probe WHERE shard = $1", &[&shard]).await?;
    Ok(row.map_or(0, |row| row.get(0)))
}

/// What one piece of forgetting came to.
pub(super) struct Gone {
    pub(super) jobs: usize,
    /// Whether there is more to forget.
    pub(super) more: bool,
}

/// Forgets a piece of what is older than `before`. A job or rejection of which something is still to be published stays
/// until it is; what another is busy with stays until next time.
pub(super) async fn prune(session: &Session, before: Timestamp, shard: i16) -> Result<Gone, Fault> {
    let before = row::at_or_before(before);
    let jobs = "SELECT j.uid FROM keys k JOIN jobs j ON j.uid = k.uid
        WHERE k.created_us < $1 AND j.ended AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = k.uid)
        LIMIT $2 FOR UPDATE OF j SKIP LOCKED";
    let rejections = "SELECT uid FROM rejections r
        WHERE at_us < $1 AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = r.uid) LIMIT $2 FOR UPDATE SKIP LOCKED";
    let (jobs, rejections) = (unsaid(session, jobs, before).await?, unsaid(session, rejections, before).await?);
    let more = jobs.len() == PIECE as usize || rejections.len() == PIECE as usize;
    let gone = session.query("DELETE FROM jobs WHERE uid = ANY ($1) RETURNING kind, state", &[&jobs]).await?;
    for sql in ["DELETE FROM keys WHERE uid = ANY ($1)", "DELETE FROM labels WHERE uid = ANY ($1)"] {
        session.execute(sql, &[&jobs]).await?;
    }
    session.execute("DELETE FROM followers WHERE uid = ANY ($1)", &[&jobs]).await?;
    session.execute("DELETE FROM rejections WHERE uid = ANY ($1)", &[&rejections]).await?;
    let all: Vec<Uuid> = jobs.iter().chain(&rejections).copied().collect();
    for sql in ["DELETE FROM events WHERE uid = ANY ($1)", "DELETE FROM undeliverable WHERE uid = ANY ($1)"] {
        session.execute(sql, &[&all]).await?;
    }
    let mut census: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for row in &gone {
        *census.entry((row.get(0), row.get(1))).or_default() -= 1;
    }
    session.prepare(&[COUNT]).await?;
    count(session.pipeline(), &census, shard).await?;
    Ok(Gone { jobs: gone.len(), more })
}

/// Locks what `sql` selects, and leaves out what somebody has asked about again before it was locked.
async fn unsaid(session: &Session, sql: &str, before: i64) -> Result<Vec<Uuid>, Fault> {
    let rows = session.query(sql, &[&before, &PIECE]).await?;
    let locked: Vec<Uuid> = rows.iter().map(|row| row.get(0)).collect();
    let still = "SELECT uid FROM unnest($1::uuid[]) AS n(uid)
        WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.uid = n.uid)";
    let rows = session.query(still, &[&locked]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
