//! The signals that a process obeys.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::exit::CliError;

/// SIGTERM and SIGINT since [`Signals::listen`].
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

fn listen(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::failed(format!("cannot listen for signals: {error}")))
}

impl Signals {
    /// From now on these signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, CliError> {
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Waits for the next signal; returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// What a signal tells a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// To stop.
    Stop(&'static str),
    /// To read its configuration again.
    Reload,
}

/// The signals of a worker. SIGQUIT stops it as SIGTERM does. SIGUSR1 and SIGUSR2, with which other programs reopen their
/// logs, would end the process; they are ignored with a line in the log.
pub(super) struct WorkerSignals {
    stop: Signals,
    quit: Signal,
    hangup: Signal,
    user: [Signal; 2],
}

impl WorkerSignals {
    /// From now on these signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, CliError> {
        Ok(Self {
            stop: Signals::listen()?,
            quit: listen(SignalKind::quit())?,
            hangup: listen(SignalKind::hangup())?,
            user: [listen(SignalKind::user_defined1())?, listen(SignalKind::user_defined2())?],
        })
    }

    /// Waits for the next signal that tells something.
    pub async fn next(&mut self) -> Told {
        loop {
            let [first, second] = &mut self.user;
            let ignored = tokio::select! {
                name = self.stop.next() => return Told::Stop(name),
                _ = self.quit.recv() => return Told::Stop("SIGQUIT"),
                _ = self.hangup.recv() => return Told::Reload,
                _ = first.recv() => "SIGUSR1",
                _ = second.recv() => "SIGUSR2",
            };
            tracing::warn!(signal = ignored, "signal ignored: SIGHUP reads the configuration again, SIGTERM stops");
        }
    }

    /// Waits for the next signal to stop, while the worker stops already; returns its name.
    pub async fn next_stop(&mut self) -> &'static str {
        loop {
            match self.next().await {
                Told::Stop(name) => return name,
                Told::Reload => tracing::warn!("the configuration is not read again: the worker stops"),
            }
        }
    }
}
