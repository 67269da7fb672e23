//! How a request leaves. What matters about a failure is one thing: whether the request may have reached the cloud.

mod https;
mod router;

use async_trait::async_trait;
use bytes::Bytes;

pub use https::HttpTransport;
pub use router::RouterTransport;

/// The longest body that is read; a page of 100 rules is far below.
pub const MAX_BODY: usize = 8 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It never left: refused connection, name not found, TLS, connect time-out.
    #[error("{0}")]
    NotSent(String),
    /// It may have arrived: time-out, reset, a broken or over-long answer.
    #[error("{0}")]
    Unanswered(String),
}

/// An extension of a request that no proxy may see: one to the machine's own metadata service, whose address means
/// another machine to everybody else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direct;

/// Sends one request once: no retries, no redirects.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// The whole answer, of whatever status, with a body of at most [`MAX_BODY`].
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

/// An error and its causes on one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

fn too_long() -> TransportError {
    TransportError::Unanswered(format!("the answer is longer than {MAX_BODY} bytes"))
}
