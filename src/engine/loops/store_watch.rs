//! Watches that the store stays the one that was opened: an idle worker, too, must notice that its file was taken away.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::StoreError;

/// Between two looks. It is the longest that a worker without work runs on a store that is lost; one with work finds out
/// before its next answer.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks once a second until `stop` says true. Ends by itself only when the store is lost: then the process must end, too.
pub async fn watch(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        match engine.store.check().await {
            Ok(()) => {}
            Err(error @ StoreError::Lost(_)) => {
                tracing::error!(%error, code = %error.code(), "nothing is acknowledged or written any more; the worker stops");
                return;
            }
            Err(error) => tracing::warn!(%error, "cannot look whether the store is still there; looks again"),
        }
        tokio::select! {
            () = engine.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}
