//! What all metrics are made of.

use std::borrow::Cow;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
pub(super) type CounterFamily<const N: usize> = Family<Labels<N>, Counter>;
pub(super) type GaugeFamily<const N: usize> = Family<Labels<N>, Gauge>;
pub(super) type HistogramFamily<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// Buckets for steps, calls and sweeps, in seconds: from a fast answer to a request that times out.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

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

pub(super) fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

pub(super) fn histograms<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> HistogramFamily<N> {
    seconds(registry, name, help, Family::new_with_constructor(histogram))
}

pub(super) fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
