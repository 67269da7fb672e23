//! The calls.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use super::resolver::{CheckingResolver, Lookup, NotAllowed, system};
use super::settings::{Receiver, WebhookSettings};
use super::signature::{SigningKey, signatures};
use crate::domain::causes;
use crate::domain::webhook::Destination;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::webhook::{Answer, Caller};

/// How long it may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Until there is a connection, with its TLS.
    pub connect: Duration,
    /// Until the answer has begun. Receivers are told to answer first and to work afterwards.
    pub call: Duration,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), call: Duration::from_secs(15) }
    }
}

/// What the TLS library says of a certificate that it does not believe. Its error is no cause of the client's, only a part of its text.
const BAD_CERTIFICATE: &str = "invalid peer certificate";

/// How long a connection without a call is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Calls webhooks over HTTPS.
pub struct HttpCaller {
    client: reqwest::Client,
    resolver: CheckingResolver,
    keys: Vec<SigningKey>,
    receivers: Vec<Receiver>,
    own_certificates: bool,
    limits: CallLimits,
}

impl HttpCaller {
    /// A caller with these settings.
    ///
    /// # Errors
    /// What is wrong with the certificates.
    pub fn new(settings: &WebhookSettings) -> Result<Self, String> {
        Self::with(settings, system(), CallLimits::default())
    }

    /// The same, which finds the addresses of names so, within these limits.
    ///
    /// # Errors
    /// As those of [`HttpCaller::new`].
    pub fn with(settings: &WebhookSettings, lookup: Lookup, limits: CallLimits) -> Result<Self, String> {
        // Fails if a provider is set already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resolver = CheckingResolver::new(lookup, &settings.networks);
        let mut builder = reqwest::Client::builder()
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(limits.connect)
            .timeout(limits.call)
            .pool_idle_timeout(IDLE)
            .dns_resolver(resolver.clone());
        if let Some(pem) = &settings.ca_pem {
            let certificates = reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| causes(&e))?;
            if certificates.is_empty() {
                return Err("the file has no PEM certificate".into());
            }
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|e| causes(&e))?;
        let (keys, receivers) = (settings.keys.clone(), settings.receivers.clone());
        Ok(Self { client, resolver, keys, receivers, own_certificates: settings.ca_pem.is_some(), limits })
    }
}

impl HttpCaller {
    fn unanswered(&self, error: reqwest::Error) -> String {
        if error.is_timeout() && !error.is_connect() {
            return format!("it took more than {:?}", self.limits.call);
        }
        let why = causes(&error);
        match (why.contains(BAD_CERTIFICATE), self.own_certificates) {
            (false, _) => why,
            (true, false) => {
                format!("{why}; if an authority of your own has signed it, name that in `[webhook] ca_file`")
            }
            (true, true) => format!("{why}; only what the certificates of `[webhook] ca_file` have signed is believed"),
        }
    }

    /// What signs for a host.
    fn keys(&self, destination: &Destination) -> &[SigningKey] {
        let own = self.receivers.iter().find(|receiver| receiver.host.allows(destination));
        own.map_or(&self.keys, |receiver| &receiver.keys)
    }
}

#[async_trait]
impl Caller for HttpCaller {
    async fn call(&self, message: &Outgoing, now: Timestamp) -> Answer {
        let url = &message.routing_key;
        let destination = match Destination::of(url) {
            Ok(destination) => destination,
            Err(why) => return Answer::Forbidden(format!("it is no URL of a webhook: {why}")),
        };
        // An address is called without a look at the resolver.
        if let Ok(address) = destination.host().parse::<IpAddr>()
            && let Err(refused) = self.resolver.check(destination.host(), vec![address])
        {
            return Answer::Forbidden(refused.to_string());
        }
        let id = &message.message_id;
        let seconds = now.as_second();
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, &message.content_type)
            .header(USER_AGENT, concat!("crossgrant/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signatures(self.keys(&destination), id, seconds, &message.body))
            .body(message.body.clone());
        // What the receiver says is its status. Of the body nothing is read, so it may be endless.
        match request.send().await {
            Ok(answer) => Answer::Answered {
                status: answer.status().as_u16(),
                retry_after: retry_after(answer.headers(), now),
                location: text(answer.headers(), &LOCATION).map(str::to_owned),
            },
            Err(error) => match cause::<NotAllowed>(&error) {
                Some(refused) => Answer::Forbidden(refused.to_string()),
                // The URL can hold what only the receiver should know.
                None => Answer::Unanswered(self.unanswered(error.without_url())),
            },
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// `Retry-After` is a number of seconds or a time (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = text(headers, &RETRY_AFTER)?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(at.duration_since(now)).ok()
}

/// The first cause of this type.
fn cause<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
