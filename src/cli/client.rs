//! A client of a running worker's admin API.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::local_url;
use super::args::WorkerArgs;
use super::exit::CliError;
use super::token::{ClientToken, choose};
use crate::admin::Readiness;
use crate::config::Config;
use crate::domain::{Code, without_secrets};

/// The time limit for an answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A client of one worker.
pub(super) struct AdminClient {
    client: reqwest::Client,
    url: String,
    token: ClientToken,
}

impl AdminClient {
    /// The worker that the command line or the configuration names.
    pub fn of(args: &WorkerArgs, config: &Config) -> Result<Self, CliError> {
        let url = args.admin.clone().unwrap_or_else(|| local_url(config.admin.listen));
        Self::new(&url, |place| choose(args, config, place))
    }

    /// The worker whose admin API is at `url`. `token` is told the address and port of the URL; `None` if it has a name.
    pub(super) fn new(
        url: &str,
        token: impl FnOnce(Option<SocketAddr>) -> Result<ClientToken, CliError>,
    ) -> Result<Self, CliError> {
        let bad = |why: String| {
            let url = without_secrets(url);
            CliError::usage(format!("\"{url}\" is not the URL of an admin API: {why}")).code(Code::BadAdminUrl)
        };
        let parsed = reqwest::Url::parse(url).map_err(|error| bad(error.to_string()))?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(bad("it does not begin with http:// or https://".into()));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() || parsed.query().is_some() {
            return Err(bad("write scheme, host and port only; a token belongs in CROSSGRANT_ADMIN_TOKEN_FILE".into()));
        }
        let ip = parsed.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        let token = token(ip.zip(parsed.port_or_known_default()).map(SocketAddr::from))?;
        // An error means that a provider is installed already, and any provider will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // The worker is near, and a configured proxy is for the way to the internet.
        let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(|e| bad(e.to_string()))?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), token })
    }

    /// The URL of its admin API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Gets what is at `path`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.answer(self.client.get(format!("{}{path}", self.url))).await
    }

    /// Sends a POST to `path` of the admin API; returns the JSON of the answer.
    pub async fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        self.answer(self.client.post(format!("{}{path}", self.url))).await
    }

    /// The checks of `/readyz`, also of a worker that is not ready.
    pub async fn readiness(&self) -> Result<Readiness, CliError> {
        let (status, body) = self.send(self.client.get(format!("{}/readyz", self.url))).await?;
        match status {
            StatusCode::SERVICE_UNAVAILABLE => self.parse(&body),
            _ => self.judge(status, &body),
        }
    }

    async fn answer<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, CliError> {
        let (status, body) = self.send(request).await?;
        self.judge(status, &body)
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Result<(StatusCode, Bytes), CliError> {
        if let ClientToken::Is(token, _) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let unreachable = |error: reqwest::Error| {
            let error = error.without_url();
            let causes = std::iter::successors(std::error::Error::source(&error), |error| error.source());
            let why = std::iter::once(error.to_string()).chain(causes.map(ToString::to_string));
            let why = why.collect::<Vec<_>>().join(": ");
            let hint = "is `crossgrant serve` running there? Its address is --admin or `[admin] listen`";
            CliError::unreachable(format!("cannot reach the worker at {}: {why}; {hint}", self.url))
        };
        let response = request.send().await.map_err(unreachable)?;
        Ok((response.status(), response.bytes().await.map_err(unreachable)?))
    }

    fn judge<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, CliError> {
        if status.is_success() {
            return self.parse(body);
        }
        let answer = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        let Some(message) = text("message") else {
            return Err(self.foreign(&format!("HTTP {}", status.as_u16())));
        };
        let code = text("code").and_then(Code::parse).unwrap_or(Code::NotAWorker);
        let error = match code {
            Code::Unauthorized => CliError::usage(match &self.token {
                ClientToken::Is(_, from) => format!("{message}; the token is from {from}, the worker at {}", self.url),
                ClientToken::Lacking(why) => format!("{message}; {why}"),
            }),
            Code::BadRequest | Code::CommandsOff | Code::ForeignHost => CliError::usage(message),
            _ => CliError::failed(format!("{message} (HTTP {})", status.as_u16())),
        };
        Err(error.code(code))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, CliError> {
        serde_json::from_slice(body).map_err(|error| self.foreign(&error.to_string()))
    }

    fn foreign(&self, why: &str) -> CliError {
        let message = format!("{} is used by another program, not by a Crossgrant worker: {why}", self.url);
        CliError::failed(message).code(Code::NotAWorker)
    }
}

/// A query string of these parameters.
pub(super) fn query(pairs: &[Vec<(&str, &str)>]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs.iter().flatten()).finish()
}

/// Percent-encodes a text as one segment of a path.
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

    fn lacking(_: Option<SocketAddr>) -> Result<ClientToken, CliError> {
        Ok(ClientToken::Lacking("there is none".into()))
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
        let worker = AdminClient::new(&format!("http://{at}/"), lacking).unwrap();
        let error = worker.get::<Value>("/v1/jobs").await.unwrap_err();
        assert_eq!(error.exit, Exit::Unreachable);
        assert!(error.message.contains("crossgrant serve"), "{error}");
        assert_eq!(AdminClient::new("ftp://x", lacking).err().unwrap().exit, Exit::Usage);
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        for url in [
            "http://ann:s3cr3t@127.0.0.1:9180",
            "http://s3cr3t@127.0.0.1:9180",
            "http://127.0.0.1:9180/?token=s3cr3t",
            "ftp://ann:s3cr3t@host",
            "ann:s3cr3t@host",
            "http://ann:s3cr3t@[",
            "http://ann:s3/c@r3t@host:x",
        ] {
            let error = AdminClient::new(url, lacking).err().unwrap();
            assert_eq!((error.exit, error.code), (Exit::Usage, Code::BadAdminUrl), "{url}");
            assert!(!error.message.contains("s3cr3t") && !error.message.contains("s3/c"), "{error}");
        }
    }
}
