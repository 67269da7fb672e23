//! One attempt of one call: keys, a fresh nonce and date, the signature, the wire, the envelope. Never a second
//! attempt.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::budget::{Budget, Passed, UsedUp};
use super::credentials::{CredentialError, CredentialSource, Keys};
use super::endpoint::Endpoints;
use super::envelope::{self, Bad, Reply};
use super::identity::Identity;
use super::observer::CallObserver;
use super::request::RpcRequest;
use super::transport::{Transport, TransportError};
use crate::clock::Clock;
use crate::domain::{AccountUid, Operation, Product};
use crate::engine::ports::cloud::{Answer, CloudError, Failure, NoRoom};
use crate::engine::ports::urgency::Urgency;
use crate::engine::ports::write_permit::WritePermit;

/// How long a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands; beyond, the request was not sent. Given to [`super::HttpTransport::new`].
    pub connect: Duration,
    /// From sending to the end of the answer, connecting included; beyond, its effect is unknown.
    pub request: Duration,
}

impl Default for Timeouts {
    /// Those of the vendor's SDK (API §1).
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(10) }
    }
}

/// What all accounts share.
pub(super) struct Shared {
    pub clock: Arc<dyn Clock>,
    pub transport: Arc<dyn Transport>,
    pub endpoints: Endpoints,
    pub timeouts: Timeouts,
    pub observer: Arc<dyn CallObserver>,
    pub budget: Budget,
}

impl Shared {
    /// Takes room for a call out of the budget of its operation; `None` if it has no limit.
    pub async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom> {
        let passed = self.budget.pass(self.clock.as_ref(), account, operation, Urgency::current()).await;
        let (waited, rate) = match passed {
            Ok(Passed { waited, rate }) => (waited, rate),
            Err(UsedUp { waited, .. }) => (waited, None),
        };
        self.observer.budgeted(operation, account, waited, rate);
        passed.map(|passed| passed.rate.map(|_| operation)).map_err(|UsedUp { opens_in, .. }| NoRoom { opens_in })
    }

    /// Returns once the budget of an operation has room for a call.
    pub async fn pass(&self, account: &AccountUid, operation: Operation) -> Result<(), CloudError> {
        let (clock, observer, urgency) = (self.clock.as_ref(), &self.observer, Urgency::current());
        if urgency.room == Some(operation) {
            return Ok(());
        }
        match self.budget.pass(clock, account, operation, urgency).await {
            Ok(Passed { waited, rate }) => {
                observer.budgeted(operation, account, waited, rate);
                Ok(())
            }
            Err(UsedUp { waited, opens_in }) => {
                observer.budgeted(operation, account, waited, None);
                observer.called(operation, account, "not-sent", Duration::ZERO);
                let why = format!(
                    "the budget of account {account} for {operation} is used up; waited {:.1} s for it",
                    waited.as_secs_f64()
                );
                Err(CloudError { retry_after: Some(opens_in), ..CloudError::not_sent(operation, why) })
            }
        }
    }

    /// Sends once, and waits for as long as a request may take.
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

    /// Tells the log, the observer and the budget of a call that has ended.
    pub fn told(
        &self,
        account: &AccountUid,
        operation: Operation,
        began: Duration,
        result: Result<Reply, Bad>,
    ) -> Result<Reply, CloudError> {
        let ended = self.clock.uptime();
        let took = ended.saturating_sub(began);
        if let Some(bad) = result.as_ref().err().filter(|bad| is_throttled(bad)) {
            let rate = self.budget.throttled(account, operation, began, ended, bad.retry_after);
            self.observer.budgeted(operation, account, Duration::ZERO, rate);
        }
        let (outcome, request_id) = match &result {
            Ok(reply) => ("ok".to_owned(), Some(reply.request_id.as_str())),
            Err(bad) => (outcome(&bad.failure), bad.request_id.as_deref()),
        };
        self.observer.called(operation, account, &outcome, took);
        tracing::debug!(
            account.uid = %account,
            cloud.operation = operation.as_str(),
            cloud.request_id = request_id.unwrap_or(""),
            cloud.outcome = outcome,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "cloud call ended"
        );
        result.map_err(|bad| bad.of(operation))
    }
}

/// Calls as one account.
pub(super) struct Caller {
    account: AccountUid,
    source: Arc<dyn CredentialSource>,
    pub identity: Identity,
    shared: Arc<Shared>,
}

impl Caller {
    pub fn new(account: AccountUid, source: Arc<dyn CredentialSource>, shared: Arc<Shared>) -> Self {
        Self { account, source, identity: Identity::default(), shared }
    }

    /// On whose account the calls are.
    pub fn account(&self) -> &AccountUid {
        &self.account
    }

    pub fn source(&self) -> &Arc<dyn CredentialSource> {
        &self.source
    }

    pub fn shared(&self) -> &Shared {
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
        self.pass(request.operation).await?;
        let keys = match request.operation.product() {
            Product::Sts => self.keys(request.operation).await?,
            Product::Cbn | Product::Smartag | Product::Vpc => self.verified(request.operation).await?,
        };
        self.call_with(&keys, request, permit).await
    }

    pub(super) async fn pass(&self, operation: Operation) -> Result<(), CloudError> {
        self.shared.pass(&self.account, operation).await
    }

    /// Keys for a request of `operation`. Without any, the request was not made.
    pub(super) async fn keys(&self, operation: Operation) -> Result<Arc<Keys>, CloudError> {
        self.source
            .keys()
            .await
            .map_err(|CredentialError { why, retry_after, refusal }| {
                let failure = match refusal {
                    Some(refusal) => Failure::Credential { why, refusal: Box::new(refusal) },
                    None => Failure::NotSent { why },
                };
                Bad { retry_after, ..bad(failure) }
            })
            .map_err(|bad| bad.of(operation))
    }

    pub(super) async fn call_with(
        &self,
        keys: &Arc<Keys>,
        request: &RpcRequest,
        permit: Option<&WritePermit>,
    ) -> Result<Reply, CloudError> {
        let began = self.shared.clock.uptime();
        let result = self.attempt(keys, request, permit).await;
        if let Err(Bad { failure: Failure::Refused { code, .. }, .. }) = &result
            && keys_ended(code)
        {
            self.source.invalidate(keys);
        }
        self.shared.told(&self.account, request.operation, began, result)
    }

    async fn attempt(&self, keys: &Keys, request: &RpcRequest, permit: Option<&WritePermit>) -> Result<Reply, Bad> {
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
        let response = self.shared.send(http).await?;
        envelope::read(&response).map_err(|mut bad| {
            if let Failure::Refused { code, message, .. } = &mut bad.failure {
                *message = keys.presentable(message);
                if speaks_of_keys(code) {
                    message.push_str(&format!(" (access key {} of account {})", keys.access_key_id, self.account));
                }
            }
            bad
        })
    }
}

/// Whether a refusal says that temporary keys are no longer good (API §D.3). Asking for others is all this module does
/// about it: whether the call is made again is the engine's to decide, by the class of the same code.
fn keys_ended(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    code.starts_with("invalidsecuritytoken") || code == "missingsecuritytoken"
}

/// Whether a refusal is of the credential itself, so that whoever reads it needs to know which.
fn speaks_of_keys(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    ["invalidaccesskeyid", "forbidden.accesskeydisabled", "signaturedoesnotmatch", "invalidsecuritytoken"]
        .iter()
        .any(|word| code.starts_with(word))
}

pub(super) fn bad(failure: Failure) -> Bad {
    Bad { failure, request_id: None, retry_after: None }
}

impl Bad {
    fn of(self, operation: Operation) -> CloudError {
        let Self { failure, request_id, retry_after } = self;
        CloudError { operation: Some(operation), failure, request_id, retry_after }
    }
}

/// Whether the cloud asks for fewer calls. A delay it asks for means that whatever the code is (API §D.1).
fn is_throttled(bad: &Bad) -> bool {
    bad.retry_after.is_some()
        || matches!(&bad.failure, Failure::Refused { status, code, .. }
            if *status == 429 || code.to_ascii_lowercase().contains("throttling"))
}

fn outcome(failure: &Failure) -> String {
    match failure {
        Failure::NotSent { .. } | Failure::Held { .. } | Failure::Credential { .. } => "not-sent".into(),
        Failure::Unanswered { .. } => "unanswered".into(),
        Failure::Refused { status, code, .. } if code.is_empty() => format!("http-{status}"),
        Failure::Refused { code, .. } => code.clone(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;
    use crate::cloud::endpoint::Endpoint;
    use crate::cloud::observer::Unobserved;
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
        let shared = Shared {
            clock: Arc::new(testing::clock()),
            transport: Arc::new(HttpTransport::new(timeouts.connect).unwrap()),
            endpoints: Endpoints::all(&Endpoint::parse(&format!("http://{at}")).unwrap()),
            timeouts,
            observer: Arc::new(Unobserved),
            budget: Budget::default(),
        };
        let caller = testing::caller_of(testing::TR_ACCOUNT, shared);
        let request = RpcRequest::new(Operation::GetCallerIdentity).query("NextToken", "a+b/c=~ *");
        let error = caller.call(&request).await.unwrap_err();
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
        let error = testing::caller(&cloud, testing::RESOURCE_ACCOUNT).call(&request).await.unwrap_err();
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
        let shared = Shared {
            clock: clock.clone(),
            transport: Arc::new(cloud.clone()),
            endpoints: Endpoints::default(),
            timeouts: Timeouts::default(),
            observer: Arc::new(Unobserved),
            budget: Budget::new(Some(crate::cloud::Limits::default())),
        };
        let caller = testing::caller_of(testing::TR_ACCOUNT, shared);
        let request = RpcRequest::new(Operation::AssumeRole);
        let within = |span| Urgency { until: Some(clock.uptime() + span), ..Urgency::default() };
        let second = Duration::from_secs(1);
        within(second).scope(caller.call(&request)).await.unwrap_err();
        let error = within(second).scope(caller.call(&request)).await.unwrap_err();
        assert_eq!(error.retry_after, Some(7 * second));
        assert!(matches!(&error.failure, Failure::NotSent { why } if why.contains("AssumeRole is used up")), "{error}");
        assert_eq!(cloud.requests().len(), 1);
        clock.advance(7 * second);
        within(second).scope(caller.call(&request)).await.unwrap();
    }
}
