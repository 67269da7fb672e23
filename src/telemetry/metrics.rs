//! Every metric, with its description and unit.
//!
//! Counters and durations are updated as things happen ([`Observer`](crate::engine::ports::observe::Observer),
//! [`CallObserver`](crate::cloud::CallObserver)). The counts of the store and the broker are read at each scrape
//! ([`Metrics::render`]), ages too. What has a label that is known beforehand is there at 0 from the start, so that an alert also
//! sees the step from 0 to 1. No label names an instance, a CEN or a job, because their number has no bound. Accounts are few, and
//! each has its own budget of calls, so calls are labelled with them.

mod calls;
mod family;
mod format;
mod links;
mod process;
mod stored;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use self::calls::Calls;
use self::family::{CounterFamily, GaugeFamily, metric};
pub use self::format::Format;
use self::links::Links;
use self::process::Process;
pub use self::stored::StoreScrape;
use self::stored::Stored;
use self::work::Work;
use crate::broker::BrokerState;
use crate::cloud::CallObserver;
use crate::domain::Sampling;
use crate::engine::ports::account::AccountReport;
use crate::engine::ports::observe::Observer;
use crate::engine::ports::trace::{NoTracer, Tracer};
use crate::telemetry::log;
use crate::telemetry::traces::{SpanCounts, Traces};

/// The metrics of this process.
pub struct Metrics {
    registry: Registry,
    stored: Stored,
    links: Links,
    work: Arc<Work>,
    calls: Arc<Calls>,
    log_lines_dropped: Counter,
    spans: CounterFamily<1>,
    traces: Option<Arc<Traces>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric at zero, and no traces.
    pub fn new() -> Self {
        Self::traced(None)
    }

    /// Every metric at zero. What is told of engine and cloud goes into these traces, too.
    pub fn traced(traces: Option<Arc<Traces>>) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let r = registry.sub_registry_with_prefix("crossgrant");
        let build: GaugeFamily<1> = metric(r, "build_info", "1, with the version of the program as a label");
        build.get_or_create(&[("version", env!("CARGO_PKG_VERSION").into())]).set(1);
        let tracer: Arc<dyn Tracer> = match &traces {
            Some(traces) => Arc::clone(traces) as _,
            None => Arc::new(NoTracer),
        };
        Self {
            stored: Stored::new(r),
            links: Links::new(r),
            work: Arc::new(Work::new(r, Arc::clone(&tracer))),
            calls: Arc::new(Calls::new(r, tracer)),
            log_lines_dropped: metric(
                r,
                "log_lines_dropped",
                "Lines of the log that could not be written, or found no room",
            ),
            spans: metric(r, "trace_spans", "Spans of traces: taken by the collector, or lost"),
            traces,
            registry,
        }
    }

    /// Which traces begin here; `None` without traces.
    pub fn sampling(&self) -> Option<Sampling> {
        self.traces.as_ref().and_then(|traces| traces.sampling())
    }

    /// Is told what the engine does.
    pub fn engine(&self) -> Arc<dyn Observer> {
        self.work.clone()
    }

    /// Is told of the calls to the cloud.
    pub fn cloud(&self) -> Arc<dyn CallObserver> {
        self.calls.clone()
    }

    /// The text for a scrape.
    pub fn render(
        &self,
        store: StoreScrape<'_>,
        broker: Option<&BrokerState>,
        accounts: &[AccountReport],
        format: Format,
    ) -> String {
        self.stored.show(store);
        if let Some(broker) = broker {
            self.links.show(broker);
        }
        self.calls.know(accounts);
        self.log_lines_dropped.inner().fetch_max(log::dropped_lines(), Relaxed);
        let spans = self.traces.as_ref().map(|traces| traces.counts());
        for (what, count) in
            [("exported", spans.map(SpanCounts::exported)), ("dropped", spans.map(SpanCounts::dropped))]
        {
            let counter = self.spans.get_or_create(&[("what", what.into())]);
            counter.inner().fetch_max(count.unwrap_or_default(), Relaxed);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        format.write(text)
    }
}
