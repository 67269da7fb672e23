//! Standard output: data line by line, and a publisher that prints events there.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::colour;
use super::event_line::EventLines;
use super::exit::{CliError, Exit};
use super::progress::ProgressLine;
use crate::domain::{CONTENT_TYPE, Code, visible};
use crate::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

/// Writes one line to standard output. Control characters in it are written as escapes: it may hold text of strangers, and
/// a terminal would obey them.
pub(super) fn line(text: &str) -> Result<(), CliError> {
    lines(&colour::on_stdout(visible(text).into_owned()))
}

/// Writes one line for a person to standard error. Where that is closed or full, nothing can be said.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", visible(text));
}

/// Writes text of this program, of any number of lines, to standard output as it is.
pub(super) fn lines(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(failed)
}

/// Writes bytes to standard output as they are, for a file.
pub(super) fn bytes(bytes: &[u8]) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(failed)
}

fn failed(error: io::Error) -> CliError {
    let exit = if error.kind() == ErrorKind::BrokenPipe { Exit::ReaderGone } else { Exit::Failed };
    let failed = CliError::failed(format!("cannot write to standard output: {error}")).code(Code::OutputFailed);
    CliError { exit, ..failed }
}

/// Publishes events by writing them to standard output.
pub(super) struct Printer {
    /// Notified after every batch.
    pub published: Notify,
    lines: EventLines,
    progress: Arc<ProgressLine>,
}

impl Printer {
    /// Writes them where this progress line may stand.
    pub fn new(progress: Arc<ProgressLine>) -> Self {
        Self { published: Notify::new(), lines: EventLines::on_stdout(), progress }
    }
}

#[async_trait]
impl Publisher for Printer {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.progress.clear();
        // A copy of a rejected message is for a queue, and here is none; the event has its faults.
        for event in batch.iter().filter(|outgoing| outgoing.content_type == CONTENT_TYPE) {
            // If the reader is gone, the jobs are still carried out.
            let mut lines = self.lines.of(&String::from_utf8_lossy(&event.body)).into_iter();
            match lines.try_for_each(|text| line(&text)) {
                Err(error) if error.exit != Exit::ReaderGone => tracing::warn!(%error, "event not printed"),
                _ => {}
            }
        }
        self.published.notify_one();
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}
