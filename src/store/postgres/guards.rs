//! Guards: whether a job may begin to write, and which accounts are paused.
//!
//! Two workers may let a job begin at the same moment. So a transaction in which a job begins locks what the job is counted
//! as, until it has committed. It also shares a lock that a transaction which pauses an account takes alone: once a pause
//! is answered, every worker sees it.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::connection::{Connection, Pipeline};
use super::error::PgError;
use super::lock_keys::{PAUSES, TRANSACTION_CLASS};
use crate::domain::AccountUid;
use crate::engine::guards::{Pause, counted_as};
use crate::engine::ports::store::{Admission, Change, Committed, StoreError};
use crate::engine::record::Record;
use crate::store::{judge, row};

pub(super) const SHARE: &str = "SELECT pg_advisory_xact_lock_shared($1, $2)";
pub(super) const PAUSED: &str = "SELECT account FROM pauses WHERE active";
/// For each job that begins: how many others are counted with it.
pub(super) const BEGUN: &str = "SELECT n.uid, (SELECT count(*) FROM jobs j
      WHERE j.counted_as = n.counted_as AND j.begun_us > n.since_us AND j.uid <> n.uid)
    FROM unnest($1::uuid[], $2::text[], $3::int8[]) AS n(uid, counted_as, since_us)";

/// What jobs that begin in a group of changes are checked by.
#[derive(Default)]
pub(super) struct Guards {
    paused: HashSet<String>,
    /// How many others of those counted with a job had begun when the group was read.
    begun: HashMap<Uuid, i64>,
}

/// What a job is counted as, and since when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) counted_as: Option<String>,
    pub(super) begun_us: Option<i64>,
}

/// The jobs that begin.
fn beginning<'a>(changes: &'a [&'a Change]) -> impl Iterator<Item = (&'a Record, Admission)> + Clone {
    changes.iter().filter_map(|change| Some((&*change.record, change.admission?)))
}

/// What jobs that begin are counted as: must be locked like their queues.
pub(super) fn counted_names(changes: &[&Change]) -> Vec<String> {
    let limited = beginning(changes).filter(|(_, admission)| admission.most.is_some());
    limited.filter_map(|(record, _)| counted_as(&record.job)).collect()
}

impl Guards {
    /// Keeps pauses from changing. A transaction takes this lock before all others.
    pub(super) async fn share(pipeline: Pipeline<'_>, changes: &[&Change]) -> Result<(), PgError> {
        let none = beginning(changes).next().is_none();
        pipeline.query_unless(none, SHARE, &[&TRANSACTION_CLASS, &PAUSES]).await.map(drop)
    }

    /// Reads pauses and counts. Everything must be locked before.
    pub(super) async fn read(pipeline: Pipeline<'_>, changes: &[&Change]) -> Result<Self, PgError> {
        let none = beginning(changes).next().is_none();
        let (mut uids, mut counts, mut times) = (Vec::<Uuid>::new(), Vec::new(), Vec::new());
        for (record, admission) in beginning(changes).filter(|(_, admission)| admission.most.is_some()) {
            if let Some(counted_as) = counted_as(&record.job) {
                uids.push(record.uid.0);
                counts.push(counted_as);
                times.push(row::at_or_before(admission.since));
            }
        }
        let (paused, begun) = tokio::try_join!(
            biased;
            pipeline.query_unless(none, PAUSED, &[]),
            async { pipeline.query_unless(uids.is_empty(), BEGUN, &[&uids, &counts, &times]).await },
        )?;
        let count = |row: &Row| (row.get(0), row.get(1));
        Ok(Self { paused: paused.iter().map(|row| row.get(0)).collect(), begun: begun.iter().map(count).collect() })
    }

    /// Checks a job that is about to begin. `others` are the other jobs of the group: as they were when the group was read,
    /// and as the changes before this one have left them.
    pub(super) fn check<'a>(
        &self,
        record: &Record,
        admission: Admission,
        others: impl Iterator<Item = (&'a Counted, &'a Counted)>,
    ) -> Committed {
        let accounts = [record.job.instance.owner.as_str(), record.job.cen.owner.as_str()];
        if accounts.iter().any(|account| self.paused.contains(*account)) {
            return Committed::Paused;
        }
        let (Some(counted_as), Some(most)) = (counted_as(&record.job), admission.most) else { return Committed::Done };
        let since = row::at_or_before(admission.since);
        let counts = |job: &Counted| {
            job.counted_as.as_ref() == Some(&counted_as) && job.begun_us.is_some_and(|begun_us| begun_us > since)
        };
        let stored = self.begun.get(&record.uid.0).copied().unwrap_or(0);
        let more: i64 = others.map(|(was, is)| i64::from(counts(is)) - i64::from(counts(was))).sum();
        judge::admit(stored + more, most)
    }
}

pub(super) async fn pause(conn: &Connection, pause: &Pause) -> Result<bool, PgError> {
    let Pause { account, since, reason, .. } = pause;
    lock_pauses(conn).await?;
    let sql = "INSERT INTO pauses AS p (account, active, since_us, set_by, reason) VALUES ($1, true, $2, $3, $4)
        ON CONFLICT (account) DO UPDATE SET active = true, since_us = $2, set_by = $3, reason = $4 WHERE NOT p.active";
    let (account, since, set_by) = (account.as_str(), row::at_or_before(*since), row::set_by(pause));
    Ok(conn.execute(sql, &[&account, &since, &set_by.as_bytes(), &reason.as_bytes()]).await? == 1)
}

pub(super) async fn unpause(conn: &Connection, account: &AccountUid) -> Result<bool, PgError> {
    lock_pauses(conn).await?;
    let sql = "UPDATE pauses SET active = false WHERE account = $1 AND active";
    Ok(conn.execute(sql, &[&account.as_str()]).await? == 1)
}

/// Waits for transactions in which a job begins.
async fn lock_pauses(conn: &Connection) -> Result<(), PgError> {
    conn.query("SELECT pg_advisory_xact_lock($1, $2)", &[&TRANSACTION_CLASS, &PAUSES]).await.map(drop)
}

pub(super) async fn pauses(conn: &Connection) -> Result<Vec<Pause>, PgError> {
    let sql = "SELECT account, since_us, set_by, reason FROM pauses WHERE active ORDER BY account";
    let mut pauses = Vec::new();
    for row in conn.query(sql, &[]).await? {
        let account: &str = row.get(0);
        let unreadable = |why: String| StoreError::Corrupt(format!("the pause of account {account}: {why}"));
        let text = |column: usize| String::from_utf8(row.get(column)).map_err(|error| unreadable(error.to_string()));
        let (by, authority) = row::setters(&text(2)?);
        pauses.push(Pause {
            account: AccountUid::parse(account).map_err(|error| unreadable(error.to_string()))?,
            since: row::time(row.get(1)),
            by,
            authority,
            reason: text(3)?,
        });
    }
    Ok(pauses)
}
