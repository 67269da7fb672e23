//! W2: everything waits for the same hour, which comes.

use std::time::Duration;

use anyhow::{Result, ensure};
use crossgrant::clock::{Clock as _, SystemClock};

use crate::driver::Driver;
use crate::figures::Figures;
use crate::rig::Rig;
use crate::usage::{Usage, forget_peak, memory};
use crate::world::{Network, job};

/// Jobs that are brought to their wait in a second, on a slow machine.
const FILLED_PER_SECOND: usize = 250;
/// Before the first of them.
const START: usize = 20;
/// Rest before the hour: whatever the filling left behind is over by then.
const REST: Duration = Duration::from_secs(5);

/// From the top of the hour to the last `completed` that the broker delivers.
pub async fn pass(rig: &Rig, jobs: usize) -> Result<Figures> {
    let (hour, top) = hour((START + jobs / FILLED_PER_SECOND) as u64 + REST.as_secs());
    let round = rig.round(jobs, Network::Attached, &format!("{hour}s")).await?;
    let mut filling = Driver::connect(&round, "job.waiting").await?;
    filling.closed_loop(jobs, 512, "payer-change", |n| job("payer-change", n, None)).await?;
    let mut driver = Driver::connect(&round, "job.completed").await?;
    let left = Duration::from_secs(top).saturating_sub(now());
    ensure!(left > REST / 2, "filling took too long: {} s are left before the hour", left.as_secs());
    let waiting = memory(round.worker.id(), "VmRSS");
    SystemClock.sleep(left.saturating_sub(Duration::from_millis(500))).await;
    let (before, calls_before) = (Usage::of(round.worker.id())?, round.total_calls()?);
    forget_peak(round.worker.id());
    driver.events(jobs).await?;
    let took = now().saturating_sub(Duration::from_secs(top));
    let (after, calls) = (Usage::of(round.worker.id())?, round.total_calls()? - calls_before);
    let peak = memory(round.worker.id(), "VmHWM");
    round.end()?;
    Ok(Figures::default()
        .with("last_completed_s", took.as_secs_f64())
        .with("calls", calls as f64)
        .with("waiting_rss_mib", waiting)
        .with("peak_rss_mib", peak)
        .and(after.since(before, jobs)))
}

fn now() -> Duration {
    Duration::from_millis(SystemClock.now().as_millisecond().unsigned_abs())
}

/// An hour, in seconds, whose next top is about `seconds` away, and that top in unix time.
fn hour(seconds: u64) -> (u64, u64) {
    let now = now().as_secs();
    let top = |hour: u64| (now / hour + 1) * hour;
    let hours = (seconds..seconds * 4).map(|hour| (hour, top(hour)));
    let fitting = hours.filter(|(_, top)| *top >= now + seconds);
    fitting.min_by_key(|(_, top)| *top).unwrap_or((seconds * 4, top(seconds * 4)))
}
