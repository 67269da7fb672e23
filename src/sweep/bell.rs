//! When to pass: at the top of every hour, at start, and whenever something in the store is due.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use super::pass::pass;
use crate::clock::until;
use crate::domain::Hour;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::StoreError;

/// After a store that could not be used.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause between two passes.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);

/// Passes until `stop` says true.
pub async fn run(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let bell = Arc::new(Notify::new());
    let mut scheduler = match ring(engine.hour(), Arc::clone(&bell)).await {
        Ok(scheduler) => Some(scheduler),
        Err(error) => {
            tracing::error!(%error, "the hourly bell does not ring; the due times in the store are kept all the same");
            None
        }
    };
    while !*stop.borrow() {
        let pause = match sweep(&engine).await {
            Ok(next) => next.map(|at| until(engine.clock.now(), at).max(SHORTEST_PAUSE)),
            Err(error) => {
                tracing::error!(%error, "cannot sweep; tries again");
                Some(STORE_PAUSE)
            }
        };
        let due = async {
            match pause {
                Some(pause) => engine.clock.sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = bell.notified() => {}
            () = engine.hours.notified() => {}
            _ = stop.changed() => {}
        }
    }
    if let Some(scheduler) = &mut scheduler
        && let Err(error) = scheduler.shutdown().await
    {
        tracing::warn!(%error, "the hourly bell did not stop cleanly");
    }
}

/// Passes if something is due; says when it will be next. That is one look at an index, however many wait: it is made
/// whenever a job begins to.
async fn sweep(engine: &Engine) -> Result<Option<Timestamp>, StoreError> {
    match engine.store.next_sweep().await? {
        Some(due) if due <= engine.clock.now() => {
            pass(engine).await?;
            engine.store.next_sweep().await
        }
        next => Ok(next),
    }
}

/// A bell for every top of the hour; of a shorter hour, one for each of its lengths.
async fn ring(hour: Hour, bell: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = if hour == Hour::REAL {
        Job::new("0 0 * * * *", move |_, _| bell.notify_one())?
    } else {
        Job::new_repeated(hour.length(), move |_, _| bell.notify_one())?
    };
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
