//! What all metrics are made of.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::exemplar::HistogramWithExemplars;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::engine::ports::trace;

pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
pub(super) type CounterFamily<const N: usize> = Family<Labels<N>, Counter>;
pub(super) type GaugeFamily<const N: usize> = Family<Labels<N>, Gauge>;
pub(super) type Seconds = Gauge<f64, AtomicU64>;
/// Histograms whose buckets name the trace of the latest observation in them.
pub(super) type Exemplified = HistogramWithExemplars<Labels<1>>;
pub(super) type HistogramFamily<const N: usize> = Family<Labels<N>, Exemplified, fn() -> Exemplified>;

/// Buckets for steps, calls and sweeps, in seconds: from a fast answer to a request that times out.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Buckets for jobs, in seconds: from a grant of a second to a payer change that waits two days for its hour.
const JOB_BUCKETS: [f64; 10] = [1.0, 5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 172_800.0];

/// Buckets for what comes after the hour, in seconds: from the first sweep to the time at which a job is overdue.
const HOUR_BUCKETS: [f64; 8] = [1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 10_800.0];

/// A new metric, registered.
pub(super) fn metric<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// A new metric in seconds, registered.
pub(super) fn seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

pub(super) fn job_histogram() -> Exemplified {
    Exemplified::new(JOB_BUCKETS.into_iter())
}

pub(super) fn hour_histogram() -> Histogram {
    Histogram::new(HOUR_BUCKETS)
}

pub(super) fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

pub(super) fn histograms<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> HistogramFamily<N> {
    seconds(registry, name, help, Family::new_with_constructor(exemplified))
}

fn exemplified() -> Exemplified {
    Exemplified::new(BUCKETS.into_iter())
}

/// Observes something that the running task has done. If its trace is recorded, it is named.
pub(super) fn observe(histogram: &Exemplified, seconds: f64) {
    let traced = trace::current().filter(|span| span.sampled);
    let named: Option<Labels<1>> = traced.map(|span| [("trace_id", format!("{:032x}", span.trace).into())]);
    histogram.observe(seconds, named, None);
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
