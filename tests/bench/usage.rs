//! What processes have used so far, as the kernel counts it.

use std::collections::HashMap;
use std::fs;
use std::ops::{Add, Sub};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// Clock ticks a second in /proc: fixed on Linux.
const TICKS: f64 = 100.0;

/// What processes have used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usage {
    pub cpu_seconds: f64,
    pub fsyncs: f64,
    pub disk_bytes: f64,
}

impl Usage {
    /// What the process `id` has used until now, with its threads and with the children that it has waited for.
    pub fn of(id: u32) -> Result<Self> {
        let stat = Stat::of(id).context("the process is gone")?;
        Ok(Self { cpu_seconds: stat.cpu_seconds, fsyncs: fsyncs(id), disk_bytes: written(id) })
    }

    /// The same, with all that descend from it. Of fsyncs the shim counts those of a forked child, which has begun no
    /// program of its own, as its parent's.
    pub fn of_tree(root: u32) -> Result<Self> {
        let all: HashMap<u32, Stat> = processes().filter_map(|id| Some((id, Stat::of(id)?))).collect();
        let descends = |id: &u32| {
            let parents = std::iter::successors(Some(*id), |id| all.get(id).map(|stat| stat.parent));
            parents.take(all.len()).any(|id| id == root)
        };
        let tree = all.keys().filter(|id| descends(id)).filter_map(|id| Self::of(*id).ok());
        Ok(tree.fold(Self::default(), Add::add))
    }
}

impl Add for Usage {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            fsyncs: self.fsyncs + other.fsyncs,
            disk_bytes: self.disk_bytes + other.disk_bytes,
        }
    }
}

impl Sub for Usage {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
            fsyncs: self.fsyncs - before.fsyncs,
            disk_bytes: self.disk_bytes - before.disk_bytes,
        }
    }
}

/// The child of this process that runs `program`.
pub fn child(program: &str) -> Result<u32> {
    let ours = std::process::id();
    let is = |id: &u32| {
        let name = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
        Stat::of(*id).is_some_and(|stat| stat.parent == ours) && name.trim_end() == program
    };
    processes().find(is).with_context(|| format!("no {program} among our own processes"))
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

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

struct Stat {
    parent: u32,
    cpu_seconds: f64,
}

impl Stat {
    fn of(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name before may hold spaces.
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<f64>().ok()).sum::<f64>();
        Some(Self { parent: fields.get(1)?.parse().ok()?, cpu_seconds: ticks / TICKS })
    }
}

fn written(id: u32) -> f64 {
    let io = fs::read_to_string(format!("/proc/{id}/io")).unwrap_or_default();
    io.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok()).unwrap_or(0.0)
}

/// What the shim of syncs.c has counted; nothing for a process that it is not in.
fn fsyncs(id: u32) -> f64 {
    let counted = || {
        let file = PathBuf::from(std::env::var_os("BENCH_SYNC_DIR")?).join(id.to_string());
        let bytes: [u8; 8] = fs::read(file).ok()?.get(..8)?.try_into().ok()?;
        Some(u64::from_ne_bytes(bytes) as f64)
    };
    counted().unwrap_or(0.0)
}
