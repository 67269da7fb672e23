//! What each path is for, what it takes and what it answers: what OpenAPI and `docs/http.md` are made of. The roles are those of
//! the routes.

use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::access::Access;
use super::accounts::{AccountsView, Paused, Unpaused};
use super::batches::{BatchPage, BatchView};
use super::bulk::{BulkDone, Matching};
use super::checks::Readiness;
use super::dead_filter::DEAD_FILTERS;
use super::dead_groups::DeadGroups;
use super::dead_view::{Dropped, RejectionPage, RejectionView, Replayed, UndeliverablePage};
use super::event_stream::EventsAfter;
use super::feed::{EventFeed, FEED_FILTERS};
use super::filter::FILTERS;
use super::history::{MatchingEvents, ReplayedEvents};
use super::jobs::{JobPage, JobView};
use super::mandate::SAID;
use super::plan::PlanView;
use super::reload::Reloaded;
use super::routes::{ALIVE, routes};
use super::status::Status;
use super::submit::Posted;
use super::tokens::AdminRole;
use crate::engine::guards::Pause;
use crate::engine::record::Record;

/// An operation of the admin API.
pub(crate) struct ApiOperation {
    /// Its name, for programs made from the description.
    pub name: &'static str,
    /// `get` or `post`.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// The lowest role that may call it; `None` for everybody.
    pub role: Option<AdminRole>,
    /// Whether a submitter may call it too, for what it has submitted.
    pub own: bool,
    /// What it does, in one sentence.
    pub says: &'static str,
    /// The names of its query parameters.
    pub takes: Vec<&'static str>,
    /// Whether it answers as a stream too, if that is asked for.
    pub streams: bool,
    /// What it answers when all is well.
    pub answers: Answer,
}

impl ApiOperation {
    /// The statuses of its errors.
    pub fn refusals(&self) -> Vec<StatusCode> {
        let submits = self.name == "submitJobs";
        let names_one = self.path.contains('{') || ["batch", "job"].iter().any(|name| self.takes.contains(name));
        let commands = self.method == "post" && !submits && self.name != "reload";
        let when = [
            (StatusCode::BAD_REQUEST, self.role.is_some()),
            (StatusCode::UNAUTHORIZED, self.role.is_some()),
            // A foreign `Host` is refused without a token too.
            (StatusCode::FORBIDDEN, self.path != ALIVE),
            (StatusCode::NOT_FOUND, names_one),
            (StatusCode::CONFLICT, names_one || commands),
            (StatusCode::UNPROCESSABLE_ENTITY, submits),
            (StatusCode::TOO_MANY_REQUESTS, submits || self.streams),
            (StatusCode::INTERNAL_SERVER_ERROR, self.role.is_some()),
            (StatusCode::SERVICE_UNAVAILABLE, self.role.is_some()),
            (StatusCode::GATEWAY_TIMEOUT, submits),
        ];
        when.into_iter().filter(|(_, may)| *may).map(|(status, _)| status).collect()
    }
}

/// What a status says of a request, for people.
pub(crate) fn refusal(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The path or a parameter is wrong; the message says which and why.",
        StatusCode::UNAUTHORIZED => "There is no token, or none that the worker knows.",
        StatusCode::FORBIDDEN => "The token has not the role, no rule allows it, or the request came from a web page.",
        StatusCode::NOT_FOUND => "There is no such thing, or the token may not see it.",
        StatusCode::METHOD_NOT_ALLOWED => "The path has no such method.",
        StatusCode::CONFLICT => "It cannot be done as things are, or the reference or the number fits others too.",
        StatusCode::UNPROCESSABLE_ENTITY => "What was submitted is no job; `faults` has each fault.",
        StatusCode::TOO_MANY_REQUESTS => "Too much at a time. Nothing was done; `Retry-After` says when to ask again.",
        StatusCode::INTERNAL_SERVER_ERROR => "The store refuses it, or holds what it should not. A person has to look.",
        StatusCode::SERVICE_UNAVAILABLE => {
            "The store or the broker cannot be used, or did not answer in time. Ask again later."
        }
        StatusCode::GATEWAY_TIMEOUT => "It may have been taken. Send it again with the same id.",
        other => unreachable!("a status that is not described: {other}"),
    }
}

/// The body of an answer.
pub(crate) enum Answer {
    /// JSON of this schema.
    Json(fn(&mut SchemaGenerator) -> Schema),
    /// Text of this media type.
    Text(&'static str),
}

fn json<T: JsonSchema>() -> Answer {
    Answer::Json(SchemaGenerator::subschema_for::<T>)
}

/// A row of the table: path and method, a name, what it does, what it takes, what it answers.
/// The operations that answer as a stream too.
const STREAMS: [&str; 3] = ["jobEvents", "batchEvents", "feedEvents"];

type Row = (&'static str, &'static str, &'static str, &'static str, Vec<&'static str>, Answer);

fn rows() -> Vec<Row> {
    let filters = |also: &[&'static str]| [&FILTERS[..], also].concat();
    let said = || SAID.to_vec();
    let with_said = |also: &[&'static str]| [also, &SAID[..]].concat();
    let bulk = || filters(&["before", "limit"]);
    let dead = |also: &[&'static str]| [&DEAD_FILTERS[..], also].concat();
    let dead_command = || with_said(&dead(&["number", "expect"]));
    let command = || filters(&["expect", "before", "by", "reason"]);
    vec![
        ("get", "/healthz", "alive", "Tells that the process is alive.", vec![], Answer::Text("text/plain")),
        ("get", "/readyz", "ready", "Runs the checks of every part; 503 when one fails.", vec![], json::<Readiness>()),
        ("get", "/metrics", "metrics", "Gives the metrics.", vec![], Answer::Text("application/openmetrics-text")),
        (
            "get",
            "/v1/status",
            "status",
            "Tells what needs a person, and what goes on by itself.",
            vec![],
            json::<Status>(),
        ),
        ("get", "/v1/jobs", "listJobs", "Lists jobs, newest first.", bulk(), json::<JobPage>()),
        (
            "post",
            "/v1/jobs",
            "submitJobs",
            "Submits a job, or all jobs of a batch; answers 202.",
            vec![],
            json::<Posted>(),
        ),
        ("post", "/v1/plan", "planJob", "Tells what a job would do; only reads.", vec![], json::<PlanView>()),
        ("get", "/v1/jobs/{reference}", "showJob", "Shows a job with its events.", vec![], json::<JobView>()),
        (
            "get",
            "/v1/jobs/{reference}/events",
            "jobEvents",
            "Gives the events of a job after a number, as JSON or as a stream.",
            vec!["after"],
            json::<EventsAfter>(),
        ),
        ("post", "/v1/jobs/{reference}/cancel", "cancelJob", "Ends a job, or undoes it.", said(), json::<Record>()),
        ("post", "/v1/jobs/{reference}/resume", "resumeJob", "Lets a parked job go on.", said(), json::<Record>()),
        (
            "post",
            "/v1/jobs/{reference}/release",
            "releaseJob",
            "Lets other jobs on the instance of a half-done job go on.",
            said(),
            json::<Record>(),
        ),
        (
            "post",
            "/v1/jobs/{reference}/approve",
            "approveJob",
            "Lets a job begin that an hourly limit has parked.",
            said(),
            json::<Record>(),
        ),
        (
            "get",
            "/v1/bulk/cancel",
            "wouldCancel",
            "Lists the jobs that a cancel would be about.",
            bulk(),
            json::<Matching>(),
        ),
        ("post", "/v1/bulk/cancel", "cancelJobs", "Cancels the jobs of a filter.", command(), json::<BulkDone>()),
        (
            "get",
            "/v1/bulk/resume",
            "wouldResume",
            "Lists the jobs that a resume would be about.",
            bulk(),
            json::<Matching>(),
        ),
        (
            "post",
            "/v1/bulk/resume",
            "resumeJobs",
            "Lets the parked jobs of a filter go on.",
            command(),
            json::<BulkDone>(),
        ),
        ("get", "/v1/bulk/approve", "wouldApprove", "Lists the jobs that need approval.", bulk(), json::<Matching>()),
        ("post", "/v1/bulk/approve", "approveJobs", "Approves the jobs of a filter.", command(), json::<BulkDone>()),
        (
            "get",
            "/v1/batches",
            "listBatches",
            "Lists batches, newest first.",
            vec!["open", "before", "limit"],
            json::<BatchPage>(),
        ),
        ("get", "/v1/batches/{reference}", "showBatch", "Shows a batch with its events.", vec![], json::<BatchView>()),
        (
            "get",
            "/v1/batches/{reference}/events",
            "batchEvents",
            "Gives the events of a batch after a number, as JSON or as a stream.",
            vec!["after"],
            json::<EventsAfter>(),
        ),
        ("get", "/v1/accounts", "listAccounts", "Lists the accounts of this worker.", vec![], json::<AccountsView>()),
        ("get", "/v1/accounts/paused", "listPaused", "Lists the paused accounts.", vec![], json::<Paused>()),
        (
            "post",
            "/v1/accounts/{uid}/pause",
            "pauseAccount",
            "Pauses an account; `by` and `reason` are required.",
            said(),
            json::<Pause>(),
        ),
        ("post", "/v1/accounts/{uid}/unpause", "unpauseAccount", "Ends a pause.", said(), json::<Unpaused>()),
        ("post", "/v1/reload", "reload", "Reads the configuration again.", vec![], json::<Reloaded>()),
        (
            "get",
            "/v1/dead",
            "groupDead",
            "Groups rejected and undeliverable messages by their cause.",
            DEAD_FILTERS.to_vec(),
            json::<DeadGroups>(),
        ),
        (
            "get",
            "/v1/rejections",
            "listRejections",
            "Lists rejected messages.",
            dead(&["before", "limit"]),
            json::<RejectionPage>(),
        ),
        (
            "get",
            "/v1/rejections/{uid}",
            "showRejection",
            "Shows a rejected message, as far as it is kept.",
            vec![],
            json::<RejectionView>(),
        ),
        (
            "post",
            "/v1/rejections/drop",
            "dropRejections",
            "Deletes rejected messages.",
            with_said(&["uid"]),
            json::<Dropped>(),
        ),
        (
            "get",
            "/v1/undeliverable",
            "listUndeliverable",
            "Lists messages of the worker that could not be published.",
            dead(&["after", "limit"]),
            json::<UndeliverablePage>(),
        ),
        (
            "post",
            "/v1/undeliverable/replay",
            "replayUndeliverable",
            "Sends such messages again: those that are numbered, or those that match.",
            dead_command(),
            json::<Replayed>(),
        ),
        (
            "post",
            "/v1/undeliverable/drop",
            "dropUndeliverable",
            "Deletes such messages: those that are numbered, or those that match.",
            dead_command(),
            json::<Dropped>(),
        ),
        (
            "get",
            "/v1/events",
            "feedEvents",
            "Gives the events of all jobs and batches after a number, as JSON or as a stream.",
            FEED_FILTERS.to_vec(),
            json::<EventFeed>(),
        ),
        (
            "get",
            "/v1/events/replay",
            "wouldReplayEvents",
            "Counts the kept events that would be published again.",
            vec!["since", "until", "job", "type"],
            json::<MatchingEvents>(),
        ),
        (
            "post",
            "/v1/events/replay",
            "replayEvents",
            "Publishes kept events again.",
            with_said(&["since", "until", "job", "type", "expect"]),
            json::<ReplayedEvents>(),
        ),
    ]
}

/// Every operation, in the order of the routes. A route without a row here is left out, which a test sees.
pub(crate) fn operations() -> Vec<ApiOperation> {
    let mut rows = rows();
    let described = |route: super::routes::Route| {
        let at = rows.iter().position(|(method, path, ..)| (*method, *path) == (route.method, route.path))?;
        let (method, path, name, says, takes, answers) = rows.remove(at);
        let own = route.access == Access::Own;
        let role = if own { Some(AdminRole::Reader) } else { route.access.lowest() };
        let streams = STREAMS.contains(&name);
        Some(ApiOperation { name, method, path, role, own, says, takes, streams, answers })
    };
    routes().into_iter().filter_map(described).collect()
}

/// What a parameter of a path or a query says.
pub(crate) fn parameter(name: &str) -> &'static str {
    match name {
        "reference" => {
            "The job or batch: its uid, `requester/id`, or an id that only one requester has; percent-encoded."
        }
        "uid" => "The uid of the account, or of the rejected message.",
        "state" => "States, separated by commas.",
        "kind" => "A kind of job.",
        "for" => "Reasons of the closed list, separated by commas; of dead messages the cause, or the code of a fault.",
        "half-done" => "`true`: only jobs that are half done and do not go on; `false`: only those that are not.",
        "overdue" => "`true`: only jobs that wait for an hour that is long over.",
        "held" => "`true`: only jobs that a paused account holds.",
        "account" => "The owner of the instance or of the CEN.",
        "blames" => {
            "The account that the job is put down to: the one that its message names, or the owner of the instance."
        }
        "cen" => "The id of the CEN.",
        "instance" => "The id of the instance.",
        "requester" => "Who asked for the job.",
        "batch" => "The batch of the job: its uid, `requester/id`, or an id that only one requester has.",
        "open" => "`true`: only batches that have not ended.",
        "label" => "A label, as `name=value`.",
        "since" => "From this time on, or from as long ago: when the job was accepted, or the event happened.",
        "until" => "Before this time, or as long ago.",
        "to" => "The queue or exchange that a message was for.",
        "job" => "The job that the events are about.",
        "type" => "The type of the events.",
        "older-than" => "Accepted as long ago, or longer.",
        "before" => "The `next` of the page before, or the `before` of the call before.",
        "after" => {
            "The `next` of the page before; of events the `after` of the answer before, which is 0 at first. Of the \
             events of all jobs also `end`: only what happens from now on."
        }
        "limit" => "The size of the page, 1 to 1000.",
        "expect" => "How many there have to be; otherwise nothing is done (409).",
        "number" => "The number of a message; may be there several times.",
        "by" => "Who gives the command. Kept, and not verified.",
        "reason" => "Why. Kept.",
        other => unreachable!("a parameter that is not described: {other}"),
    }
}
