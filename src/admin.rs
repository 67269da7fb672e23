//! The admin API: what a running worker answers over HTTP.
//!
//! | | |
//! |---|---|
//! | `GET /healthz` | the process is alive |
//! | `GET /readyz` | a check each of the store, the broker and the definitions; 503 when one fails |
//! | `GET /metrics` | OpenMetrics |
//! | `GET /v1/jobs` | jobs, newest first; `state`, `kind`, `instance`, `cen`, `requester`, `label=k=v`, `before`, `limit` |
//! | `GET /v1/jobs/{ref}` | one job with its explanation and events; by uid, or by `requester/id`, percent-encoded |
//! | `POST /v1/jobs/{ref}/cancel`, `/resume`, `/approve` | a command; 409 when the job is not in a state for it |
//! | `GET /v1/approvals` | the number of jobs that an hourly limit has parked, and the newest; filters as above, or `job=…` |
//! | `POST /v1/approvals` | lets them begin: those of `job=…`, or with filters and `expect=<count>` if the count is right |
//! | `GET /v1/accounts/paused` | the paused accounts |
//! | `POST /v1/accounts/{uid}/pause`, `/unpause` | pauses an account with `by=…&reason=…`, or ends its pause |
//! | `GET /v1/rejections` | rejected messages with their faults, newest first; `before`, `limit` |
//! | `GET /v1/undeliverable` | messages of the worker that could not be published, with the reason, oldest first; `after`, `limit` |
//! | `POST /v1/undeliverable/replay` | sends them again: those of `number=…`, or with `expect=<count>` all if the count is right |
//! | `POST /v1/undeliverable/drop` | deletes them, chosen in the same way |
//!
//! If a token is configured, every path asks for it except `/healthz` and `/readyz`: probes carry no secrets. Without the
//! token, `/readyz` names the checks and leaves out their details.

mod accounts;
mod approvals;
mod auth;
mod commands;
mod dead;
mod error;
mod explain;
mod filter;
mod health;
mod jobs;
mod parts;
mod query;
mod routes;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use accounts::{Paused, Unpaused};
pub use approvals::{Approvals, Approved};
pub use dead::{Dropped, RejectionPage, Replayed, Undeliverable, UndeliverablePage};
pub use error::ApiError;
pub use explain::{Explanation, explain};
pub use health::{HealthCheck, Readiness};
pub use jobs::{JobPage, JobView};
pub use parts::{Admin, AdminParts};
