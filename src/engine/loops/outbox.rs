//! The outbox: publishes the messages that were committed with changes, again and again until the broker confirms them. Each
//! lane has a loop of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::decide::delivery::{Judged, LONGEST_DELAY, judge};
use crate::engine::decide::event_routes::RouteChanges;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Delivered, Lane, Outgoing, PublishError, Publisher};
use crate::engine::ports::store::{Outbox, OutboxPage, OutboxRow, Settlement, StoreError};

/// Messages that are published together. The verdicts of those before may not be committed yet: so a broken connection
/// repeats two batches at most, and as many are in memory.
const BATCH: usize = 512;
/// The most bytes of bodies in a batch, beyond the first message: an event has a few KiB, so this bounds only what others
/// wrote, in copies of rejected messages.
const BATCH_BYTES: usize = 8 << 20;
/// Batches of fresh messages, after which one of those is published that were put off: they get their turn however much
/// comes, and a pass ends long before the longest wait.
const BATCHES: usize = 8;
/// After a broken connection or the first failure of the store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest wait for a store that cannot be used: the pauses double up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Publishes a lane until `stop` says true and what was said before it is out, or cannot be published.
pub async fn publish(engine: Arc<Engine>, publisher: Arc<dyn Publisher>, lane: Lane, mut stop: watch::Receiver<bool>) {
    let publisher = publisher.as_ref();
    let mut outbox = Outbound { engine: &engine, publisher, lane, unsettled: Settlement::default(), unrouted: 0 };
    let (mut failures, mut said) = (0_u32, None);
    loop {
        let stopping = *stop.borrow();
        let pass = outbox.pass().await;
        failures = if matches!(pass, Err(OutboxError::Store(_))) { failures + 1 } else { 0 };
        let wait = match &pass {
            Ok(Left::More) => continue,
            Ok(Left::Until(wait)) => {
                said = None;
                *wait
            }
            Err(error) => {
                let pause = PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(8)).min(LONGEST_PAUSE);
                let why = Some(error.to_string());
                if said != why {
                    tracing::warn!(%error, ?lane, "cannot publish; the outbox keeps the messages, and they are tried again");
                    said = why;
                }
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

/// What a pass has left.
enum Left {
    /// There may be more to publish now.
    More,
    /// Nothing until a message that was put off is due; `None` if there is none.
    Until(Option<Duration>),
}

/// One lane, and what is known of its messages and not in the store yet. While the store cannot be written, nothing is
/// published and this stays in memory, two batches at most; so this process never publishes again what was confirmed.
struct Outbound<'a> {
    engine: &'a Engine,
    publisher: &'a dyn Publisher,
    lane: Lane,
    unsettled: Settlement,
    /// Of the messages that are done, the events that no queue took.
    unrouted: usize,
}

impl Outbound<'_> {
    /// Publishes fresh messages, and then a batch of those that were put off and are due. So a fresh message waits for one
    /// such batch at most, and each message is in one batch of a pass.
    async fn pass(&mut self) -> Result<Left, OutboxError> {
        let began = self.engine.clock.now();
        self.settle().await?;
        let more = self.publish_fresh().await?;
        if let Some(due) = self.engine.store.next_retry(self.lane).await? {
            let page = self.read(Outbox::PutOff(began)).await?;
            if !page.is_empty() {
                let verdicts = self.publisher.publish(&outgoing(&page)).await?;
                self.take_note(&page, &verdicts);
                self.settle().await?;
                return Ok(Left::More);
            }
            if !more {
                let wait = Duration::try_from(due.duration_since(self.engine.clock.now())).unwrap_or_default();
                return Ok(Left::Until(Some(wait.clamp(PAUSE, LONGEST_DELAY))));
            }
        }
        Ok(if more { Left::More } else { Left::Until(None) })
    }

    /// Publishes batch by batch: while one is published, the verdicts of the one before are committed and the next is read.
    /// True if there may be more, because some of a batch have no verdict, or others have their turn.
    async fn publish_fresh(&mut self) -> Result<bool, OutboxError> {
        let mut page = self.read(Outbox::Fresh(0)).await?;
        for _ in 0..BATCHES {
            let Some(end) = page.last().map(|row| row.number) else { break };
            let (messages, publisher) = (outgoing(&page), self.publisher);
            let published = publisher.publish(&messages);
            let next = async {
                self.settle().await?;
                self.read(Outbox::Fresh(end)).await
            };
            let (published, next) = tokio::join!(published, next);
            let verdicts = published?;
            self.take_note(&page, &verdicts);
            if verdicts.len() < page.len() {
                self.settle().await?;
                return Ok(true);
            }
            page = next?;
        }
        self.settle().await?;
        Ok(!page.is_empty())
    }

    fn take_note(&mut self, page: &[OutboxRow], verdicts: &[Delivered]) {
        let now = self.engine.clock.now();
        let Judged { settlement, warnings } = judge(page, verdicts, now);
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let RouteChanges { unrouted, lost, found } = self.engine.routes().note(page, verdicts, now);
        if !lost.is_empty() {
            let keys = lost.join(", ");
            tracing::warn!(
                "no queue takes these events any more: {keys}; they stay with their jobs, and `crossgrant events replay` publishes \
                 them again"
            );
        }
        if !found.is_empty() {
            tracing::info!("a queue takes these events again: {}", found.join(", "));
        }
        self.unrouted += unrouted;
        self.unsettled.done.extend(settlement.done);
        self.unsettled.undeliverable.extend(settlement.undeliverable);
        self.unsettled.refused.extend(settlement.refused);
    }

    async fn read(&self, which: Outbox) -> Result<Vec<OutboxRow>, StoreError> {
        let page = OutboxPage { lane: self.lane, which, messages: BATCH, bytes: BATCH_BYTES };
        self.engine.store.outbox(page).await
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if self.unsettled == Settlement::default() {
            return Ok(());
        }
        self.engine.store.settle(self.lane, &self.unsettled).await?;
        let Settlement { done, undeliverable, refused, .. } = std::mem::take(&mut self.unsettled);
        let unrouted = std::mem::take(&mut self.unrouted);
        self.engine.observer.published(done.len().saturating_sub(unrouted), undeliverable.len(), refused.len());
        self.engine.observer.unrouted(unrouted);
        Ok(())
    }
}

fn outgoing(page: &[OutboxRow]) -> Vec<Outgoing> {
    page.iter().map(|row| row.outgoing.clone()).collect()
}

#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
