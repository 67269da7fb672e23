//! The worker, the simulated cloud and the store, all in this process. Only tests in a module `in_a_database` start
//! something: one PostgreSQL server for all of them. `cargo test one_process -- --skip in_a_database` needs none.

mod adversary;
mod batches;
mod budget;
mod chaos;
mod circles;
mod clocks;
mod contract;
mod crash_everywhere;
mod credentials;
mod deploy;
mod events;
mod fault_table;
mod golden;
mod guards;
mod held_file;
mod intake;
mod layers;
mod matrix;
mod outbox;
mod page;
mod plans;
mod preflight;
mod schemas;
pub mod second_cloud;
mod secrets;
mod simulation;
mod sources;
mod sqlite;
mod strangers;
mod sweep;
mod types;
mod webhook_calls;
mod webhooks;
mod words;
mod workflows;
