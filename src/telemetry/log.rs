//! The log, written to standard error. Standard output is for data.
//!
//! A thread of its own writes the lines, so a task that logs never waits for what reads them, and never fails with it: a
//! full disk, a closed pipe, a log driver that hangs. Lines that cannot be written are dropped and counted.

mod line;

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tracing::Metadata;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt, reload};

use self::line::{CutLines, LINE_BYTES, VisibleLines};
use crate::config::{LogConfig, LogFormat};

/// Libraries that log too much: `tokio_cron_scheduler` at `info`; lapin at `warn` with the whole body of every message that
/// no queue took, which the outbox counts and keeps; and at `error` with every channel that the broker closes, as it does for
/// each check of a right, while those that matter are reported. A configured filter that names them overrides this.
const QUIET: &str = "tokio_cron_scheduler=warn,lapin::returned_messages=error,lapin::channel=off,lapin::io_loop=off";

/// Lines that may wait for the thread that writes them: with [`LINE_BYTES`] at most 64 MiB, and in practice about one.
const WAITING_LINES: usize = (64 << 20) / LINE_BYTES;

/// What was lost: lines for which there was no room, and lines that could not be written.
static NO_ROOM: OnceLock<ErrorCounter> = OnceLock::new();
static NOT_WRITTEN: AtomicU64 = AtomicU64::new(0);

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

/// Dropped at the end of the process, it writes the lines that still wait, for up to a second.
#[must_use]
pub struct LogGuard {
    filter: LogFilter,
    _lines: WorkerGuard,
}

impl LogGuard {
    /// What is logged, to be changed while the process logs.
    pub fn filter(&self) -> LogFilter {
        self.filter.clone()
    }
}

/// What is logged.
#[derive(Clone)]
pub struct LogFilter(reload::Handle<EnvFilter, Registry>);

/// A filter that can be used.
pub struct ParsedFilter(EnvFilter);

impl LogFilter {
    /// Reads a filter, in the syntax of `RUST_LOG`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(filter: &str) -> Result<ParsedFilter, LogError> {
        EnvFilter::try_new(format!("{QUIET},{filter}"))
            .map(ParsedFilter)
            .map_err(|error| LogError::Filter { filter: filter.to_owned(), why: error.to_string() })
    }

    /// Logs by another filter from now on.
    pub fn set(&self, filter: ParsedFilter) {
        // It fails only when nothing is logged any more.
        let _ = self.0.reload(filter.0);
    }
}

/// Starts logging, until the guard is dropped.
///
/// # Errors
/// When the filter cannot be read, or logging was started before.
pub fn start(config: &LogConfig) -> Result<LogGuard, LogError> {
    let (filter, handle) = reload::Layer::new(LogFilter::parse(&config.filter)?.0);
    let variable = |name: &str| std::env::var_os(name);
    let colours = io::stderr().is_terminal() && has_colours(variable("NO_COLOR"), variable("TERM"));
    let to_stderr = VisibleLines::new(io::stderr(), colours, &NOT_WRITTEN);
    let thread = NonBlockingBuilder::default().buffered_lines_limit(WAITING_LINES).thread_name("log");
    let (lines, guard) = thread.finish(to_stderr);
    let no_room = lines.error_counter();
    let layer = fmt::layer()
        .with_writer(CutLines { to: lines, json: config.format == LogFormat::Json })
        .with_ansi(colours)
        .log_internal_errors(false);
    let layer = match config.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).boxed(),
    };
    let all = tracing_subscriber::registry().with(layer.with_filter(FilterFn::new(keeps_secrets)).with_filter(filter));
    all.try_init().map_err(|_| LogError::Twice)?;
    // It is set once, because a second start has failed above.
    let _ = NO_ROOM.set(no_room);
    Ok(LogGuard { filter: LogFilter(handle), _lines: guard })
}

/// Whether a terminal is to show colours. Any text in `NO_COLOR` says no (no-color.org), and a dumb terminal has none.
pub fn has_colours(no_color: Option<OsString>, term: Option<OsString>) -> bool {
    no_color.is_none_or(|text| text.is_empty()) && term.is_none_or(|term| term != "dumb")
}

/// Log lines that were dropped since the start of the process.
pub fn dropped_lines() -> u64 {
    let no_room = NO_ROOM.get().map_or(0, ErrorCounter::dropped_lines);
    NOT_WRITTEN.load(Relaxed).saturating_add(no_room as u64)
}

/// Libraries log at `trace` what they send, byte by byte; lapin the broker's password. So `trace` is for this program alone.
fn keeps_secrets(metadata: &Metadata<'_>) -> bool {
    let ours = metadata.target() == "crossgrant" || metadata.target().starts_with("crossgrant::");
    ours || *metadata.level() <= LevelFilter::DEBUG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_have_them_and_users_who_want_them() {
        let shown = |no_color: Option<&str>, term: Option<&str>| {
            has_colours(no_color.map(OsString::from), term.map(OsString::from))
        };
        assert!(shown(None, Some("xterm-256color")) && shown(None, None));
        assert!(shown(Some(""), Some("xterm")), "an empty NO_COLOR says nothing");
        assert!(!shown(Some("1"), Some("xterm")) && !shown(Some("0"), None));
        assert!(!shown(None, Some("dumb")));
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_named() {
        assert!(LogFilter::parse("info,crossgrant=debug").is_ok());
        let error = LogFilter::parse("crossgrant=loud").err().unwrap().to_string();
        assert!(error.contains("crossgrant=loud"), "{error}");
    }
}
