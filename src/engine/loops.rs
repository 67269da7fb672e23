//! The loops of a worker, and what they share.

pub mod accounts;
pub mod batches;
pub mod commands;
pub mod door;
mod execution;
pub mod intake;
pub mod listing;
mod moved;
pub mod outbox;
pub mod plan;
pub mod replay;
pub mod restored;
pub mod retention;
pub mod shared;
pub mod store_watch;
mod telling;
pub mod timekeeping;
pub mod wakeups;
pub mod webhooks;
pub mod worker;
