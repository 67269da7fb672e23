//! The durable engine: ports to the outside, the pure decisions, and the thin loops around them.

pub mod action;
pub mod cloud;
pub mod hour;
pub mod mail;
pub mod retry;
pub mod state;
pub mod store;
