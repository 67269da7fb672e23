//! What the worker goes by, and what the machine's clock shows: asks the cloud for the time until it has told it, and says
//! how far off the machine's clock is.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clock::later;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::LatestDue;

/// Between two looks at the clocks, and two questions to a cloud that does not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// A clock that is nearer to the cloud's counts as right; also, how much it must move to be spoken of again.
const NEAR: SignedDuration = SignedDuration::from_secs(5);
/// From here on it is an error. The cloud's hours begin by its own clock, and at fifteen minutes it refuses every signature
/// that is made by ours.
const FAR: SignedDuration = SignedDuration::from_secs(60);
/// Between two looks for jobs that are put off too far. The first is made as soon as the cloud has told the time; another
/// worker, with a clock that is ahead, may have put jobs off since and be gone.
const RECHECK: Duration = Duration::from_secs(3600);
/// The time moves this little against the uptime by itself.
const STEADY: SignedDuration = SignedDuration::from_secs(1);

/// Keeps the time until `stop` says true.
pub async fn keep(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut booted = engine.clock.at(Duration::ZERO);
    let mut said = SignedDuration::ZERO;
    let mut checked = None;
    while !*stop.borrow() {
        if !engine.clock.is_told() {
            tokio::select! {
                () = engine.cloud.ask_time() => {}
                _ = stop.changed() => continue,
            }
        }
        follow(&engine, &mut booted).await;
        find_put_off(&engine, &mut checked).await;
        let ahead = engine.clock.machine_ahead();
        engine.observer.clock_ahead(ahead);
        if (ahead - said).abs() > NEAR {
            tell(ahead);
            said = ahead;
        }
        tokio::select! {
            () = engine.clock.sleep(PAUSE) => {}
            _ = stop.changed() => {}
        }
    }
}

/// When the time has turned out to be another, what is due changes. Where it was ahead, every due time was set too late.
async fn follow(engine: &Engine, booted: &mut Timestamp) {
    let now = engine.clock.at(Duration::ZERO);
    let moved = now.duration_since(*booted);
    if moved.abs() <= STEADY {
        return;
    }
    if moved.is_negative() {
        let now = engine.clock.now();
        match engine.store.bring_forward(now, LatestDue::all(now), None).await {
            Ok(jobs) => {
                tracing::info!(jobs, back.seconds = -moved.as_secs(), "the time was put right; looks at every job")
            }
            Err(error) => {
                tracing::error!(%error, "cannot look at jobs earlier after the time was put right; tries again");
                return;
            }
        }
    }
    *booted = now;
    engine.work.notify_one();
    engine.hours.notify_one();
}

/// Looks at jobs that are due further ahead than any rest lasts: the process that put them off went by a clock that was ahead,
/// and is gone, or it would have noticed itself.
async fn find_put_off(engine: &Engine, checked: &mut Option<Duration>) {
    let uptime = engine.clock.uptime();
    if !engine.clock.is_told() || checked.is_some_and(|at| uptime.saturating_sub(at) < RECHECK) {
        return;
    }
    let now = engine.clock.now();
    let resting = later(now, engine.catalog.policies.longest_rest());
    // The next check of a wait is at the top of the next hour at the latest.
    let waiting = later(now, engine.announcer.hour.length());
    match engine.store.bring_forward(now, LatestDue { resting, waiting }, None).await {
        Ok(0) => {}
        Ok(jobs) => {
            tracing::warn!(jobs, "a clock that was ahead had put jobs off too far; looks at them");
            engine.work.notify_one();
            engine.hours.notify_one();
        }
        Err(error) => {
            tracing::error!(%error, "cannot look for jobs that are put off too far; tries again");
            return;
        }
    }
    *checked = Some(uptime);
}

fn tell(ahead: SignedDuration) {
    let off = sentence(ahead);
    if ahead.abs() <= NEAR {
        tracing::info!("this machine's clock is right again");
    } else if ahead.abs() < FAR {
        tracing::warn!(ahead.seconds = ahead.as_secs(), "{off}");
    } else {
        tracing::error!(ahead.seconds = ahead.as_secs(), "{off}");
    }
}

/// How far off the machine's clock is, for people.
pub fn sentence(ahead: SignedDuration) -> String {
    let (off, way) = (ahead.abs().as_secs_f64().round(), if ahead.is_negative() { "behind" } else { "ahead of" });
    format!(
        "this machine's clock is {off} s {way} the cloud's, which the worker goes by; set it right: timedatectl set-ntp true"
    )
}

/// The same, if it is worth telling.
pub fn fault(ahead: SignedDuration) -> Option<String> {
    (ahead.abs() > NEAR).then(|| sentence(ahead))
}
