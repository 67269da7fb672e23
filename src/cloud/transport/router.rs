//! A cloud in this process: the simulator's router, without sockets.

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower::ServiceExt;

use super::{MAX_BODY, Transport, TransportError, too_long};
use crate::domain::causes;

/// Hands requests to a router, which works in a task of its own, as a server would: a caller that gives up does not stop
/// it. A body that fails counts as a dropped connection.
#[derive(Debug, Clone)]
pub struct RouterTransport {
    router: Router,
}

impl RouterTransport {
    /// Sends everything to this router.
    pub fn new(router: Router) -> Self {
        Self { router }
    }
}

#[async_trait]
impl Transport for RouterTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let served = tokio::spawn(self.router.clone().oneshot(request.map(Body::from)));
        let Ok(response) = served.await.map_err(|e| TransportError::Unanswered(causes(&e)))?;
        let (parts, body) = response.into_parts();
        match Limited::new(body, MAX_BODY).collect().await {
            Ok(body) => Ok(http::Response::from_parts(parts, body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Err(too_long()),
            Err(error) => Err(TransportError::Unanswered(causes(error.as_ref()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use futures_util::stream;

    use super::*;

    async fn send(router: Router) -> Result<http::Response<Bytes>, TransportError> {
        let request = http::Request::post("http://cloud/?A=b").body(Bytes::from_static(b"in")).unwrap();
        RouterTransport::new(router).send(request).await
    }

    #[tokio::test]
    async fn a_router_answers_like_a_server() {
        let echo = Router::new().route("/", post(|body: Bytes| async move { (http::StatusCode::CONFLICT, body) }));
        let answer = send(echo).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (409, &b"in"[..]));
    }

    #[tokio::test]
    async fn a_body_that_fails_is_no_answer() {
        let broken = Router::new().route(
            "/",
            post(|| async {
                let parts = [Ok(Bytes::from_static(b"{")), Err(std::io::Error::other("dropped"))];
                Body::from_stream(stream::iter(parts))
            }),
        );
        assert!(matches!(send(broken).await, Err(TransportError::Unanswered(why)) if why.contains("dropped")));
    }

    #[tokio::test]
    async fn a_body_beyond_the_cap_is_no_answer() {
        let long = Router::new().route("/", post(|| async { vec![b'x'; MAX_BODY + 1] }));
        assert_eq!(send(long).await.unwrap_err(), too_long());
    }
}
