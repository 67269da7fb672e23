//! Spans on their way to a collector, by OTLP over HTTP.
//!
//! They wait in a queue with a bound, so a collector that is away, hangs or refuses costs no job anything but its spans, which are
//! counted. What is sent, and how, follows the OpenTelemetry conventions, so that the variables for them (`OTEL_…`) mean here what they mean
//! in other programs.

mod convert;
mod export;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::mpsc::{Receiver, Sender, channel};

pub use self::export::{ExportSettings, Exporter};
use crate::domain::Sampling;
use crate::engine::ports::trace::{Span, Tracer};

/// Spans that may wait. Each has at most some twenty attributes with texts of bounded length: together a few MiB.
const WAITING_SPANS: usize = 4096;

/// Where spans are put.
pub struct Traces {
    sampling: Sampling,
    waiting: Sender<Span>,
    counts: Arc<SpanCounts>,
}

/// The other end of [`Traces`].
pub struct WaitingSpans {
    spans: Receiver<Span>,
    counts: Arc<SpanCounts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: AtomicU64,
    dropped: AtomicU64,
}

impl SpanCounts {
    /// Taken by the collector.
    pub fn exported(&self) -> u64 {
        self.exported.load(Relaxed)
    }

    /// Lost: there was no room, or the collector did not take them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

/// A queue for spans of these traces.
pub fn traces(sampling: Sampling) -> (Traces, WaitingSpans) {
    let (waiting, spans) = channel(WAITING_SPANS);
    let counts = Arc::new(SpanCounts::default());
    (Traces { sampling, waiting, counts: Arc::clone(&counts) }, WaitingSpans { spans, counts })
}

impl Traces {
    /// What became of spans so far.
    pub fn counts(&self) -> &SpanCounts {
        &self.counts
    }
}

impl Tracer for Traces {
    fn sampling(&self) -> Option<Sampling> {
        Some(self.sampling)
    }

    fn span(&self, span: Span) {
        if span.context.sampled && self.waiting.try_send(span).is_err() {
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }
}
