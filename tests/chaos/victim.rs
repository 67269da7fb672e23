//! What is struck, and how.

use std::ops::Range;
use std::time::Duration;

use anyhow::Result;

use super::storm::{Storm, pause};
use crate::support::dice::Dice;

/// How long something is dead before it is started again.
const DEAD: Range<Duration> = Duration::ZERO..Duration::from_secs(3);
/// How long something is stopped: in part longer than a lease, and than the broker's heartbeats allow.
const STOPPED: Range<Duration> = Duration::from_millis(200)..Duration::from_secs(16);

/// What happens to a process.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// SIGKILL, and started again.
    Kill,
    /// SIGTERM, and started again once it has ended.
    Term,
    /// SIGSTOP, and SIGCONT.
    Stop,
}

impl Fault {
    /// As the figures call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill -9",
            Self::Term => "TERM",
            Self::Stop => "STOP",
        }
    }

    fn lasts(self) -> &'static Range<Duration> {
        match self {
            Self::Kill | Self::Term => &DEAD,
            Self::Stop => &STOPPED,
        }
    }
}

/// A part that can be struck, and goes on.
pub trait Victim: Sync {
    /// As the figures call it.
    fn name(&self) -> &'static str;

    /// How long it is left alone between two faults.
    fn quiet(&self) -> Range<Duration>;

    /// What may happen to it, each as likely as often as it is there.
    fn faults(&self) -> &'static [Fault] {
        &[Fault::Kill, Fault::Kill, Fault::Stop]
    }

    fn kill9(&self) -> Result<()>;

    /// Asks it to end, and waits until it has.
    fn terminate(&self) -> Result<()> {
        anyhow::bail!("it is never asked to end")
    }

    /// Starts it again after its end.
    fn start(&self) -> Result<()>;

    fn suspend(&self) -> Result<()>;

    fn wake(&self) -> Result<()>;

    /// Starts it again if it has ended by itself.
    fn look_after(&self, _: &Storm) {}
}

/// Strikes again and again until the storm is over, and leaves the part running.
pub fn torment(victim: &dyn Victim, storm: &Storm, mut dice: Dice) {
    while storm.rests(dice.span(&victim.quiet()), || victim.look_after(storm)) {
        let fault = dice.one_of(victim.faults());
        let lasts = dice.span(fault.lasts());
        storm.counts(victim.name(), fault.name());
        if let Err(error) = strike(victim, fault, lasts) {
            storm.problem(format!("{}, {}: {error:#}", victim.name(), fault.name()));
        }
    }
}

fn strike(victim: &dyn Victim, fault: Fault, lasts: Duration) -> Result<()> {
    match fault {
        Fault::Kill => victim.kill9()?,
        Fault::Term => victim.terminate()?,
        Fault::Stop => victim.suspend()?,
    }
    pause(lasts);
    match fault {
        Fault::Stop => victim.wake(),
        Fault::Kill | Fault::Term => victim.start(),
    }
}
