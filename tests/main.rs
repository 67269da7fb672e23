//! The promises of the README and the design, each proven from outside.

mod broker;
mod contract;
mod crash_everywhere;
mod support;
mod workflows;
