//! Keys from a URL, such as a sidecar's, as the vendor's clients use `ALIBABA_CLOUD_CREDENTIALS_URI` (API §K). The answer to
//! a GET looks like the metadata service's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{Request, Uri};
use secrecy::SecretString;

use super::CredentialError;
use super::issued::{self, Issued, Issuer};
use super::local;
use crate::cloud::endpoint::is_local;
use crate::cloud::rpc::Client;
use crate::cloud::transport::Direct;

/// The URL of a service that hands out keys. Path and query may hold a secret, so neither `Display` nor `Debug` shows
/// them.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialsUri {
    uri: Uri,
    /// Whether the host is this machine or on its link, so that no proxy is used.
    local: bool,
}

/// Why a text is no credentials URI. The message does not show the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentialsUri {
    /// The text is no such URL.
    #[error("a credentials URI is an http or https URL without a user, such as \"http://127.0.0.1:6666/keys\"")]
    Url,
    /// The URL is plain HTTP to another machine.
    #[error(
        "keys come over plain http from a loopback or link-local address only, since they could be read on the way; \
         from anywhere else use https"
    )]
    Plain,
}

impl CredentialsUri {
    /// The whole URL, which may hold a secret.
    pub(super) fn secret(&self) -> SecretString {
        self.uri.to_string().into()
    }
}

impl FromStr for CredentialsUri {
    type Err = BadCredentialsUri;

    fn from_str(text: &str) -> Result<Self, BadCredentialsUri> {
        let uri: Uri = text.trim().parse().map_err(|_| BadCredentialsUri::Url)?;
        let authority = uri.authority().ok_or(BadCredentialsUri::Url)?;
        let local = is_local(authority.host());
        match uri.scheme_str() {
            _ if authority.as_str().contains('@') => Err(BadCredentialsUri::Url),
            Some("https") => Ok(Self { uri, local }),
            Some("http") if local => Ok(Self { uri, local }),
            Some("http") => Err(BadCredentialsUri::Plain),
            _ => Err(BadCredentialsUri::Url),
        }
    }
}

impl fmt::Display for CredentialsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}/…", self.uri.scheme_str().unwrap_or_default())
    }
}

impl fmt::Debug for CredentialsUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialsUri({self})")
    }
}

/// Requests the keys that a URI hands out.
pub(super) struct UriKeys {
    uri: CredentialsUri,
    shared: Arc<Client>,
}

impl UriKeys {
    pub fn new(uri: CredentialsUri, shared: Arc<Client>) -> Self {
        Self { uri, shared }
    }
}

impl fmt::Debug for UriKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UriKeys").field(&self.uri).finish()
    }
}

#[async_trait]
impl Issuer for UriKeys {
    async fn issue(&self) -> Result<Issued, CredentialError> {
        let CredentialsUri { uri, local } = &self.uri;
        let failed = |why: &dyn fmt::Display| format!("no keys of the credentials URI {}: {why}", self.uri);
        let mut request = Request::get(uri)
            .header(HOST, uri.authority().map_or("", |authority| authority.as_str()))
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("crossgrant/", env!("CARGO_PKG_VERSION")))
            .body(Bytes::new())
            .map_err(|error| CredentialError::new(failed(&error)))?;
        if *local {
            request.extensions_mut().insert(Direct);
        }
        let asked = self.shared.clock.now();
        let answer = local::ask(&self.shared, request, self.shared.timeouts.request).await;
        let answer = answer.map_err(|miss| miss.error(failed(&miss)))?;
        let of = format!("the credentials URI {}", self.uri);
        // The next keys may belong to another account, so that is checked again: the principal differs with the key.
        issued::read_answer(&answer, &of, |id| format!("{} {id}", self.uri), asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_its_link_only() {
        for good in [
            "http://127.0.0.1:6666/keys?role=a",
            "http://localhost/keys",
            "http://[::1]:80/",
            "http://169.254.1.1/keys",
            "http://[fe80::1]/keys",
            "https://keys.example/path",
        ] {
            assert!(good.parse::<CredentialsUri>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("http://keys.example/path", BadCredentialsUri::Plain),
            ("http://10.0.0.1/keys", BadCredentialsUri::Plain),
            ("http://localhost.example/keys", BadCredentialsUri::Plain),
            ("ftp://127.0.0.1/keys", BadCredentialsUri::Url),
            ("https://user:s3cr3t@keys.example/", BadCredentialsUri::Url),
            ("/keys", BadCredentialsUri::Url),
            ("", BadCredentialsUri::Url),
        ] {
            let error = bad.parse::<CredentialsUri>().unwrap_err();
            assert_eq!(error, why, "{bad}");
            assert!(!error.to_string().contains("s3cr3t"));
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let uri: CredentialsUri = "http://127.0.0.1:6666/s3cr3t?token=s3cr3t".parse().unwrap();
        assert_eq!(format!("{uri} {uri:?}"), "http://127.0.0.1:6666/… CredentialsUri(http://127.0.0.1:6666/…)");
    }
}
