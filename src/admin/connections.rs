//! The connections of the admin API. Everybody who reaches the port can open some, so each has bounds, and together they hold
//! few descriptors: those of the broker, the store and the cloud are not theirs to take.
//!
//! While all places are taken, each new connection has an old one closed: one that is not being answered, or else the oldest.
//! So a probe is answered at once, whatever strangers hold.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt;

use super::error::ApiError;
use crate::clock::Clock;

/// The bounds of connections.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// How many there can be at a time.
    pub most: usize,
    /// How long a request's header may take, counted from the connection or the answer before: so also how long a connection
    /// may be silent.
    pub header: Duration,
    /// How long an answer may take.
    pub answer: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            // A few people, a scraper and some probes hold ten. With 64 the largest headers take 4 MiB.
            most: 64,
            // A header is one packet; slow networks need a second or two.
            header: Duration::from_secs(5),
            // As long as `crossgrant` waits for an answer.
            answer: Duration::from_secs(30),
        }
    }
}

/// The largest header of a request. The longest of use names a thousand jobs to approve.
const LARGEST_HEADER: usize = 64 << 10;
/// How long to wait after the system refused a connection, which may mean that descriptors are short.
const REFUSED: Duration = Duration::from_millis(200);
/// How long a stopping worker waits for answers: less than it waits for this task.
const FAREWELL: Duration = Duration::from_secs(2);
/// The least time between two log lines about closed connections.
const QUIET: Duration = Duration::from_secs(60);

/// Serves the API until told to stop; answers that are on their way then are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: &dyn Clock,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(limits.most));
    let open = Arc::new(OpenConnections::default());
    let (mut tasks, mut told) = (JoinSet::new(), None);
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            // A sender that is gone also means stop.
            _ = stop.wait_for(|stop| *stop) => break,
            Some(_) = tasks.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection to the admin API was not accepted");
                clock.sleep(REFUSED).await;
                continue;
            }
        };
        if places.available_permits() == 0 {
            open.close_one();
            let now = clock.uptime();
            if told.is_none_or(|at| now.saturating_sub(at) >= QUIET) {
                told = Some(now);
                tracing::warn!(connections = limits.most, "too many connections to the admin API; old ones are closed");
            }
        }
        // A connection that was closed gives its place back only when its descriptor is free.
        let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
        number += 1;
        let answering = Arc::new(AtomicBool::new(false));
        let connection = attend(stream, router.clone(), limits, Arc::clone(&answering), stop.clone());
        let leaving = Leaving { open: Arc::clone(&open), number };
        let mut entries = open.entries();
        let task = tasks.spawn(async move {
            let (_place, _leaving) = (place, leaving);
            connection.await;
        });
        entries.insert(number, OpenConnection { task, answering });
    }
    drop(listener);
    while tasks.join_next().await.is_some() {}
}

/// Answers the requests of one connection, for a while: a client that stays is told to connect again.
async fn attend(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
    answering: Arc<AtomicBool>,
    mut stop: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| async {
        let _busy = Busy::new(&answering);
        let answer = tokio::time::timeout(limits.answer, router.clone().oneshot(request.map(Body::new))).await;
        let answer = answer.unwrap_or_else(|_| Ok(ApiError::TimedOut.into_response()));
        Ok::<Response, Infallible>(answer.unwrap_or_else(|never| match never {}))
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.header).max_buf_size(LARGEST_HEADER);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // Room for one request from its first byte to its answer. A client that does not read its answer has no more either.
    let span = limits.header + limits.answer;
    let working = async {
        tokio::select! {
            _ = connection.as_mut() => None,
            _ = stop.wait_for(|stop| *stop) => Some(FAREWELL),
        }
    };
    // How it ends is the client's affair.
    if let Some(left) = tokio::time::timeout(span, working).await.unwrap_or(Some(span)) {
        connection.as_mut().graceful_shutdown();
        let _ = tokio::time::timeout(left, connection).await;
    }
}

/// A connection that is open.
struct OpenConnection {
    task: AbortHandle,
    /// Whether a request of it is being answered.
    answering: Arc<AtomicBool>,
}

/// Those that are open, in the order in which they came.
#[derive(Default)]
struct OpenConnections(Mutex<BTreeMap<u64, OpenConnection>>);

impl OpenConnections {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<u64, OpenConnection>> {
        self.0.lock().unwrap_or_else(|error| error.into_inner())
    }

    fn close_one(&self) {
        let mut entries = self.entries();
        let victim = least_missed(entries.iter().map(|(number, one)| (*number, one.answering.load(Relaxed))));
        if let Some(closed) = victim.and_then(|number| entries.remove(&number)) {
            closed.task.abort();
        }
    }
}

/// The connection to close, of those with their number and whether they are being answered: the oldest that waits for a request,
/// or if there is none, the oldest.
fn least_missed(connections: impl Iterator<Item = (u64, bool)>) -> Option<u64> {
    connections.min_by_key(|(number, answering)| (*answering, *number)).map(|(number, _)| number)
}

/// Takes a connection off the list when it ends.
struct Leaving {
    open: Arc<OpenConnections>,
    number: u64,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.open.entries().remove(&self.number);
    }
}

/// Says that a request is being answered, for as long as it lives.
struct Busy<'a>(&'a AtomicBool);

impl<'a> Busy<'a> {
    fn new(answering: &'a AtomicBool) -> Self {
        answering.store(true, Relaxed);
        Self(answering)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Relaxed);
    }
}

#[cfg(test)]
mod tests;
