//! When a pass is made: at start, whenever something in the store is due, and when the cron strikes.

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
    let top_of_hour = Arc::new(Notify::new());
    let mut cron = match cron(engine.announcer.hour, Arc::clone(&top_of_hour)).await {
        Ok(cron) => Some(cron),
        Err(error) => {
            tracing::error!(%error, "the hourly cron cannot start; the due times in the store wake the sweep all the same");
            None
        }
    };
    engine.observer.sweep_is_done(engine.clock.now());
    let mut unread = false;
    while !*stop.borrow() {
        let pause = match sweep(&engine, &mut unread).await {
            Ok(next) => next.map(|at| until(engine.clock.now(), at).max(SHORTEST_PAUSE)),
            Err(error) => {
                tracing::error!(%error, "cannot sweep; tries again");
                Some(STORE_PAUSE)
            }
        };
        tokio::select! {
            () = engine.clock.pause(pause) => {}
            () = top_of_hour.notified() => {}
            () = engine.hours.notified() => {}
            _ = stop.changed() => {}
        }
    }
    if let Some(cron) = &mut cron
        && let Err(error) = cron.shutdown().await
    {
        tracing::warn!(%error, "the hourly cron did not stop cleanly");
    }
}

/// Passes if something is due; says when it will be next. Cheap, since it is called whenever a job begins to wait: one
/// lookup in an index, however many jobs wait. `unread` tells whether a group could not be read by the latest pass, and jobs
/// still wait.
async fn sweep(engine: &Engine, unread: &mut bool) -> Result<Option<Timestamp>, StoreError> {
    let now = engine.clock.now();
    let next = engine.store.next_sweep().await?;
    let is_due = next.is_some_and(|due| due <= now);
    if is_due {
        *unread = pass(engine).await?.failed > 0;
    }
    *unread &= next.is_some();
    if !*unread {
        engine.observer.sweep_is_done(now);
    }
    if is_due { engine.store.next_sweep().await } else { Ok(next) }
}

/// Notifies at the top of every hour; of a simulated, shorter hour once in each of its lengths.
async fn cron(hour: Hour, top_of_hour: Arc<Notify>) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let job = if hour == Hour::REAL {
        Job::new("0 0 * * * *", move |_, _| top_of_hour.notify_one())?
    } else {
        Job::new_repeated(hour.length(), move |_, _| top_of_hour.notify_one())?
    };
    scheduler.add(job).await?;
    scheduler.start().await?;
    Ok(scheduler)
}
