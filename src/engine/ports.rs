//! What the engine needs of the outside, as traits and the values that cross them.

pub mod account;
pub mod action;
mod arrival;
mod change;
pub mod cloud;
mod counts;
pub mod crash_points;
pub mod door;
pub mod feed;
pub mod filter;
mod lease;
pub mod mail;
pub mod observe;
pub mod outbox;
pub mod store;
mod store_error;
pub mod trace;
pub mod urgency;
mod verdict;
pub mod webhook;
pub mod write_permit;
