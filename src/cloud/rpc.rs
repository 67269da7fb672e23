//! One attempt at one call: keys, a fresh nonce and date, the signature, the wire, the answer. There is never a second
//! attempt.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::budget::{Budget, Limits, Passed, UsedUp};
use super::credentials::{CredentialError, CredentialSource, Keys};
use super::endpoint::Endpoints;
use super::envelope::{self, Bad, Reply};
use super::identity::Identity;
use super::observer::{CallObserver, Unobserved};
use super::request::RpcRequest;
use super::standing::{Heard, RefusedCall};
use super::transport::{Transport, TransportError};
use super::watch::AccountWatch;
use crate::clock::Clock;
use crate::domain::{AccountUid, Operation, Product, Region, TraceContext, spoken};
use crate::engine::ports::cloud::{Answer, CloudError, Failure, NoRoom, Refusal, shown_code};
use crate::engine::ports::trace::{self, Span, SpanKind};
use crate::engine::ports::urgency::Urgency;
use crate::engine::ports::write_permit::WritePermit;
use crate::workflow::{Class, ErrorClasses};

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// To make a connection. If this runs out, the request was not sent. Given to [`super::HttpTransport::new`].
    pub connect: Duration,
    /// From connecting to the end of the answer. If this runs out, the effect of the call is unknown.
    pub request: Duration,
}

impl Default for Timeouts {
    /// The vendor's SDK has the same (API §1).
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(10) }
    }
}

/// What a client is made of, but for its accounts.
pub struct ClientParts {
    /// Times the calls, and the life of keys.
    pub clock: Arc<dyn Clock>,
    /// Carries the requests.
    pub transport: Arc<dyn Transport>,
    /// Says what refusals mean: which of them slow an operation down, and which end the keys.
    pub classes: ErrorClasses,
    /// Where each product is reached.
    pub endpoints: Endpoints,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// Hears of every call.
    pub observer: Arc<dyn CallObserver>,
    /// Without limits every call goes out at once.
    pub limits: Option<Limits>,
}

impl ClientParts {
    /// The vendor's endpoints and time-outs, no observer, no limits.
    pub fn new(clock: Arc<dyn Clock>, transport: Arc<dyn Transport>, classes: &ErrorClasses) -> Self {
        Self {
            clock,
            transport,
            classes: classes.clone(),
            endpoints: Endpoints::default(),
            timeouts: Timeouts::default(),
            observer: Arc::new(Unobserved),
            limits: None,
        }
    }
}

/// What all accounts share.
pub(super) struct Client {
    pub clock: Arc<dyn Clock>,
    pub transport: Arc<dyn Transport>,
    pub classes: ErrorClasses,
    pub endpoints: Endpoints,
    pub timeouts: Timeouts,
    pub observer: Arc<dyn CallObserver>,
    pub budget: Budget,
}

impl Client {
    pub fn new(parts: ClientParts) -> Arc<Self> {
        let ClientParts { clock, transport, classes, endpoints, timeouts, observer, limits } = parts;
        Arc::new(Self { clock, transport, classes, endpoints, timeouts, observer, budget: Budget::new(limits) })
    }

    /// Takes room for one call out of the budget of an operation; `None` if it has no limit.
    pub async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom> {
        self.take(account, operation).await.map_err(|UsedUp { opens_in, .. }| NoRoom { opens_in })
    }

    async fn take(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, UsedUp> {
        let passed = self.budget.pass(self.clock.as_ref(), account, operation, Urgency::current()).await;
        let (waited, rate) = match &passed {
            Ok(Passed { waited, rate }) => (*waited, *rate),
            Err(UsedUp { waited, .. }) => (*waited, None),
        };
        self.observer.budgeted(operation, account, waited, rate);
        passed.map(|passed| passed.rate.map(|_| operation))
    }

    /// Returns once the budget of an operation has room for a call, at once if room was taken for it before.
    pub async fn pass(&self, account: &AccountUid, operation: Operation) -> Result<(), CloudError> {
        if Urgency::current().room == Some(operation) {
            return Ok(());
        }
        let Err(UsedUp { opens_in, ahead, .. }) = self.take(account, operation).await else { return Ok(()) };
        self.observer.deferred(operation, account);
        let about = spoken(opens_in);
        let why = format!(
            "this worker's own limit on {operation} as account {account} is reached: {ahead} calls ahead, about {about}"
        );
        Err(CloudError::deferred(operation, why, opens_in))
    }

    /// Sends a request and waits for its answer as long as it may take.
    pub async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Bad> {
        let limit = self.timeouts.request;
        let failure = match tokio::time::timeout(limit, self.transport.send(request)).await {
            Ok(Ok(response)) => return Ok(response),
            Ok(Err(TransportError::NotSent(why))) => Failure::NotSent { why },
            Ok(Err(TransportError::Unanswered(why))) => Failure::Unanswered { why },
            Err(_elapsed) => Failure::Unanswered { why: format!("no answer within {limit:?}") },
        };
        Err(bad(failure))
    }

    /// Tells of a call as a span.
    fn trace(
        &self,
        within: TraceContext,
        account: &AccountUid,
        operation: Operation,
        region: Option<&Region>,
        (began, ended): (Duration, Duration),
        result: &Result<Reply, CloudError>,
    ) {
        let context = within.of(&Uuid::new_v4().to_string());
        let span = Span::new(context, Some(within), operation.as_str(), self.clock.at(began));
        let mut span = span
            .with("http.request.method", "POST")
            .with("crossgrant.cloud.operation", operation.as_str())
            .with("cloud.account.id", account.to_string())
            .with("cloud.provider", "alibaba_cloud");
        span.kind = SpanKind::Client;
        if let Ok(endpoint) = self.endpoints.of(operation.product(), region) {
            let (host, port) = endpoint.authority().rsplit_once(':').unwrap_or((endpoint.authority(), ""));
            span.attributes.push(("server.address", host.to_owned().into()));
            span.attributes.extend(port.parse::<u32>().ok().map(|port| ("server.port", port.into())));
        }
        span.ended = self.clock.at(ended);
        let (status, request_id) = match result {
            Ok(reply) => (Some(200), Some(&reply.request_id)),
            Err(CloudError { failure: Failure::Refused { status, .. }, request_id, .. }) => {
                (Some(*status), request_id.as_ref())
            }
            Err(error) => (None, error.request_id.as_ref()),
        };
        span.attributes.extend(status.map(|status| ("http.response.status_code", u32::from(status).into())));
        span.attributes.extend(request_id.map(|id| ("crossgrant.cloud.request_id", id.clone().into())));
        span.error = result.as_ref().err().map(CloudError::word);
        self.observer.span(span);
    }

    /// Tells log, observer and budget how a call ended.
    pub fn told(
        &self,
        account: &AccountUid,
        operation: Operation,
        region: Option<&Region>,
        began: Duration,
        result: Result<Reply, CloudError>,
    ) -> Result<Reply, CloudError> {
        let ended = self.clock.uptime();
        let took = ended.saturating_sub(began);
        let class = result.as_ref().err().map(|error| error.class(&self.classes));
        if let (Err(error), Some(Class::Throttled)) = (&result, class) {
            let rate = self.budget.throttled(account, operation, began, ended, error.retry_after);
            self.observer.budgeted(operation, account, Duration::ZERO, rate);
        }
        let (outcome, request_id) = match &result {
            Ok(reply) => (Cow::Borrowed("ok"), Some(reply.request_id.as_str())),
            Err(error) => (error.word(), error.request_id.as_deref()),
        };
        self.observer.called(operation, account, &outcome, took);
        if let Some(within) = trace::current().filter(|span| span.sampled) {
            self.trace(within, account, operation, region, (began, ended), &result);
        }
        if let Some(class) = class {
            self.observer.failed(account, class);
        }
        tracing::debug!(
            account.uid = %account,
            cloud.operation = operation.as_str(),
            cloud.request_id = request_id.unwrap_or(""),
            cloud.outcome = &*outcome,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "cloud call ended"
        );
        result
    }
}

/// Makes the calls of one account.
pub(super) struct AccountClient {
    account: AccountUid,
    source: Arc<dyn CredentialSource>,
    pub identity: Identity,
    shared: Arc<Client>,
    /// `None` for a client that only assumes roles: that is told of the accounts of the roles.
    watch: Option<Arc<AccountWatch>>,
    /// The number of its credential in the watch.
    credential: u64,
}

impl AccountClient {
    pub fn new(account: AccountUid, source: Arc<dyn CredentialSource>, shared: Arc<Client>) -> Self {
        Self { account, source, identity: Identity::default(), shared, watch: None, credential: 0 }
    }

    /// The same, under watch, with the credential that is configured now.
    pub fn watched(self, watch: Arc<AccountWatch>) -> Self {
        Self { credential: watch.credential(), watch: Some(watch), ..self }
    }

    /// The account whose budget the calls use, and whose keys are expected.
    pub fn account(&self) -> &AccountUid {
        &self.account
    }

    pub fn source(&self) -> &Arc<dyn CredentialSource> {
        &self.source
    }

    pub fn shared(&self) -> &Client {
        &self.shared
    }

    /// Sends a request that changes nothing, once.
    pub async fn call(&self, request: &RpcRequest) -> Result<Reply, CloudError> {
        self.make(request, None).await
    }

    /// Sends a request that changes something, once, if its permit still allows it. The answer is its `RequestId`.
    pub async fn write(&self, request: &RpcRequest, permit: &WritePermit) -> Result<Answer<()>, CloudError> {
        let Reply { request_id, date, .. } = self.make(request, Some(permit)).await?;
        Ok(Answer { value: (), request_id, date, calls: 1 })
    }

    /// Sends a request when the budget of its operation has room for it: with keys that are known to be the account's,
    /// except to STS, which says whose they are. The keys are fetched after the wait, which they might not outlive.
    async fn make(&self, request: &RpcRequest, permit: Option<&WritePermit>) -> Result<Reply, CloudError> {
        self.gate()?;
        self.shared.pass(&self.account, request.operation).await?;
        // It may have been refused or replaced while this call waited.
        self.gate()?;
        let keys = match request.operation.product() {
            Product::Sts => self.keys(request.operation).await?,
            Product::Cbn | Product::Smartag | Product::Vpc => self.verified(request.operation).await?,
        };
        self.call_with(&keys, request, permit).await
    }

    /// Keeps a call back while the cloud refuses the credential, and for good once another one takes its place.
    pub(super) fn gate(&self) -> Result<(), CloudError> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch.gate_of(self.credential))
    }

    /// Tells the watch how a call ended that began at the uptime `began`.
    pub(super) fn hear(&self, heard: &Heard<'_>, began: Duration) {
        if let Some(watch) = &self.watch {
            watch.hear(self.credential, heard, began);
        }
    }

    /// Keys to sign a request of `operation` with. An error says that the request was not sent.
    pub(super) async fn keys(&self, operation: Operation) -> Result<Arc<Keys>, CloudError> {
        let began = self.shared.clock.uptime();
        self.source
            .keys()
            .await
            .inspect_err(|error| self.hear_of_keys(error, began))
            .map_err(|CredentialError { why, retry_after, refusal }| {
                let failure = match refusal {
                    Some(refusal) => Failure::Credential { why, refusal: Box::new(refusal) },
                    None => Failure::NotSent { why },
                };
                Bad { retry_after, ..bad(failure) }
            })
            .map_err(|bad| bad.of(operation))
    }

    /// There are no keys: because what issues them refuses, or does not answer. A full budget says nothing of them.
    fn hear_of_keys(&self, error: &CredentialError, began: Duration) {
        let CredentialError { why, retry_after, refusal } = error;
        match refusal {
            Some(refusal) => {
                let Refusal { asked, status, code } = refusal;
                let class = self.shared.classes.classify(asked, *status, code, retry_after.is_some()).class;
                if matches!(class, Class::Auth | Class::Credential) {
                    let code = &refusal.shown_code();
                    let refusal = RefusedCall { asked, code, message: why, as_such: true };
                    self.hear(&Heard::Refused { class, refusal }, began);
                }
            }
            None if retry_after.is_none() => self.hear(&Heard::NoAnswer { why }, began),
            None => {}
        }
    }

    pub(super) async fn call_with(
        &self,
        keys: &Arc<Keys>,
        request: &RpcRequest,
        permit: Option<&WritePermit>,
    ) -> Result<Reply, CloudError> {
        let began = self.shared.clock.uptime();
        let result = self.attempt(keys, request, permit).await;
        let result = result.map_err(|bad| self.of_keys(keys, bad.of(request.operation), began));
        // Whose the credential is, `GetCallerIdentity` says only when its answer is read.
        if result.is_ok() && request.operation != Operation::GetCallerIdentity {
            self.hear(&Heard::Answered { operation: request.operation.as_str() }, began);
        }
        self.shared.told(&self.account, request.operation, request.region.as_ref(), began, result)
    }

    async fn attempt(&self, keys: &Keys, request: &RpcRequest, permit: Option<&WritePermit>) -> Result<Reply, Bad> {
        let asked = self.shared.clock.uptime();
        let endpoint = self.shared.endpoints.of(request.operation.product(), request.region.as_ref());
        let nonce = Uuid::new_v4().simple().to_string();
        let http = endpoint
            .map_err(|error| error.to_string())
            .and_then(|endpoint| request.to_http(&endpoint, keys, self.shared.clock.now(), &nonce));
        let http = http.map_err(|why| bad(Failure::NotSent { why }))?;
        let forbidden = match permit {
            Some(permit) => (!permit.allows_sending()).then_some("the lease of its job is over"),
            None => request.operation.is_write().then_some("a write needs a permit, and has none"),
        };
        if let Some(why) = forbidden {
            return Err(bad(Failure::NotSent { why: why.into() }));
        }
        let sent = self.shared.send(http).await;
        let response = sent.inspect_err(|bad| self.hear(&Heard::NoAnswer { why: &bad.failure.to_string() }, asked))?;
        self.shared.clock.heard(envelope::date(response.headers()), asked);
        envelope::read(&response).map_err(|mut bad| {
            if let Failure::Refused { message, .. } = &mut bad.failure {
                *message = keys.presentable(message);
            }
            bad
        })
    }

    /// Names the keys that a refusal is about. Keys that may have ended are given up, and that is all: whether the call
    /// is made again is the engine's to decide, by the class of the same refusal.
    fn of_keys(&self, keys: &Arc<Keys>, mut error: CloudError, began: Duration) -> CloudError {
        let class = error.class(&self.shared.classes);
        if class == Class::Auth {
            self.source.invalidate(keys);
        }
        if let (Failure::Refused { message, .. }, Class::Auth | Class::Credential) = (&mut error.failure, class) {
            message.push_str(&format!(" (access key {} of account {})", keys.access_key_id, self.account));
        }
        if let (Failure::Refused { status, code, message }, Some(operation)) = (&error.failure, error.operation) {
            let code = &shown_code(*status, code);
            let (asked, as_such) = (operation.as_str(), operation.product() == Product::Sts);
            let refusal = RefusedCall { asked, code, message, as_such };
            match class {
                Class::Auth | Class::Credential => self.hear(&Heard::Refused { class, refusal }, began),
                // A proxy may have answered, or a service that has not looked at the signature.
                Class::Throttled | Class::Transient | Class::Unknown => {}
                _ => self.hear(&Heard::Answered { operation: asked }, began),
            }
        }
        error
    }
}

pub(super) fn bad(failure: Failure) -> Bad {
    Bad { failure, request_id: None, retry_after: None }
}

impl Bad {
    pub(super) fn of(self, operation: Operation) -> CloudError {
        let Self { failure, request_id, retry_after } = self;
        CloudError { operation: Some(operation), failure, request_id, retry_after }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;
    use crate::cloud::credentials::{AccountCredentials, Credential, Role, Sources};
    use crate::cloud::endpoint::Endpoint;
    use crate::cloud::testing;
    use crate::cloud::transport::HttpTransport;

    /// Over a real socket: a cloud that takes the request and never answers.
    #[tokio::test]
    async fn a_call_that_hangs_ends_unanswered_and_was_sent_as_it_was_signed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (heard, head) = oneshot::channel();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            heard.send(String::from_utf8(head).unwrap().to_lowercase()).unwrap();
            let _ = socket.read_u8().await;
        });
        let timeouts = Timeouts { connect: Duration::from_secs(5), request: Duration::from_millis(500) };
        let parts = ClientParts {
            endpoints: Endpoints::all(&Endpoint::parse(&format!("http://{at}")).unwrap()),
            timeouts,
            ..testing::parts(HttpTransport::new(timeouts.connect).unwrap())
        };
        let client = testing::client_of(testing::TR_ACCOUNT, parts);
        let request = RpcRequest::new(Operation::GetCallerIdentity).query("NextToken", "a+b/c=~ *");
        let error = client.call(&request).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unanswered { why: "no answer within 500ms".into() });

        let head = head.await.unwrap();
        assert!(head.starts_with("post /?nexttoken=a%2bb%2fc%3d~%20%2a http/1.1\r\n"), "{head}");
        assert_eq!(head.matches("\r\nhost: ").count(), 1, "{head}");
        assert!(head.contains(&format!("\r\nhost: {at}\r\n")), "{head}");
        assert!(head.contains("\r\ncontent-length: 0\r\n"), "{head}");
        let signed = head.split("signedheaders=").nth(1).unwrap().split(',').next().unwrap();
        assert!(signed.starts_with("host;x-acs-") && !signed.contains("content-length"), "{head}");
    }

    #[tokio::test]
    async fn a_write_is_not_sent_by_the_way_of_reads() {
        let cloud = testing::Scripted::new();
        let request = RpcRequest::new(Operation::RevokeInstanceFromTransitRouter);
        let error = testing::client(&cloud, testing::RESOURCE_ACCOUNT).call(&request).await.unwrap_err();
        assert!(matches!(&error.failure, Failure::NotSent { why } if why.contains("needs a permit")), "{error}");
        assert!(cloud.requests().is_empty());
    }

    #[tokio::test]
    async fn a_throttled_operation_is_not_called_again_before_it_has_room() {
        let busy = r#"{"RequestId":"R","Code":"Throttling.User","Message":"m"}"#;
        let cloud = testing::Scripted::new()
            .raw(400, &[("x-acs-retry-after", "7000")], busy)
            .json(200, serde_json::json!({"RequestId": "R"}));
        let clock = Arc::new(testing::clock());
        let limits = Some(Limits::default());
        let parts = ClientParts { clock: clock.clone(), limits, ..testing::parts(cloud.clone()) };
        let client = testing::client_of(testing::TR_ACCOUNT, parts);
        let request = RpcRequest::new(Operation::AssumeRole);
        let within = |span| Urgency { until: Some(clock.uptime() + span), ..Urgency::default() };
        let second = Duration::from_secs(1);
        within(second).scope(client.call(&request)).await.unwrap_err();
        let error = within(second).scope(client.call(&request)).await.unwrap_err();
        assert_eq!(error.retry_after, Some(7 * second));
        assert!(
            matches!(&error.failure, Failure::NotSent { why } if why.contains("own limit on AssumeRole as account") && why.ends_with("0 calls ahead, about 7 s")),
            "{error}"
        );
        assert_eq!(cloud.requests().len(), 1);
        clock.advance(7 * second);
        within(second).scope(client.call(&request)).await.unwrap();
    }

    /// The rates that the budget of an operation has, as the metrics are told them.
    #[derive(Default)]
    struct Rates(Mutex<Vec<f64>>);

    impl trace::Tracer for Arc<Rates> {}

    impl CallObserver for Arc<Rates> {
        fn called(&self, _: Operation, _: &AccountUid, _: &str, _: Duration) {}

        fn budgeted(&self, _: Operation, _: &AccountUid, _: Duration, rate: Option<f64>) {
            self.0.lock().unwrap().extend(rate);
        }
    }

    /// Refuses with a code of the operator's own, and tells the rates and whether the next call asked for other keys.
    async fn refused_as(class: &str) -> (Vec<f64>, usize) {
        let own = format!(
            "[[class]]\ncode = \"Gateway.Busy\"\nclass = \"{class}\"\neffect = \"none\"\nmeaning = \"m\"\ndo = \"d\"\n"
        );
        let classes =
            ErrorClasses::load(include_str!("../../workflows/errors.toml"), Some(("own.toml", &own))).unwrap();
        let keys = |id: &str| {
            let end = "2026-05-09T09:30:00Z";
            let keys = json!({"AccessKeyId": id, "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": end});
            json!({"RequestId": "R", "AssumedRoleUser": {"Arn": "acs:ram::1:assumed-role/r/s"}, "Credentials": keys})
        };
        let cloud = testing::Scripted::new()
            .json(200, keys("key-of-1688000000000001"))
            .json(400, json!({"RequestId": "R", "Code": "Gateway.Busy", "Message": "m"}))
            .json(200, keys("key-of-1688000000000001"));
        let rates = Arc::new(Rates::default());
        let (limits, observer) = (Some(Limits::default()), Arc::new(rates.clone()));
        let shared = Client::new(ClientParts { classes, limits, observer, ..testing::parts(cloud.clone()) });
        let role = Role::new("acs:ram::1688000000000001:role/r".parse().unwrap());
        let AccountCredentials { uid, credential } = testing::credentials(testing::RESOURCE_ACCOUNT);
        let credential = Credential::AssumeRole { role, with: Arc::new(credential) };
        let client = AccountClient::new(uid, Sources::new(shared.clone()).of(&credential), shared);
        let operation = Operation::DescribeGrantRulesToResource;
        client.call(&RpcRequest::new(operation)).await.unwrap_err();
        client.keys(operation).await.unwrap();
        let rates = rates.0.lock().unwrap().clone();
        (rates, cloud.actions().iter().filter(|action| *action == "AssumeRole").count())
    }

    #[tokio::test]
    async fn a_code_that_an_operator_classes_as_throttled_halves_the_rate_and_one_of_auth_ends_the_keys() {
        let (rates, sessions) = refused_as("throttled").await;
        assert_eq!((rates.last(), sessions), (Some(&2.5), 1), "{rates:?}");
        let (rates, sessions) = refused_as("auth").await;
        assert_eq!((rates.last(), sessions), (Some(&20.0), 2), "{rates:?}");
        let (rates, sessions) = refused_as("transient").await;
        assert_eq!((rates.last(), sessions), (Some(&5.0), 1), "{rates:?}");
    }
}
