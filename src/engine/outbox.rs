//! The outbox: what was committed with a change is published, however often the connection or the process breaks.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::core::Core;
use super::mail::{Delivered, Publisher};
use super::store::Queued;

/// Messages published under one barrier of confirms: what a lost connection makes us publish again at most.
const BATCH: usize = 256;
/// After a broken connection or an unusable store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes until `stop` says true and, as long as that works, until the outbox is empty.
pub async fn publish(core: Arc<Core>, publisher: Arc<dyn Publisher>, mut stop: watch::Receiver<bool>) {
    loop {
        match publish_some(&core, publisher.as_ref()).await {
            Ok(BATCH) => {}
            Ok(_) if *stop.borrow() => return,
            Ok(_) => tokio::select! {
                () = core.mail.notified() => {}
                _ = stop.changed() => {}
            },
            Err(why) => {
                tracing::warn!(error = %why, "cannot publish; what is to be said is kept and tried again");
                if *stop.borrow() {
                    return;
                }
                tokio::select! {
                    () = core.clock.sleep(PAUSE) => {}
                    _ = stop.changed() => {}
                }
            }
        }
    }
}

/// Publishes one batch; returns how many messages it held.
pub async fn publish_some(core: &Core, publisher: &dyn Publisher) -> anyhow::Result<usize> {
    let queued: Vec<Queued> = core.store.outbox(0, BATCH).await?;
    if queued.is_empty() {
        return Ok(0);
    }
    let (numbers, messages): (Vec<i64>, Vec<_>) = queued.into_iter().map(|q| (q.number, q.outgoing)).unzip();
    let verdicts = publisher.publish(&messages).await?;
    let of = |wanted: Delivered| -> Vec<i64> {
        numbers.iter().zip(&verdicts).filter(|(_, verdict)| **verdict == wanted).map(|(number, _)| *number).collect()
    };
    let (confirmed, undeliverable) = (of(Delivered::Confirmed), of(Delivered::Undeliverable));
    core.store.settle(&confirmed, &undeliverable).await?;
    core.observer.published(confirmed.len(), undeliverable.len());
    Ok(numbers.len())
}
