//! The hourly pass over every payer change that waits: grouped, so that one answer of the cloud serves many jobs.
//!
//! The scheduler is only the bell. What is due is in the store, so a bell that is missed, late or rung twice changes
//! nothing but the moment.

mod attachments;
mod bell;
mod pass;

pub use bell::run;
pub use pass::{Report, pass};
