//! The admin HTTP of a running worker, from the other side.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::exit::Failure;
use crate::domain::Code;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A worker.
pub(super) struct Worker {
    client: reqwest::Client,
    url: String,
    token: Option<SecretString>,
}

impl Worker {
    /// The worker whose admin HTTP is at `url`.
    pub fn new(url: &str, token: Option<SecretString>) -> Result<Self, Failure> {
        let bad = |why: String| {
            Failure::usage(format!("\"{url}\" cannot be the admin URL of a worker: {why}")).code(Code::BadAdminUrl)
        };
        let parsed = reqwest::Url::parse(url).map_err(|error| bad(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad("it begins with neither http:// nor https://".into()));
        }
        // Whoever was first has set it; any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A proxy for the way out has no business between an operator and the worker.
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(|e| bad(e.to_string()))?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// Reads what is at `path`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Tells the worker something.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(self.client.post(format!("{}{path}", self.url))).await
    }

    async fn ask<T: DeserializeOwned>(&self, mut request: reqwest::RequestBuilder) -> Result<T, Failure> {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let why = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
            let why = why.collect::<Vec<_>>().join(": ");
            let hint = "is `crossgrant serve` running there? (--admin, or `[admin] listen`)";
            Failure::unreachable(format!("cannot reach the worker at {}: {why}; {hint}", self.url))
        };
        let response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let body = response.bytes().await.map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| {
                Failure::failed(format!("{} answered with something else than a worker does: {error}", self.url))
                    .code(Code::NotAWorker)
            });
        }
        let answer = serde_json::from_slice::<Value>(&body).unwrap_or_default();
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let message = text("message").unwrap_or("no worker answers like this");
        let code = text("code").and_then(Code::parse).unwrap_or(Code::NotAWorker);
        let failure = match status {
            StatusCode::UNAUTHORIZED => {
                Failure::usage(format!("{message}; set CROSSGRANT_ADMIN_TOKEN or `[admin] token_file`"))
            }
            StatusCode::BAD_REQUEST => Failure::usage(message),
            _ => Failure::failed(format!("{message} (HTTP {})", status.as_u16())),
        };
        Err(failure.code(code))
    }
}

/// Where a worker that listens there can be reached from this machine.
pub(super) fn local_url(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port()))
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn a_worker_that_listens_everywhere_is_asked_here() {
        assert_eq!(local_url("0.0.0.0:9180".parse().unwrap()), "http://127.0.0.1:9180");
        assert_eq!(local_url("[::]:1".parse().unwrap()), "http://[::1]:1");
        assert_eq!(local_url("10.0.0.1:1".parse().unwrap()), "http://10.0.0.1:1");
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(segment("ticketing/NET-4312/1 a.%"), "ticketing%2FNET-4312%2F1%20a%2E%25");
    }

    #[tokio::test]
    async fn a_worker_that_is_not_there_is_said_to_be_unreachable() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        let worker = Worker::new(&format!("http://{at}/"), None).unwrap();
        let failure = worker.get::<Value>("/v1/jobs").await.unwrap_err();
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.message.contains("crossgrant serve"), "{failure}");
        assert_eq!(Worker::new("ftp://x", None).err().unwrap().exit, Exit::Usage);
    }
}
