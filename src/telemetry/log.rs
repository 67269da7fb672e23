//! The log, written to standard error. Standard output is for data.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogConfig, LogFormat};

/// Libraries that log too much: `tokio_cron_scheduler` at `info`; lapin at `warn` with the whole body of every message that
/// no queue took, which the outbox counts and keeps; and at `error` with every channel that the broker closes, as it does for
/// each check of a right, while those that matter are reported. A configured filter that names them overrides this.
const QUIET: &str = "tokio_cron_scheduler=warn,lapin::returned_messages=error,lapin::channel=off";

/// Why logging could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("the log filter \"{filter}\" cannot be used: {why}")]
    Filter {
        /// As it was given.
        filter: String,
        /// The parser's error.
        why: String,
    },
    /// The process logs already.
    #[error("logging was started before")]
    Twice,
}

/// Starts logging for the rest of the process.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
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
