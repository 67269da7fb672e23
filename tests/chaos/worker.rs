//! A worker that is started again whenever it has ended, as an init system would.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::storm::{Storm, pause};
use super::victim::{Fault, Victim};
use crate::support::process::Process;
use crate::support::web;

/// How long a stop may take: what it allows for jobs in work and for events that wait, and room for a slow machine.
const STOP: Duration = Duration::from_secs(60);
/// How long an init system waits before it starts a service again.
const AGAIN: Duration = Duration::from_secs(1);

/// One worker, in one process after the other.
pub struct Worker {
    program: PathBuf,
    config: String,
    process: Mutex<Process>,
    /// What its earlier processes said.
    said: Mutex<Vec<String>>,
}

impl Worker {
    /// Starts it; it may not be ready yet.
    pub fn start(program: PathBuf, config: String) -> Self {
        let process = Mutex::new(process(&program, &config));
        Self { program, config, process, said: Mutex::default() }
    }

    /// Whether it can work: `/readyz` says yes.
    pub fn is_ready(&self) -> bool {
        self.ask("/readyz").is_some_and(|answer| answer.status == 200)
    }

    /// How many messages wait to be published.
    pub fn outbox(&self) -> Option<u64> {
        let metrics = self.ask("/metrics").filter(|answer| answer.status == 200)?.body;
        metrics.lines().find_map(|line| line.strip_prefix("crossgrant_outbox_messages ")?.trim().parse().ok())
    }

    /// Everything that its processes have said so far.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.said.lock().unwrap().clone();
        lines.extend(self.process().lines());
        lines
    }

    /// Asks it to stop, once everything has recovered: it must end well.
    pub fn stop(&self) -> Result<()> {
        let process = self.process();
        process.terminate();
        let status = process.end(STOP).context("it does not stop")?;
        anyhow::ensure!(status.success(), "it ended with {status}");
        Ok(())
    }

    fn ask(&self, path: &str) -> Option<web::Answer> {
        let admin: SocketAddr = self.process().lines().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "ready").then(|| line["admin.address"].as_str()?.parse().ok()).flatten()
        })?;
        web::ask(admin, "GET", path, &[], "").ok()
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap()
    }
}

impl Victim for Worker {
    fn name(&self) -> &'static str {
        "worker"
    }

    fn quiet(&self) -> Range<Duration> {
        Duration::from_millis(500)..Duration::from_secs(14)
    }

    fn faults(&self) -> &'static [Fault] {
        &[Fault::Kill, Fault::Kill, Fault::Kill, Fault::Term, Fault::Stop, Fault::Stop]
    }

    fn kill9(&self) -> Result<()> {
        self.process().kill9();
        Ok(())
    }

    fn terminate(&self) -> Result<()> {
        let process = self.process();
        process.terminate();
        // How it ends depends on what else is dead.
        process.end(STOP).context("it does not stop").map(drop)
    }

    fn start(&self) -> Result<()> {
        let mut process = self.process();
        process.kill9();
        self.said.lock().unwrap().extend(process.lines());
        *process = self::process(&self.program, &self.config);
        Ok(())
    }

    fn suspend(&self) -> Result<()> {
        self.process().stop();
        Ok(())
    }

    fn wake(&self) -> Result<()> {
        self.process().wake();
        Ok(())
    }

    fn look_after(&self, storm: &Storm) {
        let Some(status) = self.process().end(Duration::ZERO) else { return };
        // It may say that the store is away, and no more.
        let last = self.process().lines().pop().unwrap_or_default();
        storm.counts(self.name(), "ended by itself");
        match status.code() {
            Some(1 | 3) => eprintln!("            {status}: {last}"),
            _ => storm.problem(format!("a worker ended by itself with {status}: {last}")),
        }
        pause(AGAIN);
        if let Err(error) = self.start() {
            storm.problem(format!("a worker cannot be started: {error:#}"));
        }
    }
}

fn process(program: &std::path::Path, config: &str) -> Process {
    Process::start("the worker", program, &["--config", config, "serve"])
}
