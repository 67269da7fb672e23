//! The store in one SQLite file.
//!
//! All writes go through one thread ([`writer`]), which puts many logical transactions into one physical commit. Reads go
//! to a few read-only connections ([`readers`]) and see every write that was answered. The file is held, so that no second
//! process has it and none takes it away unseen ([`held_file`]). Each other module is one part of the port.

mod backup;
mod batches;
mod change;
mod counts;
mod dead;
mod definitions;
mod error;
mod examine;
mod feed;
mod guards;
mod held_file;
mod history;
mod instance_queue;
mod lease;
mod open;
mod outbound;
mod outbox;
mod probe;
mod query;
mod readers;
mod retention;
mod row;
mod sweep;
mod take;
#[cfg(test)]
mod tests;
mod transaction;
mod turns;
mod webhooks;
mod writer;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
pub use backup::{back_up, unpack};
use held_file::HeldFile;
use jiff::Timestamp;
use rusqlite::Connection;
use transaction::SharedTransaction;

use crate::domain::{AccountUid, BatchId, CenId, Instance, InstanceId, JobId, JobUid, Requester};
use crate::engine::batch::{Batch, Tally};
use crate::engine::guards::Pause;
use crate::engine::ports::feed::{Feed, FeedPage};
use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::{
    Ages, BatchChange, Change, Claimed, Committed, Counts, Filter, Group, KeptEvent, LatestDue, Message, OutboxPage,
    OutboxRow, Outlook, Rejected, RejectedMessage, Settlement, Store, StoreError, Taken, Turns, UndeliverableRow,
    WaitingWebhook, Whole,
};
use crate::engine::record::Record;
use crate::store::judge;
use crate::store::unreadable::UnreadableRows;

/// A handle to the file. Dropping it finishes the writes that were begun and lets another process in.
#[derive(Debug)]
pub struct Sqlite {
    // Dropped in this order: the writer's connection must be the last to close, because it tidies up the file, and the
    // file must be held until then.
    readers: Option<readers::Readers>,
    writer: writer::Writer,
    held: Option<Arc<HeldFile>>,
    unreadable: Arc<UnreadableRows>,
}

/// The bytes of a database in memory.
const PAGES: &str = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";

impl Sqlite {
    /// The version of the schema that this program writes.
    pub const SCHEMA: usize = open::MIGRATIONS.len();

    /// Opens the file and brings its schema up to date. Creates the file and its directory, for this user only.
    ///
    /// # Errors
    /// `Unusable` if it is no file, if its folder cannot be made, or if a newer program has written it; `Unavailable` if another
    /// process uses it or it cannot be opened; `Corrupt` if it is not ours; `Lost` if it is older than it was, or empty where there was a store.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_held(HeldFile::take(path, false)?)
    }

    /// The same, and accepts a file that is older than it was, or empty where there was a store.
    pub fn open_as_found(path: &Path) -> Result<Self, StoreError> {
        Self::open_held(HeldFile::take(path, true)?)
    }

    /// Whether a worker could use the file; changes nothing. Returns the version of its schema, which a worker brings up to date.
    ///
    /// # Errors
    /// As those of [`Sqlite::open`].
    pub fn examine(path: &Path) -> Result<usize, StoreError> {
        examine::examine(path)
    }

    fn open_held(held: HeldFile) -> Result<Self, StoreError> {
        let mut conn = open::connect(held.path())?;
        open::migrate(&mut conn)?;
        let last = outbox::last_number(&conn)?;
        held.has_not_gone_back(last)?;
        held.reached(last)?;
        held.opened();
        held.written();
        let held = Arc::new(held);
        Ok(Self {
            readers: Some(readers::Readers::new(held.path())),
            writer: writer::Writer::start(conn, Some(Arc::clone(&held)))?,
            held: Some(held),
            unreadable: Arc::default(),
        })
    }

    /// A store in memory, gone when it is dropped; for tests and for `run`.
    pub fn in_memory() -> Result<Self, StoreError> {
        let mut conn = Connection::open_in_memory()?;
        conn.pragma_update(None, "foreign_keys", true)?;
        open::tune(&conn)?;
        open::migrate(&mut conn)?;
        Ok(Self { readers: None, writer: writer::Writer::start(conn, None)?, held: None, unreadable: Arc::default() })
    }

    /// Runs a logical transaction; returns once it is on disk.
    async fn write<T: Send + 'static>(
        &self,
        work: impl Fn(&SharedTransaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(work).await
    }

    /// Runs one statement that reads a few rows by an index.
    async fn look_up<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.readers {
            Some(readers) => readers.look_up(work).await,
            None => self.read(work).await,
        }
    }

    /// Runs reads that see the file as of one moment.
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match &self.readers {
            Some(readers) => readers.run(work).await,
            // A database in memory has one connection.
            None => self.writer.run(move |tx| work(tx)).await,
        }
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn take(&self, messages: Vec<Message>) -> Result<Vec<Taken>, StoreError> {
        self.write(move |tx| take::take(tx, &messages)).await
    }

    async fn take_whole(&self, messages: Vec<Message>) -> Result<Whole, StoreError> {
        self.write(move |tx| {
            tx.part(|| Ok(judge::whole(take::take(tx, &messages)?)), |whole| matches!(whole, Whole::Taken(_)))
        })
        .await
    }

    async fn batch(&self, uid: JobUid) -> Result<Option<(Batch, Tally)>, StoreError> {
        self.read(move |conn| batches::load(conn, uid)).await
    }

    async fn batches(&self, open: bool, before: Option<JobUid>, limit: usize) -> Result<Vec<Batch>, StoreError> {
        let rows = Arc::clone(&self.unreadable);
        self.read(move |conn| batches::list(conn, &rows, open, before, limit)).await
    }

    async fn batches_by_id(&self, id: &BatchId) -> Result<Vec<Batch>, StoreError> {
        let (rows, id) = (Arc::clone(&self.unreadable), id.clone());
        self.read(move |conn| batches::by_id(conn, &rows, &id)).await
    }

    async fn commit_batch(&self, change: BatchChange) -> Result<Committed, StoreError> {
        self.write(move |tx| batches::commit(tx, &change)).await
    }

    async fn claim_in_turn(
        &self,
        holder: &str,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
        turns: &Turns,
    ) -> Result<Vec<Claimed>, StoreError> {
        let (rows, holder, turns) = (Arc::clone(&self.unreadable), holder.to_owned(), turns.clone());
        self.write(move |conn| lease::claim(conn, &rows, &holder, now, until, limit, &turns)).await
    }

    async fn reclaim(&self, holder: &str) -> Result<usize, StoreError> {
        let holder = holder.to_owned();
        self.write(move |conn| lease::reclaim(conn, &holder)).await
    }

    async fn bring_forward(
        &self,
        now: Timestamp,
        latest: LatestDue,
        of: Option<&AccountUid>,
    ) -> Result<usize, StoreError> {
        let of = of.cloned();
        self.write(move |conn| lease::bring_forward(conn, now, latest, of.as_ref())).await
    }

    async fn commit(&self, change: Change) -> Result<Committed, StoreError> {
        let change = change::PreparedChange::new(change)?;
        self.write(move |tx| change.commit(tx)).await
    }

    async fn commit_all(&self, changes: Vec<Change>) -> Result<Vec<Committed>, StoreError> {
        let changes = changes.into_iter().map(change::PreparedChange::new).collect::<Result<Vec<_>, _>>()?;
        self.write(move |tx| change::commit_all(tx, &changes)).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.look_up(lease::next_due).await
    }

    async fn next_sweep(&self) -> Result<Option<Timestamp>, StoreError> {
        self.look_up(sweep::next).await
    }

    async fn swept_groups(&self, now: Timestamp) -> Result<Vec<(Group, usize)>, StoreError> {
        self.read(move |conn| sweep::groups(conn, now)).await
    }

    async fn swept(
        &self,
        group: &Group,
        now: Timestamp,
        after: Option<(InstanceId, JobUid)>,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let (rows, group) = (Arc::clone(&self.unreadable), group.clone());
        self.read(move |conn| sweep::page(conn, &rows, &group, now, after.as_ref(), limit)).await
    }

    async fn load(&self, uid: JobUid) -> Result<Option<Record>, StoreError> {
        self.look_up(move |conn| query::load(conn, uid)).await
    }

    async fn find(&self, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError> {
        let (requester, id) = (requester.clone(), id.clone());
        self.read(move |conn| query::find(conn, &requester, &id)).await
    }

    async fn find_by_id(&self, id: &JobId) -> Result<Vec<Record>, StoreError> {
        let (rows, id) = (Arc::clone(&self.unreadable), id.clone());
        self.read(move |conn| query::find_by_id(conn, &rows, &id)).await
    }

    async fn waiting_on(&self, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError> {
        let (rows, instance, cen) = (Arc::clone(&self.unreadable), instance.clone(), cen.clone());
        self.look_up(move |conn| query::waiting_on(conn, &rows, &instance, &cen)).await
    }

    async fn first_in_queue(&self, instance: &Instance) -> Result<Option<JobUid>, StoreError> {
        let instance = instance.clone();
        self.look_up(move |conn| instance_queue::first(conn, &instance)).await
    }

    async fn list(&self, filter: &Filter) -> Result<Vec<Record>, StoreError> {
        let (rows, filter) = (Arc::clone(&self.unreadable), filter.clone());
        self.read(move |conn| query::list(conn, &rows, &filter)).await
    }

    async fn events(&self, uid: JobUid) -> Result<Vec<String>, StoreError> {
        self.read(move |conn| outbound::events(conn, uid)).await
    }

    async fn outbox(&self, page: OutboxPage) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(move |conn| outbox::page(conn, page)).await
    }

    async fn next_retry(&self, lane: Lane) -> Result<Option<Timestamp>, StoreError> {
        self.look_up(move |conn| outbox::next_retry(conn, lane)).await
    }

    async fn settle(&self, _lane: Lane, settlement: &Settlement) -> Result<(), StoreError> {
        let settlement = settlement.clone();
        self.write(move |conn| outbox::settle(conn, &settlement)).await
    }

    async fn webhooks(&self, now: Timestamp, limit: usize) -> Result<Vec<OutboxRow>, StoreError> {
        self.read(move |conn| webhooks::due(conn, now, limit)).await
    }

    async fn next_webhook(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.look_up(move |conn| webhooks::next(conn, now)).await
    }

    async fn waiting_webhooks(&self, uid: JobUid, limit: usize) -> Result<Vec<WaitingWebhook>, StoreError> {
        self.read(move |conn| webhooks::of(conn, uid, limit)).await
    }

    async fn settle_webhooks(&self, settlement: &Settlement) -> Result<(), StoreError> {
        let settlement = settlement.clone();
        self.write(move |conn| outbox::settle(conn, &settlement)).await
    }

    async fn rejections(&self, limit: usize, before: Option<JobUid>) -> Result<Vec<Rejected>, StoreError> {
        self.read(move |conn| dead::rejections(conn, limit, before)).await
    }

    async fn rejections_of(&self, batch: &BatchId, limit: usize) -> Result<Vec<Rejected>, StoreError> {
        let batch = batch.clone();
        self.read(move |conn| dead::rejections_of(conn, &batch, limit)).await
    }

    async fn rejection(&self, uid: JobUid) -> Result<Option<RejectedMessage>, StoreError> {
        self.read(move |conn| dead::rejection(conn, uid)).await
    }

    async fn drop_rejections(&self, uids: &[JobUid]) -> Result<usize, StoreError> {
        let uids = uids.to_vec();
        self.write(move |conn| retention::drop_rejections(conn, &uids)).await
    }

    async fn jobs_between(
        &self,
        since: Timestamp,
        until: Timestamp,
        after: Option<JobUid>,
        limit: usize,
    ) -> Result<Vec<JobUid>, StoreError> {
        self.read(move |conn| history::jobs_between(conn, since, until, after, limit)).await
    }

    async fn kept_events(&self, uids: &[JobUid]) -> Result<Vec<KeptEvent>, StoreError> {
        let uids = uids.to_vec();
        self.read(move |conn| history::events(conn, &uids)).await
    }

    async fn feed(&self, page: &FeedPage) -> Result<Feed, StoreError> {
        let page = page.clone();
        self.read(move |conn| feed::page(conn, &page)).await
    }

    async fn feed_end(&self) -> Result<i64, StoreError> {
        self.read(feed::end).await
    }

    async fn publish_again(&self, events: &[(JobUid, u32)]) -> Result<usize, StoreError> {
        let events = events.to_vec();
        self.write(move |conn| history::publish_again(conn, &events)).await
    }

    async fn undeliverable(&self, after: i64, limit: usize) -> Result<Vec<UndeliverableRow>, StoreError> {
        self.read(move |conn| dead::undeliverable(conn, after, limit)).await
    }

    async fn replay(&self, numbers: &[i64]) -> Result<usize, StoreError> {
        let numbers = numbers.to_vec();
        self.write(move |conn| dead::replay(conn, &numbers)).await
    }

    async fn drop_undeliverable(&self, numbers: &[i64]) -> Result<usize, StoreError> {
        let numbers = numbers.to_vec();
        self.write(move |conn| dead::drop_undeliverable(conn, &numbers)).await
    }

    async fn put_definition(&self, digest: &str, name: &str, text: &str) -> Result<(), StoreError> {
        let (digest, name, text) = (digest.to_owned(), name.to_owned(), text.to_owned());
        self.write(move |conn| definitions::put(conn, &digest, &name, &text)).await
    }

    async fn definition(&self, digest: &str) -> Result<Option<(String, String)>, StoreError> {
        let digest = digest.to_owned();
        self.look_up(move |conn| definitions::get(conn, &digest)).await
    }

    async fn pause(&self, pause: &Pause) -> Result<bool, StoreError> {
        let pause = pause.clone();
        self.write(move |conn| guards::pause(conn, &pause)).await
    }

    async fn unpause(&self, account: &AccountUid) -> Result<bool, StoreError> {
        let account = account.clone();
        self.write(move |conn| guards::unpause(conn, &account)).await
    }

    async fn pauses(&self) -> Result<Vec<Pause>, StoreError> {
        self.look_up(guards::pauses).await
    }

    async fn outlook(&self) -> Result<Vec<Outlook>, StoreError> {
        self.read(counts::outlook).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        let rows = Arc::clone(&self.unreadable);
        self.read(move |conn| Ok(Counts { unreadable: query::unreadable(conn, &rows)?, ..counts::read(conn)? })).await
    }

    fn unreadable(&self) -> usize {
        self.unreadable.count()
    }

    async fn ages(&self, late: Timestamp) -> Result<Ages, StoreError> {
        self.read(move |conn| counts::ages(conn, late)).await
    }

    async fn size(&self) -> Result<u64, StoreError> {
        match &self.held {
            Some(held) => Ok(held.size()),
            None => self.read(|conn| Ok(conn.query_row(PAGES, [], |row| row.get::<_, i64>(0))?.unsigned_abs())).await,
        }
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let written = self.write(|tx| probe::write(tx)).await?;
        let read = self.read(probe::read).await?;
        // Another probe may have raised it in between.
        if read >= written {
            Ok(())
        } else {
            Err(StoreError::Unavailable("what was written cannot be read back".into()))
        }
    }

    async fn check(&self) -> Result<(), StoreError> {
        let Some(held) = &self.held else { return Ok(()) };
        held.check()?;
        held.reached(self.look_up(outbox::last_number).await?)
    }

    async fn prune(&self, before: Timestamp) -> Result<usize, StoreError> {
        // In pieces, so that the first pass over a large file does not hold up other commits.
        let mut jobs = 0;
        loop {
            let (pruned, more) = self.write(move |tx| retention::prune(tx, before)).await?;
            jobs += pruned;
            if !more {
                return Ok(jobs);
            }
        }
    }

    async fn trim_rejections(&self, most: usize) -> Result<usize, StoreError> {
        let Some(before) = self.read(move |conn| retention::rejections_beyond(conn, most)).await? else { return Ok(0) };
        let mut deleted = 0;
        loop {
            let (rejections, more) = self.write(move |tx| retention::delete_rejections(tx, before)).await?;
            deleted += rejections;
            if !more {
                return Ok(deleted);
            }
        }
    }
}
