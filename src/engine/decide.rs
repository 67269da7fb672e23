//! The decisions: from what is committed and one new observation to what is committed next. Pure, all of it: no IO, no
//! clock, no randomness; `tests/one_process/layers.rs` guards the folder.

mod answers;
pub mod backoff;
pub mod batch;
mod beginning;
pub(super) mod certainty;
pub mod command;
pub mod decision;
pub mod delivery;
pub mod door;
pub mod effective;
mod endings;
pub mod event_routes;
mod forecast;
mod looking;
pub mod parked_news;
mod retrying;
mod sweep_times;
pub mod waiting;
pub mod webhook;
mod writes;
