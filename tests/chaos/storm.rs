//! The time in which things are killed: what happens in it is counted, and what goes wrong is kept.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossgrant::clock::{Clock as _, SystemClock};

/// How often a pause looks whether it is over.
const POLL: Duration = Duration::from_millis(50);

/// How often each part met each fault.
pub type Faults = BTreeMap<&'static str, BTreeMap<&'static str, usize>>;

/// Shared by the threads that strike.
pub struct Storm {
    began: Duration,
    over: AtomicBool,
    faults: Mutex<Faults>,
    problems: Mutex<Vec<String>>,
}

impl Storm {
    pub fn begins() -> Self {
        let began = SystemClock.uptime();
        Self { began, over: AtomicBool::new(false), faults: Mutex::default(), problems: Mutex::default() }
    }

    /// No thread strikes any more.
    pub fn ends(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Since it began.
    pub fn seconds(&self) -> f64 {
        SystemClock.uptime().saturating_sub(self.began).as_secs_f64()
    }

    /// Lets a span pass, or what is left of the storm, and looks after something meanwhile. Whether the storm goes on.
    pub fn rests(&self, span: Duration, look_after: impl Fn()) -> bool {
        let until = SystemClock.uptime() + span;
        while !self.over.load(Ordering::SeqCst) && SystemClock.uptime() < until {
            look_after();
            pause(POLL.min(span));
        }
        !self.over.load(Ordering::SeqCst)
    }

    /// Counts what happened to a part, and shows it.
    pub fn counts(&self, victim: &'static str, what: &'static str) {
        eprintln!("  {:6.1} s  {victim}: {what}", self.seconds());
        *self.faults.lock().unwrap().entry(victim).or_default().entry(what).or_default() += 1;
    }

    /// Keeps what went wrong.
    pub fn problem(&self, what: String) {
        eprintln!("  {:6.1} s  ! {what}", self.seconds());
        self.problems.lock().unwrap().push(what);
    }

    /// The faults, and all problems with these.
    pub fn came_to(self, more: Vec<String>) -> (Faults, Vec<String>) {
        let mut problems = self.problems.into_inner().unwrap();
        problems.extend(more);
        (self.faults.into_inner().unwrap(), problems)
    }
}

/// Lets time pass, where another process gives no notice.
#[allow(clippy::disallowed_methods)] // other processes, with clocks of their own
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}
