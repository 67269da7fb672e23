//! The durable engine: what is known of a job, and four groups around it.
//!
//! | Group | What it holds |
//! |---|---|
//! | [`ports`] | traits that outer layers implement, and the values that cross them |
//! | [`decide`] | the pure decisions: no IO, no clock |
//! | [`look`] | what is read from the cloud, and how concurrent reads are shared |
//! | [`loops`] | the thin loops: fetch, decide, commit, act |

pub mod batch;
pub mod batch_events;
pub mod decide;
pub mod events;
pub mod guards;
pub mod look;
pub mod loops;
pub mod policy;
pub mod ports;
pub mod receivers;
pub mod record;
pub mod seen;
pub mod spans;
