//! Guards: whether a job may begin to write, and which accounts are paused.

use rusqlite::{Connection, params};

use super::row::{self, Uid};
use crate::domain::AccountUid;
use crate::engine::guards::Pause;
use crate::engine::ports::store::{Admission, Committed, StoreError};
use crate::engine::record::Record;
use crate::store::judge;

/// Checks a job that is about to begin, in the transaction that would let it. There is one writer, so no other job begins
/// between the count and the commit.
pub(super) fn check(conn: &Connection, record: &Record, admission: Admission) -> Result<Committed, StoreError> {
    let paused = conn
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM pauses WHERE active = 1 AND account IN (?1, ?2))")?
        .query_row([record.job.instance.owner.as_str(), record.job.cen.owner.as_str()], |row| row.get(0))?;
    if paused {
        return Ok(Committed::Paused);
    }
    let columns = row::index(record)?;
    let (Some(counted_as), Some(most)) = (columns.counted_as, admission.most) else { return Ok(Committed::Done) };
    let begun: i64 = conn
        .prepare_cached("SELECT count(*) FROM jobs WHERE counted_as = ?1 AND begun_us > ?2 AND uid <> ?3")?
        .query_row(params![counted_as, row::at_or_before(admission.since), Uid(record.uid)], |row| row.get(0))?;
    Ok(judge::admit(begun, most))
}

pub(super) fn pause(conn: &Connection, pause: &Pause) -> Result<bool, StoreError> {
    let Pause { account, since, reason, .. } = pause;
    let changed = conn
        .prepare_cached(
            "INSERT INTO pauses (account, active, since_us, set_by, reason) VALUES (?1, 1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET active = 1, since_us = ?2, set_by = ?3, reason = ?4 WHERE active = 0",
        )?
        .execute(params![account.as_str(), row::at_or_before(*since), row::set_by(pause), reason])?;
    Ok(changed == 1)
}

pub(super) fn unpause(conn: &Connection, account: &AccountUid) -> Result<bool, StoreError> {
    let changed = conn
        .prepare_cached("UPDATE pauses SET active = 0 WHERE account = ?1 AND active = 1")?
        .execute([account.as_str()])?;
    Ok(changed == 1)
}

pub(super) fn pauses(conn: &Connection) -> Result<Vec<Pause>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT account, since_us, set_by, reason FROM pauses WHERE active = 1 ORDER BY account")?;
    let mut rows = statement.query([])?;
    let mut pauses = Vec::new();
    while let Some(row) = rows.next()? {
        let account: String = row.get(0)?;
        let account = AccountUid::parse(account.as_str())
            .map_err(|error| StoreError::Corrupt(format!("the pause of account {account}: {error}")))?;
        let (by, authority) = row::setters(&row.get::<_, String>(2)?);
        pauses.push(Pause { account, since: row::time(row.get(1)?), by, authority, reason: row.get(3)? });
    }
    Ok(pauses)
}
