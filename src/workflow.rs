//! What a job goes through, as data: step definitions, retry policies and the table of error classes, read from
//! `workflows/*.toml`, checked as a whole before anything runs, and never changed afterwards.
//!
//! Nothing here knows the code of an action: the verbs that a step can call come in as [`VerbSpec`]s, and an error comes in
//! as its operation, status and code. So a definition can be checked by a tool that has no cloud, no store and no broker.

mod catalog;
mod class;
mod definition;
mod errors;
mod glob;
mod lint;
mod parse;
mod policies;
mod retry_policy;
mod verb;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Overrides, OverridingFile};
pub use class::{Class, Effect, Finding};
pub use definition::{Call, Definition, Refused, Step, Target, Work};
pub use errors::{ErrorClass, ErrorClasses, HttpStatus, Verdict};
pub use policies::Policies;
pub use retry_policy::{BadRetryPolicy, RetryPolicy};
pub use verb::{ActsAs, VerbSpec};
