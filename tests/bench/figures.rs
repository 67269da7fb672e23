//! Figures by name, and what several rounds of them come to.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// What one round measured. The names say the unit.
#[derive(Debug, Clone, Default)]
pub struct Figures(BTreeMap<String, f64>);

impl Figures {
    /// With one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: f64) -> Self {
        self.0.insert(name.into(), value);
        self
    }

    /// With those of others.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Of every figure the median, and the least and the most.
    pub fn medians(rounds: &[Self]) -> Value {
        // What happens in some rounds only is nothing in the others.
        let names: BTreeSet<&String> = rounds.iter().flat_map(|round| round.0.keys()).collect();
        let figures = names.into_iter().map(|name| {
            let mut values: Vec<f64> = rounds.iter().map(|round| round.0.get(name).copied().unwrap_or(0.0)).collect();
            values.sort_by(f64::total_cmp);
            let (least, most) = (values[0], values[values.len() - 1]);
            let value = json!({"median": round(percentile(&values, 0.5)), "min": round(least), "max": round(most)});
            (name.clone(), value)
        });
        Value::Object(figures.collect())
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
