//! Tells an open view that what it shows has changed, so that its script asks for it anew: server-sent events without content.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::OwnedSemaphorePermit;

use super::asked::{parameters, segment};
use super::parts::Page;
use crate::admin::{Authority, Status};

/// How long a stream lasts: less than an answer of the admin API may take. Its browser asks again.
const LASTS: Duration = Duration::from_secs(25);
/// How often it looks. The status is asked of the store once a second for all who ask.
const LOOKS: Duration = Duration::from_secs(1);
/// After how long without a change it says that it is there.
const SILENT: Duration = Duration::from_secs(15);
/// After how many milliseconds a browser asks again.
const RETRY: &[u8] = b"retry: 1000\n\n";

/// A stream that is open.
struct Open {
    page: Page,
    authority: Authority,
    /// The job that it is about; `None` for everything.
    job: Option<String>,
    /// What was there when it was looked at last.
    last: Option<Value>,
    until: Duration,
    speaks: Duration,
    first: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn stream(State(page): State<Page>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Some(session) = page.session(&headers) else { return StatusCode::UNAUTHORIZED.into_response() };
    let Ok(place) = page.live().clone().try_acquire_owned() else {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    };
    let job = parameters(query.as_deref().unwrap_or_default()).into_iter().find(|(key, _)| key == "job");
    let now = page.parts().engine.clock.uptime();
    let open = Open {
        page,
        authority: session.authority,
        job: job.map(|(_, job)| job),
        last: None,
        until: now + LASTS,
        speaks: now + SILENT,
        first: true,
        _place: place,
    };
    let body = unfold(open, async |mut open| Some((Ok::<_, Infallible>(open.next().await?), open)));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], Body::from_stream(body)).into_response()
}

impl Open {
    async fn next(&mut self) -> Option<Bytes> {
        if std::mem::take(&mut self.first) {
            self.last = self.look().await;
            return Some(Bytes::from_static(RETRY));
        }
        let engine = self.page.parts().engine.clone();
        let mut stopping = self.page.parts().stopping.clone();
        loop {
            tokio::select! {
                () = engine.clock.sleep(LOOKS) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return None,
            }
            let (now, found) = (engine.clock.uptime(), self.look().await);
            if found != self.last {
                (self.last, self.speaks) = (found, now + SILENT);
                return Some(Bytes::from_static(b"event: changed\ndata:\n\n"));
            }
            if now >= self.until {
                return None;
            }
            if now >= self.speaks {
                self.speaks = now + SILENT;
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
    }

    /// What is there now, without what changes with the time alone. `None` while it cannot be told.
    async fn look(&self) -> Option<Value> {
        let (page, authority) = (&self.page, &self.authority);
        match &self.job {
            Some(job) => {
                let path = format!("/v1/jobs/{}", segment(job));
                let view: Value = page.ask(Method::GET, &path, authority, String::new()).await.ok()?;
                Some(json!([view.pointer("/job/revision")?, view.pointer("/explanation/why")?]))
            }
            None => {
                let status: Status = page.ask(Method::GET, "/v1/status", authority, String::new()).await.ok()?;
                let Status { needs, goes_on, accounts, batches, outbox, rejected, jobs, workers, .. } = status;
                let goes_on: Vec<_> = goes_on.iter().map(|group| (group.state, group.jobs)).collect();
                Some(json!([needs, goes_on, accounts, batches.open, outbox, rejected, jobs, workers]))
            }
        }
    }
}
