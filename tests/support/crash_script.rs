//! When a test cuts the engine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crossgrant::engine::ports::crash_points::{CrashPoint, CrashPoints};

/// Cuts the engine once, at the n-th time it passes a point, or makes every write twice.
#[derive(Default)]
pub struct Script {
    point: Mutex<Option<(CrashPoint, usize)>>,
    passed: AtomicUsize,
    struck: AtomicBool,
    twice: AtomicBool,
}

impl Script {
    pub fn cut_at(&self, point: CrashPoint, nth: usize) {
        *self.point.lock().unwrap() = Some((point, nth));
        self.passed.store(0, Ordering::SeqCst);
        self.struck.store(false, Ordering::SeqCst);
    }

    pub fn every_write_twice(&self) {
        self.twice.store(true, Ordering::SeqCst);
    }

    pub fn struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }
}

impl CrashPoints for Script {
    fn cut(&self, at: CrashPoint) -> bool {
        let Some((point, nth)) = *self.point.lock().unwrap() else { return false };
        if point != at || self.struck() {
            return false;
        }
        let strikes = self.passed.fetch_add(1, Ordering::SeqCst) == nth;
        if strikes {
            self.struck.store(true, Ordering::SeqCst);
        }
        strikes
    }

    fn twice(&self) -> bool {
        self.twice.load(Ordering::SeqCst)
    }
}
