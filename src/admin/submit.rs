//! The door: jobs that come in over HTTP, without a user at the broker.

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::parts::Admin;
use super::tokens::Authority;
use crate::domain::contract::{Fault, MAX_BATCH_BODY};
use crate::domain::{Code, JobUid, Requester, idempotency_key, webhook, words};
use crate::engine::decide::door::{Asked, REPLY_TO};
use crate::engine::loops::door::{Request, Submitted};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// A webhook that gets the end of the job or of the batch, as AMQP `reply_to`.
const REPLY_TO_HEADER: HeaderName = HeaderName::from_static("reply-to");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// As long as one of a message may be.
const LONGEST_TRACEPARENT: usize = 256;

words! {
    /// How far a submitted job or batch has come.
    pub enum PostedState {
        /// It is accepted.
        Accepted = "accepted",
        /// It had been accepted before, under the same id. With `Reply-To` its latest event is sent there.
        Repeated = "repeated",
        /// It is in the queue of jobs, and no worker has come to it yet. It can still be rejected, for what the store knows.
        Published = "published",
    }
}

/// The answer to `POST /v1/jobs`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Posted {
    /// As whom the token has asked.
    pub requester: Requester,
    /// The id of the job, or of the batch.
    pub id: String,
    /// How many jobs it is.
    pub jobs: usize,
    /// How far it has come.
    pub state: PostedState,
    /// The uid of the job, or of the batch, once it is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<JobUid>,
    /// Where to ask for it; also as the header `Location`.
    pub at: String,
}

pub(super) async fn submit(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let (Some(door), Some(requester)) = (admin.door(), authority.sees_only()) else {
        return Err(ApiError::DoorClosed);
    };
    let _place = door.enter(&authority.token)?;
    let body = read_body(body)?;
    let body = match idempotency_key(&headers)? {
        Some(key) => match idempotency_key::applied(&body, &key).map_err(refused)? {
            std::borrow::Cow::Borrowed(_) => body,
            std::borrow::Cow::Owned(with_id) => with_id.into(),
        },
        None => body,
    };
    let reply_to = reply_to(&headers)?;
    let asked = Asked::read(&body, reply_to.as_deref()).map_err(|faults| ApiError::faults(&faults))?;
    let (id, jobs) = (asked.id().to_owned(), asked.jobs().len());
    let kind = if matches!(asked, Asked::Batch(..)) { "batches" } else { "jobs" };
    let traceparent = traceparent(&headers);
    let request = Request { requester: requester.clone(), asked, body, traceparent, reply_to };
    let submitted = admin.parts().engine.submit(&*door.publisher, request).await?;
    let (state, uid) = match submitted {
        Submitted::Accepted(uid) => (PostedState::Accepted, Some(uid)),
        Submitted::Repeated(uid) => (PostedState::Repeated, Some(uid)),
        Submitted::Published => (PostedState::Published, None),
    };
    let reference = uid.map_or_else(|| format!("{requester}/{id}"), |uid| uid.to_string());
    let at = format!("/v1/{kind}/{}", segment(&reference));
    let location = HeaderValue::from_str(&at).ok();
    tracing::info!(token = authority.token, id, jobs, state = state.as_str(), "a job came in over HTTP");
    let mut answer = (StatusCode::ACCEPTED, Json(Posted { requester, id, jobs, state, uid, at })).into_response();
    answer.headers_mut().extend(location.map(|location| (LOCATION, location)));
    Ok(answer)
}

fn read_body(body: Result<Bytes, BytesRejection>) -> Result<Bytes, ApiError> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body has more than {MAX_BATCH_BODY} bytes, which is the most");
            refused(Fault { at: String::new(), code: Code::JobTooLarge, message })
        }
        _ => ApiError::BadRequest(rejection.body_text()),
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(key) = only(headers, &IDEMPOTENCY_KEY)? else { return Ok(None) };
    idempotency_key::parse(&key).map(Some).map_err(refused)
}

/// Over HTTP a name of a queue would be one that the requester cannot read from.
fn reply_to(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(url) = only(headers, &REPLY_TO_HEADER)? else { return Ok(None) };
    if webhook::is_url(&url) {
        return Ok(Some(url));
    }
    let message = "it is the URL of a webhook, which begins with https://".to_owned();
    Err(refused(Fault { at: REPLY_TO.into(), code: Code::JobBadReplyTo, message }))
}

fn refused(fault: Fault) -> ApiError {
    ApiError::faults(&vec![fault].into())
}

/// A header that may be there once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
    if values.next().is_some() {
        return Err(ApiError::BadRequest(format!("there are two headers {name}: send one")));
    }
    Ok(value)
}

/// What a tracer has sent, as far as it can travel on.
fn traceparent(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    (text.len() <= LONGEST_TRACEPARENT).then(|| text.to_owned())
}

/// A text as one segment of a path.
fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}
