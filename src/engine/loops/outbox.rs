//! The outbox: publishes the messages that were committed with changes, again and again until the broker confirms them. Each
//! lane has a loop of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::decide::delivery::{Judged, LONGEST_DELAY, judge};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Lane, PublishError, Publisher};
use crate::engine::ports::store::{OutboxPage, OutboxRow, Settlement, StoreError};

/// Messages that are published together. The verdicts of those before may not be committed yet: so a broken connection
/// repeats two batches at most, and as many are in memory.
const BATCH: usize = 512;
/// The most bytes of bodies in a batch, beyond the first message: an event has a few KiB, so this bounds only what others
/// wrote, in copies of rejected messages.
const BATCH_BYTES: usize = 8 << 20;
/// After a broken connection or the first failure of the store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest wait for a store that cannot be used: the pauses double up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Publishes a lane until `stop` says true and what was said before it is out, or cannot be published.
pub async fn publish(engine: Arc<Engine>, publisher: Arc<dyn Publisher>, lane: Lane, mut stop: watch::Receiver<bool>) {
    let mut outbox = Outbox { engine: &engine, publisher: publisher.as_ref(), lane, unsettled: Settlement::default() };
    let mut failures = 0_u32;
    loop {
        let stopping = *stop.borrow();
        let pass = outbox.pass().await;
        failures = if matches!(pass, Err(OutboxError::Store(_))) { failures + 1 } else { 0 };
        let wait = match &pass {
            Ok(wait) => *wait,
            Err(error) => {
                let pause = PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(LONGEST_PAUSE);
                tracing::warn!(%error, ?lane, "cannot publish; the outbox keeps the messages, and they are tried again");
                Some(pause)
            }
        };
        if stopping {
            return;
        }
        tokio::select! {
            () = engine.mail.of(lane).notified(), if pass.is_ok() => {}
            () = engine.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            _ = stop.changed() => {}
        }
    }
}

/// One lane, and what is known of its messages and not in the store yet. While the store cannot be written, nothing is
/// published and this stays in memory, two batches at most; so this process never publishes again what was confirmed.
struct Outbox<'a> {
    engine: &'a Engine,
    publisher: &'a dyn Publisher,
    lane: Lane,
    unsettled: Settlement,
}

impl Outbox<'_> {
    /// Publishes what is due, batch by batch: while one is published, the verdicts of the one before are committed and the
    /// next is read. Returns how long to wait before a refused message is tried again; `None` if there is none.
    async fn pass(&mut self) -> Result<Option<Duration>, OutboxError> {
        while self.publish_from_the_beginning().await? {}
        let due = self.engine.store.next_retry(self.lane).await?;
        let now = self.engine.clock.now();
        Ok(due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default().clamp(PAUSE, LONGEST_DELAY)))
    }

    /// True if the outbox is to be read from its beginning again: replies that stayed behind a refused one may go out now,
    /// and they have lower numbers.
    async fn publish_from_the_beginning(&mut self) -> Result<bool, OutboxError> {
        self.settle().await?;
        let (mut page, mut again) = (self.read(0).await?, false);
        while let Some(end) = page.last().map(|row| row.number) {
            let messages: Vec<_> = page.iter().map(|row| row.outgoing.clone()).collect();
            let publisher = self.publisher;
            let published = publisher.publish(&messages);
            let next = async {
                self.settle().await?;
                if again { Ok(vec![]) } else { self.read(end).await }
            };
            let (published, next) = tokio::join!(published, next);
            let verdicts = published?;
            let Judged { settlement, frees, warnings } = judge(&page, &verdicts, self.engine.clock.now());
            warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
            self.unsettled.done.extend(settlement.done);
            self.unsettled.undeliverable.extend(settlement.undeliverable);
            self.unsettled.refused.extend(settlement.refused);
            again |= frees;
            if verdicts.len() < page.len() {
                self.settle().await?;
                return Err(PublishError { why: "the broker was lost before it had confirmed all".into() }.into());
            }
            page = next?;
        }
        self.settle().await?;
        Ok(again)
    }

    async fn read(&self, after: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let now = self.engine.clock.now();
        let page = OutboxPage { lane: self.lane, after, now, messages: BATCH, bytes: BATCH_BYTES };
        self.engine.store.outbox(page).await
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if self.unsettled == Settlement::default() {
            return Ok(());
        }
        self.engine.store.settle(self.lane, &self.unsettled).await?;
        let Settlement { done, undeliverable, refused } = std::mem::take(&mut self.unsettled);
        self.engine.observer.published(done.len(), undeliverable.len(), refused.len());
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
