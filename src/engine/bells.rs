//! What other workers of the same store bring, told to the loops of this one.

use std::sync::Arc;

use tokio::sync::watch;

use super::core::Core;

/// Rings until `stop` says true.
pub async fn listen(core: Arc<Core>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let heard = tokio::select! {
            heard = core.store.heard() => heard,
            _ = stop.changed() => continue,
        };
        if heard.work {
            core.work.notify_one();
        }
        if heard.mail {
            core.mail.notify_one();
        }
        if heard.hours {
            core.hours.notify_one();
        }
        if heard.workers {
            let workers = core.store.workers();
            core.cloud.share(workers);
            tracing::info!(workers, "shares the budgets of calls");
        }
    }
}
