//! The worker, the simulated cloud and the store, all in this process. A module `in_a_database` makes the same promises of
//! workers that share a PostgreSQL database, on one server that all tests share.

mod adversary;
mod budget;
mod chaos;
mod circles;
mod contract;
mod crash_everywhere;
mod credentials;
mod deploy;
mod fault_table;
mod golden;
mod guards;
mod layers;
mod matrix;
mod outbox;
mod plans;
mod preflight;
pub mod second_cloud;
mod secrets;
mod sources;
mod sweep;
mod types;
mod workflows;
