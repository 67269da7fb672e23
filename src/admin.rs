//! The admin API: what a running worker answers over HTTP.
//!
//! | | needs | |
//! |---|---|---|
//! | `GET /healthz` | nothing | the process is alive |
//! | `GET /readyz` | nothing | a check each of the store, the broker and the definitions; 503 when one fails |
//! | `GET /metrics` | nothing | OpenMetrics |
//! | `GET /v1/status` | reader | what needs a person, with the command for it; what goes on by itself; accounts, checks, messages |
//! | `GET /v1/jobs` | reader | jobs with their explanations, newest first; filters as below, `before`, `limit` |
//! | `POST /v1/jobs` | submitter | takes a job, or a message with all jobs of a batch: 202 once the broker has confirmed it; header `Idempotency-Key`. Of no other role |
//! | `GET /v1/jobs/{reference}` | submitter | one job with its explanation and events; by uid, by `requester/id`, or by an id that only one requester has, percent-encoded |
//! | `GET /v1/jobs/{reference}/events` | submitter | the events of a job after number `after`; with `Accept: text/event-stream` as they happen |
//! | `POST /v1/jobs/{reference}/cancel` | operator | ends a job or undoes it; 409 when the job is not in a state for it |
//! | `POST /v1/jobs/{reference}/resume` | operator | lets a parked job go on; 409 likewise |
//! | `POST /v1/jobs/{reference}/release` | operator | lets the other jobs on the instance of a half-done job go on; 409 likewise |
//! | `POST /v1/jobs/{reference}/approve` | approver | lets a job begin that an hourly limit has parked; 409 likewise |
//! | `GET /v1/bulk/cancel` | reader | the number of jobs that `POST` would cancel, and the newest `limit`; filters as below |
//! | `POST /v1/bulk/cancel` | operator | cancels the jobs of a filter if their number is that of `expect=<count>`, 409 if not; 1,000 a call, the next ones with `before` |
//! | `GET /v1/bulk/resume` | reader | likewise |
//! | `POST /v1/bulk/resume` | operator | likewise, of the parked jobs |
//! | `GET /v1/bulk/approve` | reader | likewise |
//! | `POST /v1/bulk/approve` | approver | likewise, of the jobs that an hourly limit has parked |
//! | `POST /v1/plan` | reader | what the job in the body would do, as the cloud is now; only reads |
//! | `GET /v1/batches` | reader | batches with their jobs counted by state, the last accepted first; `open=true` those that have not ended; `before`, `limit` |
//! | `GET /v1/batches/{reference}` | submitter | one batch with its events; by uid, by `requester/id`, or by an id that only one requester has, percent-encoded |
//! | `GET /v1/batches/{reference}/events` | submitter | the events of a batch, likewise |
//! | `GET /v1/accounts` | reader | the accounts: their site, kind and end of their keys, whether the cloud takes these, their budget |
//! | `GET /v1/accounts/paused` | reader | the paused accounts |
//! | `POST /v1/accounts/{uid}/pause` | operator | pauses an account; needs `by` and `reason` |
//! | `POST /v1/accounts/{uid}/unpause` | operator | ends the pause of an account |
//! | `POST /v1/reload` | operator | reads the configuration again; tells what has changed, and what needs a restart |
//! | `GET /v1/dead` | reader | rejected and undeliverable messages in groups, each with the command for it; filters as below |
//! | `GET /v1/rejections` | reader | rejected messages with their faults, newest first; filters as below, `before`, `limit` |
//! | `GET /v1/rejections/{uid}` | reader | one of them, with its body as far as it is kept |
//! | `POST /v1/rejections/drop` | operator | deletes those of `uid=…`, except those with an unpublished message |
//! | `GET /v1/undeliverable` | reader | messages of the worker that could not be published, with the reason, oldest first; filters as below, `after`, `limit` |
//! | `POST /v1/undeliverable/replay` | operator | sends them again: those of `number=…`, or with `expect=<count>` those that match if the count is right |
//! | `POST /v1/undeliverable/drop` | operator | deletes them, chosen in the same way |
//! | `GET /v1/events` | submitter | the events of all jobs and batches after `after`, of a submitter its own, in the order in which they were stored; `limit`, `type`, `requester`, `cen`, `account`; as a stream with `Accept: text/event-stream` |
//! | `GET /v1/events/replay` | reader | the number of kept events that `POST` would publish again; `since`, `until`, `job`, `type` |
//! | `POST /v1/events/replay` | operator | publishes them again, with the same ids, if their number is that of `expect=<count>`, 409 if not |
//!
//! Every command takes `by` and `reason`, which are kept and told with the name of the token.
//!
//! Filters are the parameters `state` and `for` (a reason of the closed list), each with words separated by commas, `kind`,
//! `half-done=true`, `held=true`, `account`, `cen`, `instance`, `requester`, `batch`, `label=k=v`, `since`, `until` and `older-than`. A
//! list reads at most 10,000 records for one answer.
//!
//! Filters of dead messages are `to` (a queue, an exchange or the URL of a webhook), `for` (`no-queue`, `refused`, `unconfirmed`,
//! `unpublishable`, `webhook-failed`, `webhook-gone`, or the code of a fault), `requester`, `since` and `until`.
//!
//! A role comes with a token (`Authorization: Bearer …`), on the loopback too, and includes the roles before it: reader, operator,
//! approver. A submitter is none of these: its token submits as the requester `http:` and the name of the token, and sees what that
//! requester has submitted; the paths for it answer the other roles too, except that they do not submit. Probes and scrapers carry no secrets, so what needs nothing shows nothing of a job: `/readyz` without a token names
//! the checks and leaves out their details, and the labels of `/metrics` name accounts of the configuration, operations, kinds,
//! steps and codes only.
//!
//! A web page in somebody's browser can reach this port too. So requests with a foreign `Host`, `Origin` or `Sec-Fetch-Site` are
//! refused, except `/healthz`.

mod access;
mod accounts;
pub(crate) mod api;
mod auth;
mod batches;
mod bulk;
mod checks;
mod commands;
mod configuration;
mod connections;
mod dead;
mod dead_filter;
mod dead_groups;
mod dead_view;
mod error;
mod event_stream;
mod explain;
mod feed;
mod feed_choice;
mod filter;
mod foreign;
mod health;
mod history;
mod jobs;
mod listening;
mod mandate;
mod needs;
mod numbered;
mod open_door;
mod overview;
mod parts;
mod plan;
mod query;
mod recent;
mod reload;
mod routes;
mod status;
mod submit;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod token_file;
mod tokens;
mod waiting;

pub use accounts::{AccountView, AccountsView, Paused, Unpaused};
pub(crate) use auth::Vouched;
pub use batches::{BatchPage, BatchRow, BatchView};
pub use bulk::{BulkDone, DeclinedJob, Matching};
pub use checks::{CHECKS, HealthCheck, Readiness};
pub use connections::{ConnectionLimits, serve};
pub use dead_groups::{DeadGroup, DeadGroups};
pub use dead_view::{Dropped, KeptMessage, RejectionPage, RejectionView, Replayed, Undeliverable, UndeliverablePage};
pub use error::ApiError;
pub use event_stream::EventsAfter;
pub use explain::{Explanation, explain};
pub use feed::EventFeed;
pub(crate) use foreign::refuse_but_links;
pub use history::{MatchingEvents, ReplayedEvents};
pub use jobs::{JobPage, JobRow, JobStep, JobView};
pub use listening::{await_port, bind};
pub use needs::{GROUPS, Mends, Need};
pub use parts::{Admin, AdminParts};
pub use plan::{PlanFault, PlanView};
pub use reload::{ConfigChange, Reload, Reloaded};
pub use status::{AccountStatus, GoesOn, OpenBatches, Status};
pub use submit::{Posted, PostedState};
pub use tokens::{ADMIN, AdminRole, AdminToken, AdminTokens, Authority, LOCAL, is_name};
pub use waiting::UnsentWebhook;
