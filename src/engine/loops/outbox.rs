//! The outbox: publishes the messages that were committed with changes, again and again until the broker confirms them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Delivered, PublishError, Publisher};
use crate::engine::ports::store::StoreError;

/// Messages published under one barrier of confirms. The verdicts of the batch before may not be committed yet: so a broken
/// connection or store repeats two batches at most, and as many are in memory.
const BATCH: usize = 512;
/// After a broken connection or an unusable store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes until `stop` says true and what was said before it is out, or cannot be published.
pub async fn publish(engine: Arc<Engine>, publisher: Arc<dyn Publisher>, mut stop: watch::Receiver<bool>) {
    loop {
        let stopping = *stop.borrow();
        let pass = publish_all(&engine, publisher.as_ref()).await;
        if let Err(error) = &pass {
            tracing::warn!(%error, "cannot publish; the outbox keeps the messages, and they are tried again");
        }
        if stopping {
            return;
        }
        let nothing_left = matches!(pass, Ok(0));
        tokio::select! {
            () = engine.mail.notified(), if nothing_left => {}
            () = engine.clock.sleep(PAUSE), if !nothing_left => {}
            _ = stop.changed() => {}
        }
    }
}

/// Publishes what stands in the outbox, batch by batch until one is not full: while one is published, the verdicts of the
/// one before are committed and the next is read. Returns how many messages a queue refused: they keep their place and hold
/// up no other.
async fn publish_all(engine: &Engine, publisher: &dyn Publisher) -> Result<usize, OutboxError> {
    let mut queued = engine.store.outbox(0, BATCH).await?;
    let (mut refused, mut before) = (0, Verdicts::default());
    while let Some(end) = queued.last().map(|queued| queued.number) {
        let full = queued.len() == BATCH;
        let (numbers, messages): (Vec<i64>, Vec<_>) = queued.into_iter().map(|q| (q.number, q.outgoing)).unzip();
        let next = async { if full { engine.store.outbox(end, BATCH).await } else { Ok(vec![]) } };
        let (verdicts, committed, next) = tokio::join!(publisher.publish(&messages), before.commit(engine), next);
        committed?;
        before = Verdicts { numbers, verdicts: verdicts? };
        refused += before.of(Delivered::Refused).count();
        queued = match next {
            Ok(next) => next,
            Err(error) => {
                before.commit(engine).await?;
                return Err(error.into());
            }
        };
    }
    before.commit(engine).await?;
    Ok(refused)
}

/// The verdicts of the broker on a batch.
#[derive(Default)]
struct Verdicts {
    numbers: Vec<i64>,
    verdicts: Vec<Delivered>,
}

impl Verdicts {
    /// The numbers of the messages that met with `wanted`.
    fn of(&self, wanted: Delivered) -> impl Iterator<Item = i64> {
        self.numbers
            .iter()
            .zip(&self.verdicts)
            .filter(move |(_, verdict)| **verdict == wanted)
            .map(|(number, _)| *number)
    }

    async fn commit(&self, engine: &Engine) -> Result<(), StoreError> {
        if self.numbers.is_empty() {
            return Ok(());
        }
        let confirmed: Vec<i64> = self.of(Delivered::Confirmed).collect();
        let undeliverable: Vec<i64> = self.of(Delivered::Undeliverable).collect();
        engine.store.mark_sent(&confirmed, &undeliverable).await?;
        engine.observer.published(confirmed.len(), undeliverable.len());
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
