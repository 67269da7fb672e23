//! The log: to standard error, since standard output is for data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Libraries that say what nobody asked for: one at `info`, the other at `warn` with the whole body of every event that
/// nobody listens to, which the outbox counts and keeps. A filter that names them goes before this.
const QUIET: &str = "tokio_cron_scheduler=warn,lapin::returned_messages=error";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("the log filter \"{filter}\" cannot be used: {why}")]
    Filter {
        /// As it was given.
        filter: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is one already.
    #[error("there is a log already")]
    Twice,
}

/// Begins to log, for the rest of the process.
///
/// # Errors
/// When the filter cannot be read, or there is a log already.
pub fn start(config: &LogConfig) -> Result<(), LogError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.filter))
        .map_err(|error| LogError::Filter { filter: config.filter.clone(), why: error.to_string() })?;
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    let started = match config.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    started.map_err(|_| LogError::Twice)
}
