//! Both stores keep the promises of their port, and each some of its own.

mod postgres;
mod sqlite;
