//! Data on standard output, one line at a time, and events there as they are published.

use std::io::Write;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::exit::Failure;
use crate::domain::{CONTENT_TYPE, Code};
use crate::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

/// Writes one line.
pub(super) fn line(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written
        .map_err(|error| Failure::failed(format!("cannot write to standard output: {error}")).code(Code::OutputFailed))
}

/// Publishes events by writing them to standard output.
#[derive(Default)]
pub(super) struct Printer {
    /// Rung after every batch.
    pub published: Notify,
}

#[async_trait]
impl Publisher for Printer {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        // A copy of a rejected message is for a queue that is not here; the event says what was wrong with it.
        for event in batch.iter().filter(|outgoing| outgoing.content_type == CONTENT_TYPE) {
            if let Err(error) = line(&String::from_utf8_lossy(&event.body)) {
                // Nobody listens any more; the jobs are carried out all the same.
                tracing::warn!(%error, "an event was not written");
            }
        }
        self.published.notify_one();
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}
