//! Retention: an ended job and its idempotency key are kept as long as a repetition must be recognized, then deleted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::earlier;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::StoreError;

/// Between two deletions.
const PAUSE: Duration = Duration::from_secs(3600);

/// Deletes ended jobs older than `keep`, once an hour, until `stop` says true.
pub async fn forget(engine: Arc<Engine>, keep: Duration, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        // By a clock that is days ahead, what has just ended would be old.
        if engine.clock.is_told()
            && let Err(error) = forget_once(&engine, keep).await
        {
            tracing::error!(%error, "cannot delete old jobs; tries again in an hour");
        }
        tokio::select! {
            () = engine.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// Deletes ended jobs older than `keep`. Returns how many.
pub async fn forget_once(engine: &Engine, keep: Duration) -> Result<usize, StoreError> {
    let before = earlier(engine.clock.now(), keep);
    let jobs = engine.store.prune(before).await?;
    if jobs > 0 {
        tracing::info!(jobs, before = %before, "old jobs deleted");
    }
    Ok(jobs)
}
