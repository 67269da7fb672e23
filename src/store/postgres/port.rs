//! The port: each method is a transaction, a read, or a word to the listener.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::transaction::Transaction;
use super::{
    Postgres, SHARDS, batches, counts, dead, definitions, error, feed, guards, history, instance_queue, lease,
    lock_keys, outbound, outbox, probe, query, retention, sweep, take, webhooks, writer,
};
use crate::clock::{Clock as _, SystemClock};
use crate::domain::{AccountUid, BatchId, CenId, Instance, InstanceId, JobId, JobUid, Requester};
use crate::engine::batch::{Batch, Tally};
use crate::engine::guards::Pause;
use crate::engine::ports::feed::{FEED_SCAN, Feed, FeedPage};
use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::{
    Ages, BatchChange, Change, Claimed, Committed, Counts, Filter, Group, KeptEvent, LatestDue, Message, Outbox,
    OutboxPage, OutboxRow, Outlook, Rejected, RejectedMessage, Settlement, Store, StoreError, Taken, Turns,
    UndeliverableRow, WaitingWebhook, Wakeup, Whole,
};
use crate::engine::record::Record;
use crate::store::judge;

/// How long a read waits for a database that cannot be reached.
const READ_PATIENCE: Duration = Duration::from_secs(15);
const READ_PAUSE: Duration = Duration::from_millis(200);

/// Runs `work` in a transaction, again if another collided with it: `transact!(self, tx => work)`.
macro_rules! transact {
    ($self:ident, $tx:ident => $work:expr) => {
        error::retry(|| async {
            let $tx = Transaction::begin(&$self.pool).await?;
            let done = $work.await?;
            $tx.commit().await?;
            Ok(done)
        })
        .await
    };
}

/// Runs `work`, which only reads; again for a while if the database cannot be reached: `read!(self, conn => work)`.
macro_rules! read {
    ($self:ident, $conn:ident => $work:expr) => {
        patiently(|| async {
            let $conn = $self.pool.get().await?;
            $work.await
        })
        .await
    };
}

/// A database that is restarted, or whose standby takes over, is back in seconds. If a read failed at once, the worker would
/// give up its job until the lease ends, which takes a minute.
async fn patiently<T, F>(mut once: impl FnMut() -> F + Send) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, error::PgError>> + Send,
{
    let until = SystemClock.uptime() + READ_PATIENCE;
    loop {
        match once().await {
            Err(error::PgError::Other(StoreError::Unavailable(why))) if SystemClock.uptime() < until => {
                tracing::debug!(error = why, "cannot read from the database; tries again");
                SystemClock.sleep(READ_PAUSE).await;
            }
            other => return Ok(other?),
        }
    }
}

#[async_trait]
impl Store for Postgres {
    async fn take(&self, messages: Vec<Message>) -> Result<Vec<Taken>, StoreError> {
        let (taken, wakeup) = transact!(self, tx => take::take(&tx, &messages, SHARDS + self.shard))?;
        self.listener.notify(wakeup);
        Ok(taken)
    }

    async fn take_whole(&self, messages: Vec<Message>) -> Result<Whole, StoreError> {
        let (whole, wakeup) = error::retry(|| async {
            let tx = Transaction::begin(&self.pool).await?;
            let (taken, wakeup) = take::take(&tx, &messages, SHARDS + self.shard).await?;
            match judge::whole(taken) {
                Whole::Taken(taken) => {
                    tx.commit().await?;
                    Ok((Whole::Taken(taken), wakeup))
                }
                refused => Ok((refused, Wakeup::default())),
            }
        })
        .await?;
        self.listener.notify(wakeup);
        Ok(whole)
    }

    async fn batch(&self, uid: JobUid) -> Result<Option<(Batch, Tally)>, StoreError> {
        read!(self, conn => batches::load(&conn, uid))
    }

    async fn batches(&self, open: bool, before: Option<JobUid>, limit: usize) -> Result<Vec<Batch>, StoreError> {
        read!(self, conn => batches::list(&conn, &self.unreadable, open, before, limit))
    }

    async fn batches_by_id(&self, id: &BatchId) -> Result<Vec<Batch>, StoreError> {
        read!(self, conn => batches::by_id(&conn, &self.unreadable, id))
    }

    async fn commit_batch(&self, change: BatchChange) -> Result<Committed, StoreError> {
        let (committed, wakeup) = transact!(self, tx => batches::commit(&tx, &change))?;
        self.listener.notify(wakeup);
        Ok(committed)
    }

    async fn claim_in_turn(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
        turns: &Turns,
    ) -> Result<Vec<Claimed>, StoreError> {
        transact!(self, tx => lease::claim(&tx, (self.time.as_ref(), &self.unreadable), holder, now, until, limit, turns))
    }

    async fn reclaim(&self, holder: &str) -> Result<usize, StoreError> {
        transact!(self, tx => lease::reclaim(&tx, holder))
    }

    async fn bring_forward(
        &self,
        now: Timestamp,
        latest: LatestDue,
        of: Option<&AccountUid>,
    ) -> Result<usize, StoreError> {
        transact!(self, tx => lease::bring_forward(&tx, now, latest, of))
    }

    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        writer::only(self.writer.commit(vec![change]).await?)
    }

    async fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError> {
        let uids: Vec<JobUid> = changes.iter().map(|change| change.record.uid).collect();
        let results = self.writer.commit(changes).await?;
        uids.into_iter().zip(results).map(|(uid, result)| judge::refusal_as_conflict(uid, result)).collect()
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        read!(self, conn => lease::next_due(&conn, &self.time))
    }

    async fn next_sweep(&self) -> Result<Option<Timestamp>, StoreError> {
        match read!(self, conn => sweep::next(&conn))? {
            Some(due) => Ok(Some(self.leader.next_sweep(due).await)),
            None => Ok(None),
        }
    }

    async fn swept_groups(&self, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError> {
        self.leader.begin_pass(&self.listener).await?;
        read!(self, conn => sweep::groups(&conn, now))
    }

    async fn swept(
        &self,
        group: &Group,
        now: Timestamp,
        after: Option<(InstanceId, JobUid)>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        if !self.leader.sweep(&self.listener, group, now).await? {
            return Ok(Vec::new());
        }
        read!(self, conn => sweep::page(&conn, &self.unreadable, group, now, after.as_ref(), limit))
    }

    async fn lead_intake(&self) -> Result<bool, StoreError> {
        self.listener.try_lock(lock_keys::intake()).await
    }

    async fn resign_intake(&self) -> Result<(), StoreError> {
        self.listener.unlock(lock_keys::intake()).await
    }

    async fn release_group(&self, group: &Group) -> Result<(), StoreError> {
        self.leader.release_group(&self.listener, group).await
    }

    async fn load(&self, uid: JobUid) -> Result<Option<Record>, StoreError> {
        read!(self, conn => query::load(&conn, uid))
    }

    async fn find(&self, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError> {
        read!(self, conn => query::find(&conn, requester, id))
    }

    async fn find_by_id(&self, id: &JobId) -> Result<Vec<Record>, StoreError> {
        read!(self, conn => query::find_by_id(&conn, &self.unreadable, id))
    }

    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError> {
        read!(self, conn => query::waiting_on(&conn, &self.unreadable, instance, cen))
    }

    async fn first_in_queue(&self, instance: &Instance) -> Result<Option<JobUid>, StoreError> {
        read!(self, conn => instance_queue::first(&conn, instance))
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        read!(self, conn => query::list(&conn, &self.unreadable, filter))
    }

    async fn events(&self, uid: JobUid) -> Result<Vec<String>, StoreError> {
        read!(self, conn => outbound::events(&conn, uid))
    }

    async fn outbox(&self, page: OutboxPage) -> Result<Vec<OutboxRow>, StoreError> {
        let Some(missing) = self.leader.publish(&self.listener, page.lane).await? else { return Ok(Vec::new()) };
        let rows = read!(self, conn => outbox::page(&conn, page, &missing))?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let after = if let Outbox::Fresh(after) = page.which { after } else { 0 };
        self.leader.read(page.lane, after, &numbers).await;
        Ok(rows)
    }

    async fn next_retry(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
        read!(self, conn => outbox::next_retry(&conn, lane))
    }

    async fn settle(&self, lane: Lane, settlement: &Settlement) -> Result<(), StoreError> {
        if *settlement != Settlement::default() {
            transact!(self, tx => outbox::settle(&tx, lane, settlement))?;
        }
        self.leader.published(lane).await;
        Ok(())
    }

    async fn webhooks(&self, now: Timestamp, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        if !self.listener.try_lock(lock_keys::webhooks()).await? {
            return Ok(Vec::new());
        }
        read!(self, conn => webhooks::due(&conn, now, limit))
    }

    async fn next_webhook(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        read!(self, conn => webhooks::next(&conn, now))
    }

    async fn waiting_webhooks(&self, uid: JobUid, limit: usize) -> Result<Vec<WaitingWebhook>, StoreError> {
        read!(self, conn => webhooks::of(&conn, uid, limit))
    }

    async fn settle_webhooks(&self, settlement: &Settlement) -> Result<(), StoreError> {
        // Under the lock of the lane whose rows are in the same queues of the index.
        transact!(self, tx => outbox::settle(&tx, Lane::Replies, settlement))
    }

    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError> {
        read!(self, conn => dead::rejections(&conn, limit, before))
    }

    async fn rejections_of(&self, batch: &BatchId, limit: usize) -> Result<Vec<Rejected>, StoreError> {
        read!(self, conn => dead::rejections_of(&conn, batch, limit))
    }

    async fn rejection(&self, uid: JobUid) -> Result<Option<RejectedMessage>, StoreError> {
        read!(self, conn => dead::rejection(&conn, uid))
    }

    async fn drop_rejections(&self, uids: &[JobUid]) -> Result<usize, StoreError> {
        transact!(self, tx => retention::drop_rejections(&tx, uids))
    }

    async fn jobs_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        after: Option<JobUid>,
        limit: usize,
    ) -> Result<Vec<JobUid>, StoreError> {
        read!(self, conn => history::jobs_between(&conn, since, until, after, limit))
    }

    async fn kept_events(&self, uids: &[JobUid]) -> Result<Vec<KeptEvent>, StoreError> {
        read!(self, conn => history::events(&conn, uids))
    }

    async fn feed(&self, page: &FeedPage) -> Result<Feed, StoreError> {
        if read!(self, conn => feed::unnumbered(&conn))? {
            transact!(self, tx => feed::number(&tx))?;
        }
        read!(self, conn => feed::page(&conn, page))
    }

    async fn feed_end(&self) -> Result<i64, StoreError> {
        loop {
            let (numbered, end) = transact!(self, tx => feed::number_and_end(&tx))?;
            if numbered < FEED_SCAN {
                return Ok(end);
            }
        }
    }

    async fn publish_again(&self, events: &[(JobUid, u32)]) -> Result<usize, StoreError> {
        let published = transact!(self, tx => history::publish_again(&tx, events))?;
        self.listener.notify(Wakeup { mail: published > 0, ..Wakeup::default() });
        Ok(published)
    }

    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<UndeliverableRow>, StoreError> {
        read!(self, conn => dead::undeliverable(&conn, after, limit))
    }

    async fn replay(&self, numbers: &[i64]) -> Result<usize, StoreError> {
        let replayed = transact!(self, tx => dead::replay(&tx, numbers))?;
        self.listener.notify(Wakeup { mail: replayed > 0, ..Wakeup::default() });
        Ok(replayed)
    }

    async fn drop_undeliverable(&self, numbers: &[i64]) -> Result<usize, StoreError> {
        transact!(self, tx => dead::drop_undeliverable(&tx, numbers))
    }

    async fn put_definition(&self, digest: &str, name: &str, text: &str) -> Result<(), StoreError> {
        transact!(self, tx => definitions::put(&tx, digest, name, text))
    }

    async fn definition(&self, digest: &str) -> Result<Option<(String, String)>, StoreError> {
        read!(self, conn => definitions::get(&conn, digest))
    }

    async fn pause(&self, pause: &Pause) -> Result<bool, StoreError> {
        transact!(self, tx => guards::pause(&tx, pause))
    }

    async fn unpause(&self, account: &AccountUid) -> Result<bool, StoreError> {
        let unpaused = transact!(self, tx => guards::unpause(&tx, account))?;
        self.listener.notify(Wakeup { work: unpaused, ..Wakeup::default() });
        Ok(unpaused)
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        read!(self, conn => guards::pauses(&conn))
    }

    async fn outlook(&self) -> Result<Vec<Outlook>, StoreError> {
        read!(self, conn => counts::outlook(&conn))
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let counts = read!(self, conn => counts::read(&conn))?;
        Ok(Counts { unreadable: read!(self, conn => query::unreadable(&conn, &self.unreadable))?, ..counts })
    }

    async fn ages(&self, late: Timestamp) -> Result<Ages, StoreError> {
        read!(self, conn => counts::ages(&conn, late))
    }

    async fn size(&self) -> Result<u64, StoreError> {
        read!(self, conn => counts::size(&conn))
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let written = transact!(self, tx => probe::write(&tx, self.shard))?;
        let read = read!(self, conn => probe::read(&conn, self.shard))?;
        // Another probe may have raised it in between.
        if read >= written {
            Ok(())
        } else {
            Err(StoreError::Unavailable("what was written cannot be read back".into()))
        }
    }

    async fn prune(&self, before: Timestamp) -> Result<usize, StoreError> {
        // In pieces, so that the first pass over a large table does not hold up other commits.
        let mut jobs = 0;
        loop {
            let (pruned, more) = transact!(self, tx => retention::prune(&tx, before, self.shard))?;
            jobs += pruned;
            if !more {
                return Ok(jobs);
            }
        }
    }

    async fn trim_rejections(&self, most: usize) -> Result<usize, StoreError> {
        let Some(before) = read!(self, conn => retention::rejections_beyond(&conn, most))? else { return Ok(0) };
        let mut deleted = 0;
        loop {
            let (rejections, more) = transact!(self, tx => retention::delete_rejections(&tx, before))?;
            deleted += rejections;
            if !more {
                return Ok(deleted);
            }
        }
    }

    async fn wakeup(&self) -> Wakeup {
        self.listener.wakeup().await
    }

    fn unreadable(&self) -> usize {
        self.unreadable.count()
    }

    fn workers(&self) -> u32 {
        self.listener.workers()
    }
}
