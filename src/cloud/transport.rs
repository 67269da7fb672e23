//! How a request leaves. One thing matters about a failure: whether the request may have reached the cloud.

mod https;
mod router;

use async_trait::async_trait;
use bytes::Bytes;

pub use https::HttpTransport;
pub use router::RouterTransport;

/// The longest body that is read, in bytes. A page of 100 rules is far shorter.
pub const MAX_BODY: usize = 8 << 20;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// The request never left: refused connection, name not found, TLS, connect time-out.
    #[error("{0}")]
    NotSent(String),
    /// The request may have arrived: time-out, reset, a broken or over-long answer.
    #[error("{0}")]
    Unanswered(String),
}

/// Marks a request that must not go through a proxy: the address of the machine's metadata service would mean another
/// machine to the proxy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direct;

/// Sends requests, each once: no retries, no redirects.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Returns the whole answer, whatever its status, with a body of at most [`MAX_BODY`].
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError>;
}

fn too_long() -> TransportError {
    TransportError::Unanswered(format!("the answer is longer than {MAX_BODY} bytes"))
}
