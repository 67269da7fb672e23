//! What the sweep reads: waiting jobs that are due, by group and in pages.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::row::{self, Uid};
use crate::domain::{InstanceId, JobUid};
use crate::engine::ports::store::{Group, StoreError};
use crate::engine::record::Record;
use crate::store::unreadable::UnreadableRows;

pub(super) fn next(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let next: Option<i64> = conn
        .prepare_cached(
            "SELECT min(due_us) FROM jobs INDEXED BY jobs_swept_due WHERE swept = 1 AND due_us IS NOT NULL",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(next.map(row::time))
}

pub(super) fn groups(conn: &Connection, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT cen_owner, cen_id, instance_type, count(*) FROM jobs INDEXED BY jobs_swept
         WHERE swept = 1 AND due_us <= ?1 GROUP BY cen_owner, cen_id, instance_type",
    )?;
    let mut rows = statement.query([row::at_or_before(now)])?;
    let mut groups = Vec::new();
    while let Some(row) = rows.next()? {
        let (owner, id, kind): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let count = usize::try_from(row.get::<_, i64>(3)?).unwrap_or_default();
        groups.push((row::group(&owner, &id, &kind)?, count));
    }
    Ok(groups)
}

/// A page of a group, by instance id and uid: the cloud's answers are matched in this order, and the next page begins at
/// the right job although jobs of this one have left. A row that cannot be read is left out, so that it does not hold up
/// the others.
pub(super) fn page(
    conn: &Connection,
    unreadable: &UnreadableRows,
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
        page.extend(unreadable.job(uid, row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?));
    }
    Ok(page)
}
