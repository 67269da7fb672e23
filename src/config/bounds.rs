//! The largest values of settings, as they are read and as the schema says them.

pub(super) const MOST_CONCURRENCY: u64 = 65_536;
pub(super) const MOST_PREFETCH: u64 = 65_535;
pub(super) const MOST_CALLS: u64 = 10_000;
pub(super) const MOST_LIMIT: u64 = 1_000_000;

/// The most secrets that sign webhooks at a time: one, and during a rotation two.
pub(super) const MOST_KEYS: usize = 2;
