//! What is read from the cloud to decide on, and how concurrent reads of the same thing are shared.

pub mod batch;
pub mod cen_attachments;
pub mod cen_owner;
pub mod cen_rules;
pub mod editions;
pub mod holds;
pub mod looker;
mod rule_search;
pub mod shared_lists;
