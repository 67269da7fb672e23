//! Where everything durable is kept: implementations of [`crate::engine::ports::store::Store`].
//!
//! [`Sqlite`] is one file beside the process, for one process. [`Postgres`] is a database for several. Every implementation passes the suite in `conformance`.

mod postgres;
mod row;
mod sqlite;

pub use postgres::{Postgres, PostgresSettings, Time};
pub use sqlite::Sqlite;

#[cfg(test)]
mod conformance;
