//! What a job goes through, as data: step definitions, retry policies and the table of error classes, read from
//! `workflows/*.toml`, checked as a whole before anything runs, and never changed afterwards.
//!
//! Nothing here knows an action's code: the verbs a step may call come in as [`VerbSpec`]s, and which call failed how
//! comes in as plain words. So a definition can be linted by a tool that has no cloud, no store and no broker.

mod catalog;
mod class;
mod definition;
mod document;
mod errors;
mod glob;
mod lint;
mod parse;
mod policies;
mod problem;
mod retry_policy;
mod verb;

#[cfg(test)]
mod tests;

pub use crate::domain::nearest;
pub use catalog::{Catalog, Overrides, OverridingFile};
pub use class::{Class, Effect, Finding};
pub use definition::{Call, Definition, Emit, Refused, Step, Target, Wait, WaitFor, Work};
pub use errors::{ErrorClass, ErrorClasses, HttpStatus, Verdict};
pub use policies::Policies;
pub use problem::Problem;
pub use retry_policy::{BadRetryPolicy, RetryPolicy};
pub use verb::{Account, VerbSpec};
