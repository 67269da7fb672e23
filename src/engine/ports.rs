//! What the engine needs of the outside, as traits and the values that cross them.

pub mod account;
pub mod action;
pub mod cloud;
pub mod crash_points;
pub mod door;
pub mod filter;
pub mod mail;
pub mod observe;
pub mod outbox;
pub mod store;
pub mod urgency;
mod verdict;
pub mod webhook;
pub mod write_permit;
