//! Retention: an ended job and its idempotency key are kept as long as a repetition must be recognized, then deleted. Of
//! rejections only the newest are kept: a client that may publish can have messages rejected as fast as a worker reads them,
//! and must not fill the disk of the store with that.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::earlier;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::StoreError;

/// Between two deletions of what is older than `keep`.
const PAUSE: Duration = Duration::from_secs(3600);
/// Between two looks at the number of rejections. A worker rejects some 1,500 messages a second at most, so 45,000 come in
/// between.
const LOOK_PAUSE: Duration = Duration::from_secs(30);
/// How many rejections are kept. With what is stored of one, 24 KiB at most, they have some 1.1 GiB at most.
const MOST_REJECTIONS: usize = 50_000;

/// Deletes ended jobs older than `keep`, once an hour, and all but the newest rejections, until `stop` says true.
pub async fn forget(engine: Arc<Engine>, keep: Duration, mut stop: watch::Receiver<bool>) {
    let mut forgotten = None;
    while !*stop.borrow() {
        let uptime = engine.clock.uptime();
        // By a clock that is days ahead, what has just ended would be old.
        if engine.clock.is_told() && forgotten.is_none_or(|at| uptime.saturating_sub(at) >= PAUSE) {
            forgotten = Some(uptime);
            if let Err(error) = forget_once(&engine, keep).await {
                tracing::error!(%error, "cannot delete old jobs; tries again in an hour");
            }
        }
        match engine.store.trim_rejections(MOST_REJECTIONS).await {
            Ok(0) => {}
            Ok(rejections) => {
                tracing::warn!(rejections, kept = MOST_REJECTIONS, "too many rejections; the oldest are deleted")
            }
            Err(error) => tracing::warn!(%error, "cannot count rejections; tries again in {LOOK_PAUSE:?}"),
        }
        tokio::select! {
            () = engine.clock.sleep(LOOK_PAUSE) => {}
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
