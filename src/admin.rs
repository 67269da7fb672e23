//! The admin API: what a running worker answers over HTTP.
//!
//! | | needs | |
//! |---|---|---|
//! | `GET /healthz` | nothing | the process is alive |
//! | `GET /readyz` | nothing | a check each of the store, the broker and the definitions; 503 when one fails |
//! | `GET /metrics` | nothing | OpenMetrics |
//! | `GET /v1/jobs` | reader | jobs, newest first; `state`, `kind`, `instance`, `cen`, `requester`, `label=k=v`, `before`, `limit` |
//! | `GET /v1/jobs/{reference}` | reader | one job with its explanation and events; by uid, or by `requester/id`, percent-encoded |
//! | `POST /v1/jobs/{reference}/cancel` | operator | ends a job or undoes it; 409 when the job is not in a state for it |
//! | `POST /v1/jobs/{reference}/resume` | operator | lets a parked job go on; 409 likewise |
//! | `POST /v1/jobs/{reference}/approve` | approver | lets a job begin that an hourly limit has parked; 409 likewise |
//! | `GET /v1/approvals` | reader | the number of jobs that an hourly limit has parked, and the newest; filters as above, or `job=…` |
//! | `POST /v1/approvals` | approver | lets them begin: those of `job=…`, or with filters and `expect=<count>` if the count is right |
//! | `GET /v1/accounts` | reader | the accounts: their site, kind and end of their keys, whether the cloud takes these, their budget |
//! | `GET /v1/accounts/paused` | reader | the paused accounts |
//! | `POST /v1/accounts/{uid}/pause` | operator | pauses an account with `by=…&reason=…` |
//! | `POST /v1/accounts/{uid}/unpause` | operator | ends the pause of an account |
//! | `POST /v1/reload` | operator | reads the configuration again; tells what has changed, and what needs a restart |
//! | `GET /v1/rejections` | reader | rejected messages with their faults, newest first; `before`, `limit` |
//! | `GET /v1/undeliverable` | reader | messages of the worker that could not be published, with the reason, oldest first; `after`, `limit` |
//! | `POST /v1/undeliverable/replay` | operator | sends them again: those of `number=…`, or with `expect=<count>` all if the count is right |
//! | `POST /v1/undeliverable/drop` | operator | deletes them, chosen in the same way |
//!
//! A role comes with a token (`Authorization: Bearer …`), on the loopback too, and includes the roles before it: reader, operator,
//! approver. Probes and scrapers carry no secrets, so what needs nothing shows nothing of a job: `/readyz` without a token names
//! the checks and leaves out their details, and the labels of `/metrics` name accounts of the configuration, operations, kinds,
//! steps and codes only.
//!
//! A web page in somebody's browser can reach this port too. So requests with a foreign `Host`, `Origin` or `Sec-Fetch-Site` are
//! refused, except `/healthz`.

mod accounts;
mod approvals;
mod auth;
mod commands;
mod configuration;
mod connections;
mod dead;
mod error;
mod explain;
mod filter;
mod foreign;
mod health;
mod jobs;
mod parts;
mod query;
mod recent;
mod reload;
mod routes;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod token_file;
mod tokens;

pub use accounts::{AccountView, AccountsView, Paused, Unpaused};
pub use approvals::{Approvals, Approved};
pub use connections::{ConnectionLimits, serve};
pub use dead::{Dropped, RejectionPage, Replayed, Undeliverable, UndeliverablePage};
pub use error::ApiError;
pub use explain::{Explanation, explain};
pub use health::{HealthCheck, Readiness};
pub use jobs::{JobPage, JobView};
pub use parts::{Admin, AdminParts};
pub use reload::{ConfigChange, Reload, Reloaded};
pub use tokens::{ADMIN, AdminRole, AdminToken, AdminTokens, Authority, LOCAL, is_name};
