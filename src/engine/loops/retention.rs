//! Forgetting: an ended job and its idempotency key are kept for as long as a repetition must be recognized, and then go.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::earlier;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::StoreError;

/// Between two looks at what is old enough.
const PAUSE: Duration = Duration::from_secs(3600);

/// Forgets what is older than `keep`, once an hour, until `stop` says true.
pub async fn forget(engine: Arc<Engine>, keep: Duration, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = forget_once(&engine, keep).await {
            tracing::error!(%error, "cannot forget what is old; tries again in an hour");
        }
        tokio::select! {
            () = engine.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Forgets what is older than `keep` now; returns how many jobs went.
pub async fn forget_once(engine: &Engine, keep: Duration) -> Result<usize, StoreError> {
    let before = earlier(engine.clock.now(), keep);
    let jobs = engine.store.prune(before).await?;
    if jobs > 0 {
        tracing::info!(jobs, before = %before, "forgot what is old");
    }
    Ok(jobs)
}
