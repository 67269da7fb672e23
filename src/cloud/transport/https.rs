//! The real network. A redirect is an answer and is not followed, because a signature is good for one host only.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::Method;
use http::header::{CONTENT_LENGTH, HeaderValue};

use super::{Direct, MAX_BODY, Transport, TransportError, too_long};
use crate::domain::causes;

/// A pool of connections. It uses the proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`), except for the metadata
/// service.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    direct: reqwest::Client,
}

impl HttpTransport {
    /// Fails if no TLS roots can be loaded. The caller bounds how long an answer may take.
    pub fn new(connect_timeout: Duration) -> Result<Self, TransportError> {
        // Fails if a provider is set already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || {
            reqwest::Client::builder()
                .connect_timeout(connect_timeout)
                .tcp_nodelay(true)
                .redirect(reqwest::redirect::Policy::none())
                // A repeated request would carry a used nonce, and a repeated write needs a look first.
                .retry(reqwest::retry::never())
        };
        let built = |client: reqwest::ClientBuilder| client.build().map_err(|e| TransportError::NotSent(causes(&e)));
        Ok(Self { client: built(builder())?, direct: built(builder().no_proxy())? })
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, mut request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        // The client below sends no length for an empty body, and some gateways refuse that with 411 (RFC 9110 §8.6). The
        // header is not signed.
        if request.body().is_empty() && [Method::POST, Method::PUT].contains(request.method()) {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let client = if request.extensions().get::<Direct>().is_some() { &self.direct } else { &self.client };
        // Without the path and the query, which have the signature.
        let host = request.uri().authority().map(|host| host.as_str().to_owned()).unwrap_or_default();
        let request = reqwest::Request::try_from(request).map_err(|e| classify(&host, e, true))?;
        let mut response = client.execute(request).await.map_err(|e| classify(&host, e, false))?;
        let expected = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
        let mut body = BytesMut::with_capacity(expected.min(MAX_BODY));
        while let Some(chunk) = response.chunk().await.map_err(|e| TransportError::Unanswered(shown(&host, e)))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(too_long());
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = http::Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

fn classify(host: &str, error: reqwest::Error, before: bool) -> TransportError {
    if before || error.is_connect() || error.is_builder() {
        TransportError::NotSent(shown(host, error))
    } else {
        TransportError::Unanswered(shown(host, error))
    }
}

fn shown(host: &str, error: reqwest::Error) -> String {
    format!("{host}: {}", causes(&error.without_url()))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        (listener, at)
    }

    /// Takes one connection, reads the head of the request, and lets `reply` do the rest.
    async fn once<F, Fut>(reply: F) -> SocketAddr
    where
        F: FnOnce(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send,
    {
        let (listener, at) = listener().await;
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            reply(socket).await;
        });
        at
    }

    async fn send(to: SocketAddr) -> Result<http::Response<Bytes>, TransportError> {
        let transport = HttpTransport::new(Duration::from_secs(5)).unwrap();
        let request = http::Request::post(format!("http://{to}/?A=%2A")).body(Bytes::new()).unwrap();
        tokio::time::timeout(Duration::from_secs(20), transport.send(request)).await.expect("bounded by the peer")
    }

    #[tokio::test]
    async fn an_answer_is_handed_on_whole_whatever_its_status() {
        let at = once(|mut socket| async move {
            let text = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 2\r\n\r\nhi";
            socket.write_all(text.as_bytes()).await.unwrap();
        })
        .await;
        let answer = send(at).await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (302, &b"hi"[..]));
    }

    #[tokio::test]
    async fn a_refused_connection_means_not_sent() {
        let (listener, at) = listener().await;
        drop(listener);
        assert!(matches!(send(at).await, Err(TransportError::NotSent(_))));
    }

    #[tokio::test]
    async fn tls_that_cannot_be_had_means_not_sent() {
        let (listener, at) = listener().await;
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            socket.write_all(b"no TLS here, only plain words of sufficient length").await.unwrap();
        });
        let transport = HttpTransport::new(Duration::from_secs(5)).unwrap();
        let request = http::Request::post(format!("https://{at}/")).body(Bytes::new()).unwrap();
        let error = tokio::time::timeout(Duration::from_secs(20), transport.send(request)).await.unwrap().unwrap_err();
        assert!(matches!(error, TransportError::NotSent(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_reset_after_the_request_means_unanswered() {
        let at = once(|socket| async move {
            socket.set_zero_linger().unwrap();
            drop(socket);
        })
        .await;
        let error = send(at).await.unwrap_err();
        assert!(matches!(error, TransportError::Unanswered(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_body_that_ends_early_means_unanswered() {
        let at = once(|mut socket| async move {
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"Req").await.unwrap();
        })
        .await;
        let error = send(at).await.unwrap_err();
        assert!(matches!(error, TransportError::Unanswered(_)), "{error:?}");
    }

    /// The head of a request as it is on the wire, in lower case.
    async fn head_of(method: Method, body: &'static [u8]) -> String {
        let (listener, at) = listener().await;
        let heard = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8(head).unwrap().to_lowercase()
        });
        let transport = HttpTransport::new(Duration::from_secs(5)).unwrap();
        let request = http::Request::builder().method(method).uri(format!("http://{at}/"));
        transport.send(request.body(Bytes::from_static(body)).unwrap()).await.unwrap();
        heard.await.unwrap()
    }

    #[tokio::test]
    async fn the_length_of_a_body_is_said_once_and_that_of_none_too() {
        let cases: [(Method, &'static [u8], &str); 4] = [
            (Method::POST, b"", "\r\ncontent-length: 0\r\n"),
            (Method::PUT, b"", "\r\ncontent-length: 0\r\n"),
            (Method::POST, b"a=b", "\r\ncontent-length: 3\r\n"),
            (Method::GET, b"", ""),
        ];
        for (method, body, line) in cases {
            let head = head_of(method.clone(), body).await;
            let said = usize::from(!line.is_empty());
            assert_eq!(head.matches("content-length").count(), said, "{method}: {head}");
            assert!(head.contains(line) && !head.contains("transfer-encoding"), "{method}: {head}");
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_cut_off() {
        let at = once(|mut socket| async move {
            let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while socket.write_all(&[b'x'; 1 << 16]).await.is_ok() {}
        })
        .await;
        assert_eq!(send(at).await.unwrap_err(), too_long());
    }
}
