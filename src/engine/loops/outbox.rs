//! The outbox: what was committed with a change is published, however often the connection or the process breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Delivered, PublishError, Publisher};
use crate::engine::ports::store::StoreError;

/// Messages published under one barrier of confirms. The one before may not be settled yet: so a broken connection or store
/// makes us publish twice as many again at most, and as many are in memory.
const BATCH: usize = 512;
/// After a broken connection or an unusable store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes until `stop` says true and, as long as that works, until the outbox is empty.
pub async fn publish(engine: Arc<Engine>, publisher: Arc<dyn Publisher>, mut stop: watch::Receiver<bool>) {
    let mut after = 0;
    loop {
        match publish_some(&engine, publisher.as_ref(), after).await {
            Ok(Some(last)) => {
                after = last;
                // All that was said before the stop is out. Others may go on to say things, and can publish them.
                if *stop.borrow() {
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
                    () = engine.mail.notified() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            Ok(None) => match engine.store.outbox(0, 1).await {
                // Nothing was left behind: there is nothing, or only what has come meanwhile.
                Ok(first) if first.iter().all(|queued| queued.number > after) => {
                    after = 0;
                    continue;
                }
                _ => {}
            },
            Err(error) => {
                tracing::warn!(%error, "cannot publish; what is to be said is kept and tried again");
            }
        }
        after = 0;
        if *stop.borrow() {
            return;
        }
        tokio::select! {
            () = engine.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Publishes what stands after number `after`, batch by batch until one is not full: while one is published, the one before
/// is settled and the next is read. Returns the number of the last; `None` when there was nothing. A message that a full
/// queue refused stays where it is and does not hold up the next.
async fn publish_some(engine: &Engine, publisher: &dyn Publisher, after: i64) -> Result<Option<i64>, Error> {
    let mut queued = engine.store.outbox(after, BATCH).await?;
    let (mut last, mut before) = (None, Verdicts::default());
    while let Some(end) = queued.last().map(|queued| queued.number) {
        last = Some(end);
        let full = queued.len() == BATCH;
        let (numbers, messages): (Vec<i64>, Vec<_>) = queued.into_iter().map(|q| (q.number, q.outgoing)).unzip();
        let next = async { if full { engine.store.outbox(end, BATCH).await } else { Ok(vec![]) } };
        let (verdicts, settled, next) = tokio::join!(publisher.publish(&messages), before.settle(engine), next);
        settled?;
        before = Verdicts { numbers, verdicts: verdicts? };
        queued = match next {
            Ok(next) => next,
            Err(error) => {
                before.settle(engine).await?;
                return Err(error.into());
            }
        };
    }
    before.settle(engine).await?;
    Ok(last)
}

/// What became of a batch.
#[derive(Default)]
struct Verdicts {
    numbers: Vec<i64>,
    verdicts: Vec<Delivered>,
}

impl Verdicts {
    async fn settle(&self, engine: &Engine) -> Result<(), StoreError> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let told = self.numbers.iter().zip(&self.verdicts);
        let of = |wanted: Delivered| -> Vec<i64> {
            told.clone().filter(|(_, verdict)| **verdict == wanted).map(|(number, _)| *number).collect()
        };
        let (confirmed, undeliverable) = (of(Delivered::Confirmed), of(Delivered::Undeliverable));
        engine.store.mark_sent(&confirmed, &undeliverable).await?;
        engine.observer.published(confirmed.len(), undeliverable.len());
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
