//! The durable engine: ports to the outside, the pure decisions, and the thin loops around them.

pub mod action;
pub mod announce;
pub mod cloud;
pub mod command;
pub mod core;
pub mod decide;
mod ends;
pub mod faults;
mod forecast;
pub mod guards;
pub mod hour;
pub mod intake;
mod intent;
pub mod look;
pub mod mail;
pub mod observe;
pub mod outbox;
pub mod plan;
pub mod policy;
pub mod retention;
pub mod retry;
pub mod state;
pub mod store;
pub mod urgency;
pub mod waiting;
pub mod worker;
