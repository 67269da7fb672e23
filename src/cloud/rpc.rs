//! One attempt of one call: keys, a fresh nonce and date, the signature, the wire, the envelope. Never a second
//! attempt.

use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::budget::{Budget, Passed, UsedUp};
use super::credentials::{AccountCredentials, Keys};
use super::endpoint::Endpoints;
use super::envelope::{self, Bad, Reply};
use super::identity::Identity;
use super::observer::CallObserver;
use super::request::RpcRequest;
use super::transport::{Transport, TransportError};
use crate::clock::Clock;
use crate::engine::cloud::{CloudError, Failure};
use crate::engine::urgency::Urgency;

/// The longest message of the cloud that is kept.
const MAX_MESSAGE: usize = 1024;

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

/// Calls as one account.
pub(super) struct Caller {
    pub account: AccountCredentials,
    pub identity: Identity,
    shared: Arc<Shared>,
}

/// An error of a call that was not made.
pub(super) fn not_sent(operation: &str, why: impl Into<String>) -> CloudError {
    let failure = Failure::NotSent { why: why.into() };
    CloudError { operation: operation.to_owned(), failure, request_id: None, retry_after: None }
}

impl Caller {
    pub fn new(account: AccountCredentials, shared: Arc<Shared>) -> Self {
        Self { account, identity: Identity::default(), shared }
    }

    /// Sends a request once, when the budget of its operation has room for it.
    pub async fn call(&self, request: &RpcRequest) -> Result<Reply, CloudError> {
        self.pass(request.action).await?;
        let clock = &self.shared.clock;
        let began = clock.uptime();
        let result = self.attempt(request).await;
        let ended = clock.uptime();
        let took = ended.saturating_sub(began);
        if let Some(bad) = result.as_ref().err().filter(|bad| is_throttled(bad)) {
            let (budget, account) = (&self.shared.budget, &self.account.uid);
            let rate = budget.throttled(account, request.action, began, ended, bad.retry_after);
            self.shared.observer.budgeted(request.action, account, Duration::ZERO, rate);
        }
        let (outcome, request_id) = match &result {
            Ok(reply) => ("ok".to_owned(), Some(reply.request_id.as_str())),
            Err(bad) => (outcome(&bad.failure), bad.request_id.as_deref()),
        };
        self.shared.observer.called(request.action, &self.account.uid, &outcome, took);
        tracing::debug!(
            account.uid = %self.account.uid,
            cloud.operation = request.action,
            cloud.request_id = request_id.unwrap_or(""),
            cloud.outcome = outcome,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "cloud call ended"
        );
        result.map_err(|Bad { failure, request_id, retry_after }| CloudError {
            operation: request.action.to_owned(),
            failure,
            request_id,
            retry_after,
        })
    }

    async fn pass(&self, operation: &'static str) -> Result<(), CloudError> {
        let (clock, account, observer) = (self.shared.clock.as_ref(), &self.account.uid, &self.shared.observer);
        match self.shared.budget.pass(clock, account, operation, Urgency::current()).await {
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
                Err(CloudError { retry_after: Some(opens_in), ..not_sent(operation, why) })
            }
        }
    }

    async fn attempt(&self, request: &RpcRequest) -> Result<Reply, Bad> {
        let not_sent = |why: String| bad(Failure::NotSent { why });
        let keys = self.account.source.keys().await.map_err(|e| not_sent(e.to_string()))?;
        let endpoint = self.shared.endpoints.of(request.product, None);
        let nonce = Uuid::new_v4().simple().to_string();
        let http = request.to_http(&endpoint, &keys, self.shared.clock.now(), &nonce).map_err(not_sent)?;
        let limit = self.shared.timeouts.request;
        let response = match tokio::time::timeout(limit, self.shared.transport.send(http)).await {
            Ok(Ok(response)) => response,
            Ok(Err(TransportError::NotSent(why))) => return Err(not_sent(why)),
            Ok(Err(TransportError::Unanswered(why))) => return Err(bad(Failure::Unanswered { why })),
            Err(_elapsed) => return Err(bad(Failure::Unanswered { why: format!("no answer within {limit:?}") })),
        };
        envelope::read(&response).map_err(|mut bad| {
            if let Failure::Refused { message, .. } = &mut bad.failure {
                *message = presentable(message, &keys);
            }
            bad
        })
    }
}

fn bad(failure: Failure) -> Bad {
    Bad { failure, request_id: None, retry_after: None }
}

/// Whether the cloud asks for fewer calls. A delay it asks for means that whatever the code is (API §D.1).
fn is_throttled(bad: &Bad) -> bool {
    bad.retry_after.is_some()
        || matches!(&bad.failure, Failure::Refused { status, code, .. }
            if *status == 429 || code.to_ascii_lowercase().contains("throttling"))
}

fn outcome(failure: &Failure) -> String {
    match failure {
        Failure::NotSent { .. } => "not-sent".into(),
        Failure::Unanswered { .. } => "unanswered".into(),
        Failure::Refused { status, code, .. } if code.is_empty() => format!("http-{status}"),
        Failure::Refused { code, .. } => code.clone(),
    }
}

/// The cloud's message without our secrets and not longer than is useful. A refused signature is answered with the
/// text the server signed, and that holds the security token.
fn presentable(message: &str, keys: &Keys) -> String {
    let secrets = [Some(&keys.access_key_secret), keys.security_token.as_ref()];
    let mut text = message.to_owned();
    for secret in secrets.into_iter().flatten().map(SecretString::expose_secret).filter(|s| !s.is_empty()) {
        text = text.replace(secret, "***");
    }
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;
    use crate::cloud::endpoint::{Endpoint, Product};
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
        let caller = Caller::new(testing::credentials(testing::TR_ACCOUNT), Arc::new(shared));
        let request = RpcRequest::new(Product::Cbn, "DescribeX").query("NextToken", "a+b/c=~ *");
        let error = caller.call(&request).await.unwrap_err();
        assert_eq!(error.failure, Failure::Unanswered { why: "no answer within 500ms".into() });

        let head = head.await.unwrap();
        assert!(head.starts_with("post /?nexttoken=a%2bb%2fc%3d~%20%2a http/1.1\r\n"), "{head}");
        assert_eq!(head.matches("\r\nhost: ").count(), 1, "{head}");
        assert!(head.contains(&format!("\r\nhost: {at}\r\n")), "{head}");
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
        let caller = Caller::new(testing::credentials(testing::TR_ACCOUNT), Arc::new(shared));
        let request = RpcRequest::new(Product::Cbn, "DescribeX");
        let within = |span| Urgency { until: Some(clock.uptime() + span), ..Urgency::default() };
        let second = Duration::from_secs(1);
        within(second).scope(caller.call(&request)).await.unwrap_err();
        let error = within(second).scope(caller.call(&request)).await.unwrap_err();
        assert_eq!(error.retry_after, Some(7 * second));
        assert!(matches!(&error.failure, Failure::NotSent { why } if why.contains("DescribeX is used up")), "{error}");
        assert_eq!(cloud.requests().len(), 1);
        clock.advance(7 * second);
        within(second).scope(caller.call(&request)).await.unwrap();
    }
}
