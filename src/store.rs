//! Durable state: the implementations of [`crate::engine::ports::store::Store`].
//!
//! [`Sqlite`] is a file for one process; [`Postgres`] is a database that several workers share. Both pass the conformance
//! suite in `tests/support/conformance.rs`.

mod feed;
mod judge;
mod postgres;
mod row;
mod sqlite;
mod unreadable;

pub use postgres::{LeaseClock, Postgres, PostgresSettings};
pub use sqlite::{Sqlite, back_up, unpack};
