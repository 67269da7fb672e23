//! The hourly pass over every payer change that waits: grouped, so that one answer of the cloud serves many jobs.
//!
//! What is due is in the store, as `engine/decide/sweep_times.rs` decided it. The cron only wakes the loop: one that comes
//! late, twice or not at all changes nothing but the moment.

mod attachments;
mod pass;
mod schedule;

pub use pass::{Report, pass};
pub use schedule::run;
