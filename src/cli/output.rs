//! Standard output: data line by line, and a publisher that prints events there.

use std::io::Write;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::exit::CliError;
use crate::domain::{CONTENT_TYPE, Code, visible};
use crate::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

/// Writes one line to standard output. Control characters in it are written as escapes: it may hold text of strangers, and
/// a terminal would obey them.
pub(super) fn line(text: &str) -> Result<(), CliError> {
    lines(&visible(text))
}

/// Writes text of this program, of any number of lines, to standard output as it is.
pub(super) fn lines(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written
        .map_err(|error| CliError::failed(format!("cannot write to standard output: {error}")).code(Code::OutputFailed))
}

/// Publishes events by writing them to standard output.
#[derive(Default)]
pub(super) struct Printer {
    /// Notified after every batch.
    pub published: Notify,
}

#[async_trait]
impl Publisher for Printer {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        // A copy of a rejected message is for a queue, and here is none; the event has its faults.
        for event in batch.iter().filter(|outgoing| outgoing.content_type == CONTENT_TYPE) {
            if let Err(error) = line(&String::from_utf8_lossy(&event.body)) {
                // The reader is gone; the jobs are still carried out.
                tracing::warn!(%error, "event not printed");
            }
        }
        self.published.notify_one();
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}
