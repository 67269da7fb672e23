//! The outbox: what was committed with a change is published, however often the connection or the process breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::core::Core;
use super::mail::{Delivered, PublishError, Publisher};
use super::store::{Queued, StoreError};

/// Messages published under one barrier of confirms: what a lost connection makes us publish again at most.
const BATCH: usize = 256;
/// After a broken connection or an unusable store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes until `stop` says true and, as long as that works, until the outbox is empty.
pub async fn publish(core: Arc<Core>, publisher: Arc<dyn Publisher>, mut stop: watch::Receiver<bool>) {
    let mut after = 0;
    loop {
        match publish_some(&core, publisher.as_ref(), after).await {
            Ok(Some(published)) => {
                after = published.last;
                // All that was said before the stop is out. Others may go on to say things, and can publish them.
                if !published.full && *stop.borrow() {
                    return;
                }
                continue;
            }
            // At the end. What a full queue refused is still there, before the place we are at.
            Ok(None) if after == 0 => {
                if *stop.borrow() {
                    return;
                }
                tokio::select! {
                    () = core.mail.notified() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            Ok(None) if matches!(core.store.outbox(0, 1).await.as_deref(), Ok([])) => {
                after = 0;
                continue;
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot publish; what is to be said is kept and tried again");
            }
        }
        after = 0;
        if *stop.borrow() {
            return;
        }
        tokio::select! {
            () = core.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// A batch that was published.
struct Published {
    /// The number of its last message.
    last: i64,
    /// Whether there may be more.
    full: bool,
}

/// Publishes one batch of what stands after number `after`; `None` when there was nothing. A message that a full queue refused stays where it is and does not hold up the next.
async fn publish_some(core: &Core, publisher: &dyn Publisher, after: i64) -> Result<Option<Published>, Error> {
    let queued: Vec<Queued> = core.store.outbox(after, BATCH).await?;
    let Some(last) = queued.last().map(|queued| queued.number) else { return Ok(None) };
    let (numbers, messages): (Vec<i64>, Vec<_>) = queued.into_iter().map(|q| (q.number, q.outgoing)).unzip();
    let verdicts = publisher.publish(&messages).await?;
    let of = |wanted: Delivered| -> Vec<i64> {
        numbers.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == wanted).map(|(number, _)| *number).collect()
    };
    let (confirmed, undeliverable) = (of(Delivered::Confirmed), of(Delivered::Undeliverable));
    core.store.settle(&confirmed, &undeliverable).await?;
    core.observer.published(confirmed.len(), undeliverable.len());
    Ok(Some(Published { last, full: numbers.len() == BATCH }))
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
