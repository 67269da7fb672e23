//! What the sweep reads: the waiting jobs that are due, by group and in pages.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::row::{self, Uid};
use crate::domain::{AccountUid, BadName, Cen, CenId, InstanceId, InstanceType, JobUid};
use crate::engine::ports::store::{Group, StoreError};
use crate::engine::record::Record;

/// When the sweep will next have something.
pub(super) fn next(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = conn
        .prepare_cached(
            "SELECT min(due_us) FROM jobs INDEXED BY jobs_swept_due WHERE swept = 1 AND due_us IS NOT NULL",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(row::time))
}

/// The groups with jobs due at `now`, each with the number of them.
pub(super) fn groups(conn: &Connection, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT cen_owner, cen_id, instance_type, count(*) FROM jobs INDEXED BY jobs_swept
         WHERE swept = 1 AND due_us <= ?1 GROUP BY cen_owner, cen_id, instance_type",
    )?;
    let mut rows = statement.query([row::at_or_before(now)])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let (owner, id, kind): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let cen =
            Cen { id: CenId::parse(id).map_err(unreadable)?, owner: AccountUid::parse(owner).map_err(unreadable)? };
        let kind =
            InstanceType::parse(&kind).ok_or_else(|| StoreError::Corrupt(format!("unknown instance type {kind}")))?;
        let count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or_default();
        groups.push((Group { cen, kind }, count));
    }
    Ok(groups)
}

fn unreadable(error: BadName) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// A page of a group, by instance id and uid: the order in which the cloud's answers are matched, and one that stays put
/// while jobs before it leave. A row that cannot be read is left out, and said: it must not hold up the others.
pub(super) fn page(
    conn: &Connection,
    group: &Group,
    now: Timestamp,
    after: Option<&(InstanceId, JobUid)>,
    limit: usize,
) -> Result<Vec<Record>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT uid, record FROM jobs INDEXED BY jobs_swept
         WHERE swept = 1 AND cen_owner = ?1 AND cen_id = ?2 AND instance_type = ?3
           AND (instance_id, uid) > (?4, ?5) AND due_us <= ?6
         ORDER BY instance_id, uid LIMIT ?7",
    )?;
    let (instance, uid) = match after {
        Some((instance, uid)) => (instance.as_str(), uid.0.as_bytes().as_slice()),
        None => ("", [].as_slice()),
    };
    let mut rows = statement.query(params![
        group.cen.owner.as_str(),
        group.cen.id.as_str(),
        group.kind.as_str(),
        instance,
        uid,
        row::at_or_before(now),
        row::limit(limit),
    ])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let uid = row.get::<_, Uid>(0)?.0;
        match row::read(uid, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?) {
            Ok(record) => page.push(record),
            Err(error) => tracing::error!(job.uid = %uid, %error, "a job that waits for the hour cannot be read"),
        }
    }
    Ok(page)
}
