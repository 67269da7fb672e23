//! A program as a child process: its lines are kept as they come, a test waits for one of them instead of sleeping, and
//! it never outlives the test, however that ends. Standard library only, as [`super::rabbit`].

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::rabbit::{mortal, spawn};

/// An upper bound, never the reason that something passes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A running program, or one that has ended. Dropping it kills it.
pub struct Process {
    name: String,
    child: Mutex<Child>,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    news: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// Standard output and standard error, closed: the program has ended.
    closed: u8,
}

impl Process {
    /// Starts `program`; `name` is what it is called when something goes wrong.
    pub fn start(name: &str, program: &Path, args: &[&str]) -> Self {
        Self::start_with(name, program, args, &[])
    }

    /// The same, with these in its environment.
    pub fn start_with(name: &str, program: &Path, args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = mortal(program);
        // What is set where the tests run is no part of what they prove.
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CROSSGRANT_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.envs(environment.iter().copied());
        Self::run(name, command, args)
    }

    fn run(name: &str, mut command: Command, args: &[&str]) -> Self {
        command.args(args).env("RUST_BACKTRACE", "0").stderr(Stdio::piped());
        let mut child = spawn(command, Stdio::piped()).unwrap_or_else(|e| panic!("{name} cannot be started: {e}"));
        let output = Arc::new(Output::default());
        output.keep(child.stdout.take().expect("it is piped"));
        output.keep(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child: Mutex::new(child), output }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child().id()
    }

    /// Waits for a line, from the first one on, that `read` makes something of.
    ///
    /// # Panics
    /// When there is none in [`LIMIT`], or the program ends without it.
    #[allow(clippy::disallowed_methods)] // the limit is for the other process, which has a clock of its own
    pub fn line<T>(&self, what: &str, mut read: impl FnMut(&str) -> Option<T>) -> T {
        let began = std::time::Instant::now();
        let mut seen = 0;
        let mut state = self.output.state();
        loop {
            if let Some(found) = state.lines[seen..].iter().find_map(|line| read(line)) {
                return found;
            }
            seen = state.lines.len();
            let ended = state.closed == 2;
            let (next, waited) = self
                .output
                .news
                .wait_timeout_while(state, LIMIT.saturating_sub(began.elapsed()), |s| {
                    s.lines.len() == seen && s.closed < 2
                })
                .unwrap_or_else(|e| e.into_inner());
            state = next;
            if ended || waited.timed_out() {
                let how = if ended { "ended without" } else { "still has not said" };
                let log = state.lines.join("\n");
                drop(state);
                panic!("{} {how} {what}:\n{log}", self.name);
            }
        }
    }

    /// Everything it has written so far, line by line.
    pub fn lines(&self) -> Vec<String> {
        self.output.state().lines.clone()
    }

    /// Kills it without a warning, and returns when it is gone.
    pub fn kill9(&self) {
        let mut child = self.child();
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Asks it to stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Has it read its configuration again (SIGHUP).
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// Sends it SIGUSR1.
    pub fn user_signal(&self) {
        self.signal("-USR1");
    }

    /// Stops it where it is (SIGSTOP), until it is woken.
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on after it was stopped.
    pub fn wake(&self) {
        self.signal("-CONT");
    }

    /// Whether it is stopped: it is, and does nothing.
    pub fn is_stopped(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T'))
    }

    fn signal(&self, signal: &str) {
        // The child is not waited for while this lock is held, so the id is still its own.
        let child = self.child();
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "{} cannot be signalled", self.name);
    }

    /// Waits for its end; `None` when it still runs after `limit`.
    pub fn end(&self, limit: Duration) -> Option<ExitStatus> {
        let state = self.output.state();
        let (state, waited) =
            self.output.news.wait_timeout_while(state, limit, |s| s.closed < 2).unwrap_or_else(|e| e.into_inner());
        drop(state);
        if waited.timed_out() {
            return None;
        }
        self.child().wait().ok()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let lines = self.lines();
            eprintln!(
                "---- the last of {} (process {}):\n{}",
                self.name,
                self.id(),
                lines[lines.len().saturating_sub(60)..].join("\n")
            );
        }
    }
}

impl Output {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn keep(self: &Arc<Self>, from: impl Read + Send + 'static) {
        let output = self.clone();
        std::thread::spawn(move || {
            let mut from = BufReader::new(from);
            let mut line = Vec::new();
            while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                output.state().lines.push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
                output.news.notify_all();
                line.clear();
            }
            output.state().closed += 1;
            output.news.notify_all();
        });
    }
}
