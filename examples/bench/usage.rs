//! What a process has used so far, as the kernel counts it.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::figures::Figures;

/// Clock ticks a second in /proc: fixed on Linux.
const TICKS: f64 = 100.0;

/// What a process has used.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    cpu_seconds: f64,
    fsyncs: f64,
    disk_bytes: f64,
}

impl Usage {
    /// What the process `id` and its threads have used until now.
    pub fn of(id: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).context("the process is gone")?;
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let field = |place: usize| after_name.split_whitespace().nth(place).and_then(|f| f.parse::<f64>().ok());
        let cpu_seconds = (field(11).unwrap_or(0.0) + field(12).unwrap_or(0.0)) / TICKS;
        let io = fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Ok(Self { cpu_seconds, fsyncs: fsyncs(id), disk_bytes: written.unwrap_or(0.0) })
    }

    /// What it used since `before`, for `jobs` jobs.
    pub fn since(self, before: Self, jobs: usize) -> Figures {
        let each = |now: f64, then: f64| (now - then) / jobs as f64;
        Figures::default()
            .with("cpu_s_per_1000_jobs", each(self.cpu_seconds, before.cpu_seconds) * 1_000.0)
            .with("fsyncs_per_job", each(self.fsyncs, before.fsyncs))
            .with("disk_bytes_per_job", each(self.disk_bytes, before.disk_bytes))
    }

    /// Microseconds of CPU for each of `calls` calls since `before`.
    pub fn micros_per_call(self, before: Self, calls: u64) -> f64 {
        (self.cpu_seconds - before.cpu_seconds) * 1e6 / calls as f64
    }
}

/// Resident memory of a process in MiB: `VmRSS` now, `VmHWM` at its peak.
pub fn memory(id: u32, which: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// Lets the peak be counted from now on.
pub fn forget_peak(id: u32) {
    // Without it the figure would be too high, never too low.
    let _ = fs::write(format!("/proc/{id}/clear_refs"), "5");
}

/// What the shim of syncs.c has counted; nothing without it.
fn fsyncs(id: u32) -> f64 {
    let counted = || {
        let file = PathBuf::from(std::env::var_os("BENCH_SYNC_DIR")?).join(id.to_string());
        let bytes: [u8; 8] = fs::read(file).ok()?.get(..8)?.try_into().ok()?;
        Some(u64::from_ne_bytes(bytes) as f64)
    };
    counted().unwrap_or(f64::NAN)
}
