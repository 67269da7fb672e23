//! What the sweep reads: the waiting jobs that are due, by group and in pages.

use jiff::Timestamp;
use uuid::Uuid;

use super::error::Fault;
use super::session::Session;
use crate::domain::{AccountUid, BadName, Cen, CenId, InstanceId, InstanceType, JobUid};
use crate::engine::ports::store::{Group, StoreError};
use crate::engine::record::Record;
use crate::store::row;

/// When the sweep will next have something.
pub(super) async fn next(session: &Session) -> Result<Option<Timestamp>, Fault> {
    let row = session.query_one("SELECT min(due_us) FROM jobs WHERE swept AND due_us IS NOT NULL", &[]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}

/// The groups with jobs due at `now`, each with the number of them.
pub(super) async fn groups(session: &Session, now: Timestamp) -> Result<Vec<(Group, usize)>, Fault> {
    let sql = "SELECT cen_owner, cen_id, instance_type, count(*) FROM jobs
        WHERE swept AND due_us <= $1 GROUP BY cen_owner, cen_id, instance_type ORDER BY 1, 2, 3";
    let mut groups = Vec::new();
    for row in session.query(sql, &[&row::at_or_before(now)]).await? {
        let (owner, id, kind): (String, String, &str) = (row.get(0), row.get(1), row.get(2));
        let cen =
            Cen { id: CenId::parse(id).map_err(unreadable)?, owner: AccountUid::parse(owner).map_err(unreadable)? };
        let kind =
            InstanceType::parse(kind).ok_or_else(|| StoreError::Corrupt(format!("unknown instance type {kind}")))?;
        let count = usize::try_from(row.get::<_, i64>(3)).unwrap_or_default();
        groups.push((Group { cen, kind }, count));
    }
    Ok(groups)
}

fn unreadable(error: BadName) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

/// A page of a group, by instance id and uid: the order in which the cloud's answers are matched, and one that stays put
/// while jobs before it leave. A row that cannot be read is left out, and said: it must not hold up the others.
pub(super) async fn page(
    session: &Session,
    group: &Group,
    now: Timestamp,
    after: Option<&(InstanceId, JobUid)>,
    limit: usize,
) -> Result<Vec<Record>, Fault> {
    let sql = "SELECT uid, record FROM jobs
        WHERE swept AND cen_owner = $1 AND cen_id = $2 AND instance_type = $3
          AND (instance_id, uid) > ($4, $5) AND due_us <= $6
        ORDER BY instance_id, uid LIMIT $7";
    let (instance, uid) = after.map_or(("", Uuid::nil()), |(instance, uid)| (instance.as_str(), uid.0));
    let (owner, cen, kind) = (group.cen.owner.as_str(), group.cen.id.as_str(), group.kind.as_str());
    let (now, limit) = (row::at_or_before(now), row::limit(limit));
    let mut page = Vec::new();
    for row in session.query(sql, &[&owner, &cen, &kind, &instance, &uid, &now, &limit]).await? {
        let uid = JobUid(row.get(0));
        match row::read(uid, row.get(1)) {
            Ok(record) => page.push(record),
            Err(error) => tracing::error!(job.uid = %uid, %error, "a job that waits for the hour cannot be read"),
        }
    }
    Ok(page)
}
