//! Figures by name, and what several rounds of them come to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What one round measured. The names say the unit.
#[derive(Debug, Clone, Default)]
pub struct Figures(BTreeMap<&'static str, f64>);

impl Figures {
    /// With one more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: f64) -> Self {
        self.0.insert(name, value);
        self
    }

    /// With those of others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// One line: of every figure the median, and the least and the most.
    pub fn medians(workload: &str, jobs: usize, rounds: &[Self]) -> Value {
        let names = rounds.first().map(|first| first.0.keys().copied().collect::<Vec<_>>()).unwrap_or_default();
        let figures = names.into_iter().map(|name| {
            let mut values: Vec<f64> = rounds.iter().filter_map(|round| round.0.get(name).copied()).collect();
            values.sort_by(f64::total_cmp);
            let (least, most) = (values[0], values[values.len() - 1]);
            let value = json!({"median": round(percentile(&values, 0.5)), "min": round(least), "max": round(most)});
            (name.to_owned(), value)
        });
        let slowed = std::env::var("BENCH_SYNC_US").ok().and_then(|us| us.parse::<u64>().ok()).unwrap_or(0);
        json!({
            "workload": workload, "jobs": jobs, "rounds": rounds.len(), "fsync_slowed_us": slowed,
            "figures": figures.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// The value below which that part of the ascending `values` is.
pub fn percentile(values: &[f64], part: f64) -> f64 {
    let place = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len().max(1)) - 1;
    values.get(place).copied().unwrap_or(f64::NAN)
}

/// Four digits.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}
