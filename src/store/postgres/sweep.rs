//! What the sweep reads: waiting jobs that are due, by group and in pages.

use jiff::Timestamp;
use uuid::Uuid;

use super::connection::Connection;
use super::error::PgError;
use crate::domain::{InstanceId, JobUid};
use crate::engine::ports::store::Group;
use crate::engine::record::Record;
use crate::store::row;
use crate::store::unreadable::UnreadableRows;

pub(super) async fn next(conn: &Connection) -> Result<Option<Timestamp>, PgError> {
    let row = conn.query_one("SELECT min(due_us) FROM jobs WHERE swept AND due_us IS NOT NULL", &[]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}

pub(super) async fn groups(conn: &Connection, now: Timestamp) -> Result<Vec<(Group, usize)>, PgError> {
    let sql = "SELECT cen_owner, cen_id, instance_type, count(*) FROM jobs
        WHERE swept AND due_us <= $1 GROUP BY cen_owner, cen_id, instance_type ORDER BY 1, 2, 3";
    let mut groups = Vec::new();
    for row in conn.query(sql, &[&row::at_or_before(now)]).await? {
        let count = usize::try_from(row.get::<_, i64>(3)).unwrap_or_default();
        groups.push((row::group(row.get(0), row.get(1), row.get(2))?, count));
    }
    Ok(groups)
}

/// A page of a group, by instance id and uid: the cloud's answers are matched in this order, and the next page begins at
/// the right job although jobs of this one have left. A row that cannot be read is left out, so that it does not hold up
/// the others.
pub(super) async fn page(
    conn: &Connection,
    unreadable: &UnreadableRows,
    group: &Group,
    now: Timestamp,
    after: Option<&(InstanceId, JobUid)>,
    limit: usize,
) -> Result<Vec<Record>, PgError> {
    let sql = "SELECT uid, record FROM jobs
        WHERE swept AND cen_owner = $1 AND cen_id = $2 AND instance_type = $3
          AND (instance_id, uid) > ($4, $5) AND due_us <= $6
        ORDER BY instance_id, uid LIMIT $7";
    let (instance, uid) = after.map_or(("", Uuid::nil()), |(instance, uid)| (instance.as_str(), uid.0));
    let (owner, cen, kind) = (group.cen.owner.as_str(), group.cen.id.as_str(), group.kind.as_str());
    let (now, limit) = (row::at_or_before(now), row::limit(limit));
    let mut page = Vec::new();
    for row in conn.query(sql, &[&owner, &cen, &kind, &instance, &uid, &now, &limit]).await? {
        let uid = JobUid(row.get(0));
        page.extend(unreadable.job(uid, row.get(1)));
    }
    Ok(page)
}
