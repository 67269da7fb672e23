//! The promises of the README and the design, each proven from outside.

mod adversary;
mod broker;
mod budget;
mod chaos;
mod contract;
mod crash_everywhere;
mod end_to_end;
mod layers;
mod plans;
mod preflight;
mod secrets;
mod support;
mod types;
mod workflows;
