//! The log, the metrics and the traces of the process.

pub mod log;
pub mod metrics;
pub mod traces;

pub use metrics::Metrics;
