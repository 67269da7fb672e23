//! The promises of the README and the design, each proven from outside.

mod adversary;
mod broker;
mod budget;
mod chaos;
mod contract;
mod crash_everywhere;
mod credentials;
mod deploy;
mod end_to_end;
mod fault_table;
mod golden;
mod guards;
mod layers;
mod matrix;
mod outbox;
mod plans;
mod preflight;
mod probe;
mod second_cloud;
mod secrets;
mod stopped;
mod store;
mod support;
mod sweep;
mod types;
mod workflows;
