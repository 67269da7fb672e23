//! The durable engine: ports to the outside, the pure decisions, and the thin loops around them.

pub mod cloud;
pub mod mail;
