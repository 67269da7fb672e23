//! The page: what a worker shows to a browser. It is made on the server, works without a script, and stands on the admin API: each
//! view asks the API inside this process, by the right of the visitor, so that its roles, its bounds, its words and what it keeps of
//! a command hold here unchanged.
//!
//! | | |
//! |---|---|
//! | `/` | what needs a person, the hour, accounts, checks |
//! | `/jobs`, `/jobs/{reference}` | jobs by the filters of the API, and one of them |
//! | `/instances/{id}` | the jobs on an instance |
//! | `/approvals` | what an hourly limit has parked |
//! | `/batches`, `/batches/{reference}` | batches |
//! | `/dead`, `/dead/{id}` | dead messages |
//! | `/plan` | what a job would do |
//! | `/codes`, `/codes/{word}` | what each reason and code means |
//! | `/bulk/{command}` | a command on many jobs, with their number |
//! | `/login`, `/live`, `/ui/{file}` | sessions, changes as they happen, style and script |

mod approvals;
mod asked;
mod asset;
mod batches;
mod bulk;
mod codes;
mod dead;
mod frame;
mod gate;
mod instance;
mod job;
mod jobs;
mod live;
mod login;
mod mark;
mod now;
mod parts;
mod plan;
mod session;
mod sides;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;
mod trouble;
mod view;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::admin::{Admin, refuse_but_links};
use gate::{acts, shows};
use parts::Page;

/// The largest body of a form: a job to plan, with what its encoding adds.
const LARGEST_FORM: usize = 256 << 10;

/// The page, and behind it the admin API.
pub fn router(admin: Admin, https: bool) -> Router {
    let page = Page::new(admin.clone(), https);
    let views = Router::new()
        .route("/", get(shows!(now::show)))
        .route("/jobs", get(shows!(jobs::show)))
        .route("/jobs/{reference}", get(shows!(job::show)))
        .route("/jobs/{reference}/{command}", post(acts!(job::command)))
        .route("/instances/{id}", get(shows!(instance::show)))
        .route("/approvals", get(shows!(approvals::show)))
        .route("/batches", get(shows!(batches::list)))
        .route("/batches/{reference}", get(shows!(batches::show)))
        .route("/dead", get(shows!(dead::list)))
        .route("/dead/{id}", get(shows!(dead::show)))
        .route("/dead/{id}/{command}", post(acts!(dead::command)))
        .route("/plan", get(shows!(plan::show)).post(acts!(plan::make)))
        .route("/codes", get(shows!(codes::list)))
        .route("/codes/{word}", get(shows!(codes::show)))
        .route("/bulk/{command}", get(shows!(bulk::show)).post(acts!(bulk::command)))
        .route("/accounts/{uid}/{command}", post(acts!(now::command)))
        .route("/login", get(login::form).post(login::enter))
        .route("/logout", post(acts!(login::leave)))
        .route("/live", get(live::stream))
        .route("/ui/{file}", get(asset::file));
    let api = admin.clone().router();
    views
        .layer(from_fn_with_state(admin, refuse_but_links))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(page)
        .fallback_service(api)
}
