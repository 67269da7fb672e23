//! Scrapes workers while something happens to them, and keeps what the alerts ask for as input of `promtool test rules`.
//!
//! The simulated cloud has short hours. Everything is played as much slower as they are shorter than real ones: the time
//! between two scrapes, ages, times of day, and time that calls waited.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime};

use crate::support::web;

/// A file of the repository.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// How fast a recording is made and how many scrapes it has.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// The hour of the cloud, in seconds.
    pub hour: u32,
    /// Seconds between two scrapes, as they are played.
    pub step: u32,
    /// Scrapes before the fault.
    pub before: usize,
    /// Scrapes from the fault on.
    pub after: usize,
}

/// A fault that shows within minutes or an hour.
pub const MINUTES: Pace = Pace { hour: 20, step: 60, before: 15, after: 60 };

impl Pace {
    fn stretch(self) -> f64 {
        3600.0 / f64::from(self.hour)
    }

    /// The real time between two scrapes.
    fn pause(self) -> Duration {
        Duration::from_secs_f64(f64::from(self.step) / self.stretch())
    }
}

/// Scrapes these workers, lets the fault happen in time, and writes the recording.
#[allow(clippy::disallowed_methods)] // it goes at the pace of other processes
pub fn record(name: &str, pace: Pace, workers: &[SocketAddr], fault: impl FnOnce()) {
    let (samples, scrapes) = mpsc::channel();
    let began = Instant::now();
    let origin = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let wait_for = |n: usize| {
        let due = pace.pause() * u32::try_from(n).unwrap();
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    };
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for n in 0..pace.before + pace.after {
                wait_for(n);
                for (instance, worker) in ('a'..).zip(workers) {
                    // A scrape that takes long keeps no other waiting, as with Prometheus.
                    let samples = samples.clone();
                    scope.spawn(move || {
                        let text = web::ask(*worker, "GET", "/metrics", &[], "").ok().filter(|it| it.status == 200);
                        let _ = samples.send((n, instance, text.map(|answer| answer.body)));
                    });
                }
            }
        });
        wait_for(pace.before);
        fault();
    });
    let mut series: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    let asked = metrics_asked_for();
    for (n, instance, text) in scrapes {
        let lines = text.iter().flat_map(|text| text.lines()).filter(|line| !line.starts_with('#'));
        for line in lines {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            let metric = sample.split('{').next().unwrap();
            if asked.contains(metric) {
                let value = played(metric, value.parse().unwrap(), pace, origin);
                let kept = series.entry(of_instance(sample, instance)).or_default();
                kept.resize(pace.before + pace.after, None);
                kept[n] = Some(value);
            }
        }
    }
    std::fs::write(file(&format!("tests/packaging/recorded/{name}.yaml")), written(pace, &series)).unwrap();
}

/// The names of metrics in the alerts.
fn metrics_asked_for() -> BTreeSet<String> {
    let alerts = std::fs::read_to_string(file("deploy/prometheus/alerts.yaml")).unwrap();
    let words = alerts.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("crossgrant_") || word.starts_with("process_"));
    metrics.map(str::to_owned).collect()
}

fn of_instance(sample: &str, instance: char) -> String {
    match sample.split_once('{') {
        Some((name, labels)) => format!("{name}{{instance=\"{instance}\",{labels}"),
        None => format!("{sample}{{instance=\"{instance}\"}}"),
    }
}

/// A value as it is played. Promtool begins at the time 0.
fn played(metric: &str, value: f64, pace: Pace, origin: f64) -> f64 {
    if metric.ends_with("_timestamp_seconds") {
        ((value - origin) * pace.stretch()).round()
    } else if metric.ends_with("_age_seconds") || metric.ends_with("_waited_seconds_total") {
        (value * pace.stretch()).round()
    } else {
        (value * 1000.0).round() / 1000.0
    }
}

fn written(pace: Pace, series: &BTreeMap<String, Vec<Option<f64>>>) -> String {
    let Pace { hour, step, before, .. } = pace;
    let mut text = format!(
        "# Recorded by `make alarm-record` from the program, with hours of {hour} s; see tests/packaging/README.md.\n\
         step: {step}\nbefore: {before}\ninput_series:\n"
    );
    for (sample, values) in series {
        let _ = writeln!(text, "  - {{series: '{sample}', values: '{}'}}", run_lengths(values));
    }
    text
}

/// The notation of promtool, in which `1x3` is four times 1. It has none for a number without digits.
fn run_lengths(values: &[Option<f64>]) -> String {
    let runs = values.chunk_by(|one, other| one == other).map(|run| match (run[0], run.len()) {
        (Some(value), 1) => value.to_string(),
        (Some(value), times) if value.is_infinite() => vec![value.to_string(); times].join(" "),
        (Some(value), times) => format!("{value}x{}", times - 1),
        (None, 1) => "_".to_owned(),
        (None, times) => format!("_x{times}"),
    });
    runs.collect::<Vec<_>>().join(" ")
}

#[test]
fn values_are_written_as_promtool_reads_them() {
    let all = [Some(1.0), Some(1.0), Some(2.5), None, None, Some(0.0), Some(f64::INFINITY), Some(f64::INFINITY), None];
    assert_eq!(run_lengths(&all), "1x1 2.5 _x2 0 inf inf _");
}

#[test]
fn ages_and_times_are_played_as_slowly_as_the_hour() {
    let played = |metric: &str, value| played(metric, value, MINUTES, 1_000.0);
    assert_eq!(played("crossgrant_oldest_job_age_seconds", 2.0), 360.0);
    assert_eq!(played("crossgrant_sweep_last_success_timestamp_seconds", 990.0), -1800.0);
    assert_eq!(played("crossgrant_parked_jobs", 2.0), 2.0);
    assert_eq!(MINUTES.pause(), Duration::from_millis(60_000 / 180) + Duration::from_nanos(333_333));
}
