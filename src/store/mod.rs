//! Where everything durable is kept: implementations of [`crate::engine::store::Store`].
//!
//! [`Sqlite`] is one file beside the process, for one process. Every implementation passes the suite in `conformance`.

mod sqlite;

pub use sqlite::Sqlite;

#[cfg(test)]
mod conformance;
