//! Wake-ups by other workers of the same store, passed on to the loops of this one.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::loops::shared::Engine;

/// Listens until `stop` says true.
pub async fn listen(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let wakeup = tokio::select! {
            wakeup = engine.store.wakeup() => wakeup,
            _ = stop.changed() => continue,
        };
        if wakeup.work {
            engine.work.notify_one();
        }
        if wakeup.mail {
            engine.ring();
        }
        if wakeup.sweep {
            engine.hours.notify_one();
        }
        if wakeup.workers {
            let workers = engine.store.workers();
            engine.cloud.share(workers);
            tracing::info!(workers, "rate limits shared");
        }
    }
}
