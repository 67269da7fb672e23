//! What the worker goes by, and what the machine's clock shows: asks the cloud for the time until it has told it, and says
//! how far off the machine's clock is.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::engine::loops::shared::Engine;

/// Between two looks at the clocks, and two questions to a cloud that does not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// A clock that is nearer to the cloud's counts as right; also, how much it must move to be spoken of again.
const NEAR: SignedDuration = SignedDuration::from_secs(5);
/// From here on it is an error. The cloud's hours begin by its own clock, and at fifteen minutes it refuses every signature
/// that is made by ours.
const FAR: SignedDuration = SignedDuration::from_secs(60);
/// The time moves this little against the uptime by itself.
const STEADY: SignedDuration = SignedDuration::from_secs(1);

/// Keeps the time until `stop` says true.
pub async fn keep(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut booted = engine.clock.at(Duration::ZERO);
    let mut said = SignedDuration::ZERO;
    while !*stop.borrow() {
        if !engine.clock.is_told() {
            tokio::select! {
                () = engine.cloud.ask_time() => {}
                _ = stop.changed() => continue,
            }
        }
        follow(&engine, &mut booted).await;
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
        match engine.store.bring_forward(engine.clock.now(), None).await {
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
