//! What other workers of the same store bring, told to the loops of this one.

use std::sync::Arc;

use tokio::sync::watch;

use crate::engine::loops::shared::Engine;

/// Rings until `stop` says true.
pub async fn listen(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let heard = tokio::select! {
            heard = engine.store.wakeup() => heard,
            _ = stop.changed() => continue,
        };
        if heard.work {
            engine.work.notify_one();
        }
        if heard.mail {
            engine.mail.notify_one();
        }
        if heard.sweep {
            engine.hours.notify_one();
        }
        if heard.workers {
            let workers = engine.store.workers();
            engine.cloud.share(workers);
            tracing::info!(workers, "shares the budgets of calls");
        }
    }
}
