//! What the process uses, as every Prometheus client tells it: read from /proc at each scrape.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};
use rustix::process::{Resource, getrlimit};

/// Reads what this process uses. What cannot be read is left out.
#[derive(Debug)]
pub(super) struct Process;

/// What stands in `/proc/self/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// Processor time, in ticks.
    ticks: u64,
    /// When the process began, in ticks since the machine did.
    began: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// The fields after the name of the program, which may hold spaces and parentheses.
fn stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
    let field = |n: usize| fields.get(n)?.parse::<u64>().ok();
    Some(Stat {
        ticks: field(11)? + field(12)?,
        began: field(19)?,
        virtual_bytes: field(20)?,
        resident_pages: field(21)?,
    })
}

/// When the machine began, from `/proc/stat`.
fn booted(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut show = |name: &str, help: &str, unit: Option<Unit>, value: &dyn EncodeMetric| {
            let metric = encoder.encode_descriptor(name, help, unit.as_ref(), value.metric_type())?;
            value.encode(metric)
        };
        let read = |path: &str| fs::read_to_string(path).ok();
        if let Some(stat) = read("/proc/self/stat").and_then(|text| stat(&text)) {
            let per_second = clock_ticks_per_second() as f64;
            let cpu = ConstCounter::new(stat.ticks as f64 / per_second);
            show("process_cpu", "Processor time that the process has used", Some(Unit::Seconds), &cpu)?;
            let bytes = |bytes: u64| ConstGauge::new(bytes as f64);
            let resident = bytes(stat.resident_pages * page_size() as u64);
            show("process_resident_memory", "Memory of the process that is in RAM", Some(Unit::Bytes), &resident)?;
            let all = bytes(stat.virtual_bytes);
            show("process_virtual_memory", "Address space of the process", Some(Unit::Bytes), &all)?;
            if let Some(booted) = read("/proc/stat").and_then(|text| booted(&text)) {
                let began = ConstGauge::new(booted as f64 + stat.began as f64 / per_second);
                show("process_start_time", "Unix time at which the process began", Some(Unit::Seconds), &began)?;
            }
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            let open = ConstGauge::new(open.count().saturating_sub(1) as i64);
            show("process_open_fds", "Open file descriptors", None, &open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let most = ConstGauge::new(most as f64);
            show("process_max_fds", "Most file descriptors that may be open", None, &most)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_program_confuses_nothing() {
        let text =
            "17 (a) b (c) S 1 17 17 0 -1 4194560 900 0 0 0 250 50 0 0 20 0 5 0 4200 1048576 321 18446744073709551615 1";
        let found = Stat { ticks: 300, began: 4200, virtual_bytes: 1_048_576, resident_pages: 321 };
        assert_eq!(stat(text), Some(found));
        assert_eq!((stat("17 (a) S 1 2"), stat("")), (None, None));
    }

    #[test]
    fn the_time_at_which_the_machine_began_is_found() {
        assert_eq!(booted("cpu  1 2 3\nbtime 1795000000\nprocesses 9\n"), Some(1_795_000_000));
        assert_eq!(booted("cpu  1 2 3\n"), None);
    }
}
