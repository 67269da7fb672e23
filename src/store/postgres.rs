//! The store in a PostgreSQL database, for several workers.
//!
//! Changes of jobs go through one task ([`writer`]), which puts many of them into one transaction of two round trips;
//! everything else goes over a few connections ([`pool`]). What workers share is decided by the database: whose lease it
//! is, by locked rows and its own clock ([`lease`], [`time`]); who is first in a line, by a lock for the line ([`line`]);
//! who publishes and who sweeps, by locks that end with a worker's connection ([`turn`]). They ring each other
//! ([`bell`]) and count each other ([`presence`]). A commit whose answer was lost is not answered until it is known what
//! became of it ([`outcome`]).

mod bell;
mod change;
mod dead;
mod error;
mod group;
mod guards;
mod keep;
mod lease;
mod line;
mod open;
mod outbound;
mod outbox;
mod outcome;
mod pool;
mod presence;
mod query;
mod session;
mod settings;
mod sweep;
mod take;
#[cfg(test)]
mod tests;
mod time;
mod turn;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::task::AbortHandle;

pub use self::settings::PostgresSettings;
pub use self::time::Time;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{AccountUid, CenId, InstanceId, JobId, JobUid, Requester};
use crate::engine::guards::Pause;
use crate::engine::ports::store::{
    Change, Claimed, Committed, Counts, Filter, Group, Message, OutboxRow, Rejected, Store, StoreError, Taken, Wakeup,
};
use crate::engine::record::Record;

/// Counts are kept in so many parts for changes, and in as many for what is taken in. Two that share one wait for each
/// other's commits.
const SHARDS: i16 = 64;

/// A worker that was killed may be started again before the server has noticed: it is given this long.
const NAME_TRIES: usize = 30;
const NAME_PAUSE: Duration = Duration::from_millis(100);

/// How long a read waits for a database that is away.
const PATIENCE: Duration = Duration::from_secs(15);
const PATIENCE_PAUSE: Duration = Duration::from_millis(200);

/// A handle to the database. Dropping it finishes what was begun.
pub struct Postgres {
    pool: Arc<pool::Pool>,
    writer: writer::Writer,
    bell: Arc<bell::Bell>,
    listener: AbortHandle,
    turns: turn::Turns,
    time: Time,
    place: String,
    shard: i16,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Postgres {
    /// Connects, and brings the schema up to date.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be reached or used, or when another worker has this name: the one that starts would
    /// take back the leases of the one that works. `Corrupt` when a newer version has written it.
    pub async fn open(settings: &PostgresSettings, time: Time) -> Result<Self, StoreError> {
        let dialer = session::Dialer::new(settings)?;
        open::migrate(&dialer.dial(None).await?).await?;
        let bell = Arc::new(bell::Bell::new());
        let ears = bell.connect(&dialer).await?;
        take_name(&bell, &settings.name).await?;
        let pool = Arc::new(pool::Pool::new(dialer.clone()));
        let shard = bell::key("shard", &settings.name).rem_euclid(SHARDS.into());
        let shard = i16::try_from(shard).expect("there are not that many");
        Ok(Self {
            writer: writer::Writer::start(Arc::clone(&pool), Arc::clone(&bell), time.clone(), shard),
            place: dialer.place(),
            listener: tokio::spawn(Arc::clone(&bell).run(dialer, ears)).abort_handle(),
            pool,
            bell,
            turns: turn::Turns::default(),
            time,
            shard,
        })
    }

    /// Where it is, without its secrets.
    pub fn place(&self) -> &str {
        &self.place
    }
}

async fn take_name(bell: &bell::Bell, name: &str) -> Result<(), StoreError> {
    let key = bell::key("name", name);
    for _ in 1..NAME_TRIES {
        if bell.keep(key).await? {
            return Ok(());
        }
        SystemClock.sleep(NAME_PAUSE).await;
    }
    if bell.keep(key).await? {
        return Ok(());
    }
    let why = format!("another worker of this database is called {name}, and no two may have the same name");
    Err(StoreError::Unavailable(why))
}

/// A transaction of its own, made again if another was in its way: `write!(self, tx => work)`.
macro_rules! write {
    ($self:ident, $tx:ident => $work:expr) => {
        error::again(|| async {
            let $tx = $self.pool.begin().await?;
            let done = $work.await?;
            $tx.commit().await?;
            Ok(done)
        })
        .await
    };
}

/// A read, again for a while if the database is away: `read!(self, session => work)`.
macro_rules! read {
    ($self:ident, $session:ident => $work:expr) => {
        patiently(|| async {
            let $session = $self.pool.session().await?;
            $work.await
        })
        .await
    };
}

/// A database that is started again, or whose copy takes over, is back in seconds. To a job in work an error of a read is
/// the end of its lease, which is a minute.
async fn patiently<T, F>(mut once: impl FnMut() -> F + Send) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, error::Fault>> + Send,
{
    let until = SystemClock.uptime() + PATIENCE;
    loop {
        match once().await {
            Err(error::Fault::Store(StoreError::Unavailable(why))) if SystemClock.uptime() < until => {
                tracing::debug!(error = why, "cannot read; tries again");
                SystemClock.sleep(PATIENCE_PAUSE).await;
            }
            other => return Ok(other?),
        }
    }
}

#[async_trait]
impl Store for Postgres {
    async fn take(&self, messages: Vec<Message>) -> Result<Vec<Taken>, StoreError> {
        let (taken, heard) = write!(self, tx => take::take(&tx, &messages, SHARDS + self.shard))?;
        self.bell.ring(heard);
        Ok(taken)
    }

    async fn claim(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Claimed>, StoreError> {
        write!(self, tx => lease::claim(&tx, &self.time, holder, now, until, limit))
    }

    async fn reclaim(&self, holder: &str) -> Result<usize, StoreError> {
        write!(self, tx => lease::reclaim(&tx, holder))
    }

    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        writer::only(self.writer.commit(vec![change]).await?)
    }

    async fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError> {
        let uids: Vec<JobUid> = changes.iter().map(|change| change.record.uid).collect();
        let verdicts = self.writer.commit(changes).await?;
        let settled = uids.into_iter().zip(verdicts).map(|(uid, verdict)| match verdict {
            Err(StoreError::Corrupt(error)) => {
                tracing::error!(job.uid = %uid, error, "a change was refused");
                Ok(Committed::Conflict)
            }
            other => other,
        });
        settled.collect()
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        read!(self, session => lease::next_due(&session, &self.time))
    }

    async fn next_sweep(&self) -> Result<Option<Timestamp>, StoreError> {
        match read!(self, session => sweep::next(&session))? {
            Some(due) => Ok(Some(self.turns.next_sweep(due).await)),
            None => Ok(None),
        }
    }

    async fn swept_groups(&self, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError> {
        self.turns.pass(&self.bell).await?;
        read!(self, session => sweep::groups(&session, now))
    }

    async fn swept(
        &self,
        group: &Group,
        now: Timestamp,
        after: Option<(InstanceId, JobUid)>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if !self.turns.to_sweep(&self.bell, group, now).await? {
            return Ok(Vec::new());
        }
        read!(self, session => sweep::page(&session, group, now, after.as_ref(), limit))
    }

    async fn swept_through(&self, group: &Group) -> Result<(), StoreError> {
        self.turns.swept_through(&self.bell, group).await
    }

    async fn load(&self, uid: JobUid) -> Result<Option<Record>, StoreError> {
        read!(self, session => query::load(&session, uid))
    }

    async fn find(&self, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError> {
        read!(self, session => query::find(&session, requester, id))
    }

    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError> {
        read!(self, session => query::waiting_on(&session, instance, cen))
    }

    async fn head_of_line(&self, instance: &InstanceId) -> Result<Option<JobUid>, StoreError> {
        read!(self, session => line::head(&session, instance))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        read!(self, session => query::list(&session, filter))
    }

    async fn events(&self, uid: JobUid) -> Result<Vec<String>, StoreError> {
        read!(self, session => outbound::events(&session, uid))
    }

    async fn outbox(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        let Some(missing) = self.turns.to_publish(&self.bell).await? else { return Ok(Vec::new()) };
        let page = read!(self, session => outbox::page(&session, after, &missing, limit))?;
        self.turns.read(after, &page).await;
        Ok(page)
    }

    async fn mark_sent(&self, confirmed: &[i64], undeliverable: &[i64]) -> Result<(), StoreError> {
        if !(confirmed.is_empty() && undeliverable.is_empty()) {
            write!(self, tx => outbox::mark_sent(&tx, confirmed, undeliverable))?;
        }
        self.turns.settled().await;
        Ok(())
    }

    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError> {
        read!(self, session => dead::rejections(&session, limit, before))
    }

    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        read!(self, session => dead::undeliverable(&session, after, limit))
    }

    async fn replay(&self, numbers: &[i64]) -> Result<usize, StoreError> {
        let replayed = write!(self, tx => dead::replay(&tx, numbers))?;
        self.bell.ring(Wakeup { mail: replayed > 0, ..Wakeup::default() });
        Ok(replayed)
    }

    async fn put_definition(&self, digest: &str, name: &str, text: &str) -> Result<(), StoreError> {
        write!(self, tx => keep::put_definition(&tx, digest, name, text))
    }

    async fn definition(&self, digest: &str) -> Result<Option<(String, String)>, StoreError> {
        read!(self, session => keep::definition(&session, digest))
    }

    async fn pause(&self, pause: &Pause) -> Result<bool, StoreError> {
        write!(self, tx => guards::pause(&tx, pause))
    }

    async fn unpause(&self, account: &AccountUid) -> Result<bool, StoreError> {
        let unpaused = write!(self, tx => guards::unpause(&tx, account))?;
        self.bell.ring(Wakeup { work: unpaused, ..Wakeup::default() });
        Ok(unpaused)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        read!(self, session => guards::pauses(&session))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        read!(self, session => keep::counts(&session))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let written = write!(self, tx => keep::probe(&tx, self.shard))?;
        let read = read!(self, session => keep::probed(&session, self.shard))?;
        // Another probe may have written in between.
        if read >= written { Ok(()) } else { Err(StoreError::Unavailable("a write cannot be read back".into())) }
    }

    async fn prune(&self, keys_before: Timestamp) -> Result<usize, StoreError> {
        // In pieces, so that a first pass over a large table does not hold up the commits of others.
        let mut jobs = 0;
        loop {
            let gone = write!(self, tx => keep::prune(&tx, keys_before, self.shard))?;
            jobs += gone.jobs;
            if !gone.more {
                return Ok(jobs);
            }
        }
    }

    async fn wakeup(&self) -> Wakeup {
        self.bell.wakeup().await
    }

    fn workers(&self) -> u32 {
        self.bell.workers()
    }
}
