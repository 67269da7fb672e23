//! The promises of the README and the design, each proven from outside. The folders show what a test costs.

mod one_process;
mod real_processes;
mod support;
mod with_broker;
