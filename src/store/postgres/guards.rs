//! Guards: who may begin to write, and which accounts are paused.
//!
//! Two workers may let a job begin at the same moment. So whoever does locks what it is counted as until it has committed,
//! and shares a lock that whoever pauses an account has alone: a pause that was answered is seen by all.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Fault;
use super::line::CLASS;
use super::session::{Pipeline, Session};
use crate::domain::AccountUid;
use crate::engine::guards::{Pause, counted_as};
use crate::engine::ports::store::{Admission, Change, Committed, StoreError};
use crate::engine::record::Record;
use crate::store::row;

/// The lock between those who begin and those who pause; above those of lines and counts.
const PAUSING: i32 = 1 << 16;

pub(super) const SHARE: &str = "SELECT pg_advisory_xact_lock_shared($1, $2)";
pub(super) const PAUSED: &str = "SELECT account FROM pauses WHERE active";
/// How many others were counted as the same, for each that asks.
pub(super) const BEGUN: &str = "SELECT n.uid, (SELECT count(*) FROM jobs j
      WHERE j.counted_as = n.counted_as AND j.begun_us > n.since_us AND j.uid <> n.uid)
    FROM unnest($1::uuid[], $2::text[], $3::int8[]) AS n(uid, counted_as, since_us)";

/// What the changes of a group that begin are tested by.
#[derive(Default)]
pub(super) struct Guards {
    paused: HashSet<String>,
    begun: HashMap<Uuid, i64>,
}

/// A job of the group that counts, as it was and as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) counted_as: Option<String>,
    pub(super) begun_us: Option<i64>,
}

/// The changes that begin.
fn beginning<'a>(changes: &'a [&'a Change]) -> impl Iterator<Item = (&'a Record, Admission)> + Clone {
    changes.iter().filter_map(|change| Some((&*change.record, change.begins?)))
}

/// What must be locked of those that begin, besides their lines.
pub(super) fn counts(changes: &[&Change]) -> Vec<String> {
    let limited = beginning(changes).filter(|(_, begins)| begins.most.is_some());
    limited.filter_map(|(record, _)| counted_as(&record.job)).collect()
}

impl Guards {
    /// Keeps pauses from changing; before any other lock.
    pub(super) async fn share(pipeline: Pipeline<'_>, changes: &[&Change]) -> Result<(), Fault> {
        let nobody = beginning(changes).next().is_none();
        pipeline.unless(nobody, SHARE, &[&CLASS, &PAUSING]).await.map(drop)
    }

    /// Reads pauses and counts, once all is locked.
    pub(super) async fn read(pipeline: Pipeline<'_>, changes: &[&Change]) -> Result<Self, Fault> {
        let nobody = beginning(changes).next().is_none();
        let (mut uids, mut counts, mut times) = (Vec::<Uuid>::new(), Vec::new(), Vec::new());
        for (record, begins) in beginning(changes).filter(|(_, begins)| begins.most.is_some()) {
            if let Some(counted_as) = counted_as(&record.job) {
                uids.push(record.uid.0);
                counts.push(counted_as);
                times.push(row::at_or_before(begins.since));
            }
        }
        let (paused, begun) = tokio::try_join!(
            biased;
            pipeline.unless(nobody, PAUSED, &[]),
            async { pipeline.unless(uids.is_empty(), BEGUN, &[&uids, &counts, &times]).await },
        )?;
        let count = |row: &Row| (row.get(0), row.get(1));
        Ok(Self { paused: paused.iter().map(|row| row.get(0)).collect(), begun: begun.iter().map(count).collect() })
    }

    /// Tests a job that is about to begin. `others` are the jobs that the same group has changed before it: as they were
    /// when they were read, and as they are now.
    pub(super) fn test<'a>(
        &self,
        record: &Record,
        begins: Admission,
        others: impl Iterator<Item = (&'a Counted, &'a Counted)>,
    ) -> Committed {
        let accounts = [record.job.instance.owner.as_str(), record.job.cen.owner.as_str()];
        if accounts.iter().any(|account| self.paused.contains(*account)) {
            return Committed::Paused;
        }
        let (Some(of), Some(most)) = (counted_as(&record.job), begins.most) else { return Committed::Done };
        let since = row::at_or_before(begins.since);
        let counts = |job: &Counted| {
            job.counted_as.as_ref() == Some(&of) && job.begun_us.is_some_and(|begun_us| begun_us > since)
        };
        let stored = self.begun.get(&record.uid.0).copied().unwrap_or(0);
        let more: i64 = others.map(|(was, is)| i64::from(counts(is)) - i64::from(counts(was))).sum();
        let begun = (stored + more).unsigned_abs();
        if begun < u64::from(most) { Committed::Done } else { Committed::OverLimit(begun) }
    }
}

/// Pauses an account, unless it is paused.
pub(super) async fn pause(session: &Session, pause: &Pause) -> Result<bool, Fault> {
    let Pause { account, since, by, reason } = pause;
    alone(session).await?;
    let sql = "INSERT INTO pauses AS p (account, active, since_us, set_by, reason) VALUES ($1, true, $2, $3, $4)
        ON CONFLICT (account) DO UPDATE SET active = true, since_us = $2, set_by = $3, reason = $4 WHERE NOT p.active";
    let (account, since) = (account.as_str(), row::at_or_before(*since));
    Ok(session.execute(sql, &[&account, &since, &by.as_bytes(), &reason.as_bytes()]).await? == 1)
}

/// Ends a pause, if there is one.
pub(super) async fn unpause(session: &Session, account: &AccountUid) -> Result<bool, Fault> {
    alone(session).await?;
    let sql = "UPDATE pauses SET active = false WHERE account = $1 AND active";
    Ok(session.execute(sql, &[&account.as_str()]).await? == 1)
}

/// Waits for those that are beginning.
async fn alone(session: &Session) -> Result<(), Fault> {
    session.query("SELECT pg_advisory_xact_lock($1, $2)", &[&CLASS, &PAUSING]).await.map(drop)
}

/// The accounts that are paused.
pub(super) async fn pauses(session: &Session) -> Result<Vec<Pause>, Fault> {
    let sql = "SELECT account, since_us, set_by, reason FROM pauses WHERE active ORDER BY account";
    let mut pauses = Vec::new();
    for row in session.query(sql, &[]).await? {
        let account: &str = row.get(0);
        let unreadable = |why: String| StoreError::Corrupt(format!("the pause of account {account}: {why}"));
        let text = |column: usize| String::from_utf8(row.get(column)).map_err(|error| unreadable(error.to_string()));
        pauses.push(Pause {
            account: AccountUid::parse(account).map_err(|error| unreadable(error.to_string()))?,
            since: row::time(row.get(1)),
            by: text(2)?,
            reason: text(3)?,
        });
    }
    Ok(pauses)
}
