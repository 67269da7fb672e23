//! The promises of the README and the design, each proven from outside. The folders show what a test costs: nothing but
//! this process, a RabbitMQ node, or whole installations.

mod one_process;
mod real_processes;
mod support;
mod with_broker;
