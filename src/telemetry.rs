//! The log and the metrics of the process.

pub mod log;
pub mod metrics;

pub use metrics::Metrics;
