//! Whose credential is this? A key that was configured for one account and belongs to another would change the wrong
//! account's grants, or read an empty list and so prove an absence falsely. Every credential therefore shows its account
//! once (`GetCallerIdentity`, API §A.13) before it is used for anything else.
//!
//! Success is remembered while the keys act as the same principal: renewed keys of one role need no new check, another
//! role does. Failure is not remembered.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::credentials::Keys;
use super::request::RpcRequest;
use super::rpc::AccountClient;
use super::single_flight::SingleFlight;
use super::standing::{Heard, RefusedCall};
use super::wire;
use crate::domain::Operation;
use crate::engine::ports::cloud::{CloudError, Failure, Refusal};
use crate::workflow::Class;

const OPERATION: Operation = Operation::GetCallerIdentity;

/// What is known about the owner of a credential.
#[derive(Default)]
pub(super) struct Identity {
    /// The principal that was last proven to belong to the expected account.
    verified: Mutex<Option<String>>,
    flight: SingleFlight<CloudError>,
}

impl Identity {
    fn verified(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_verified(&self, keys: &Keys) -> bool {
        self.verified().as_ref() == Some(&keys.principal)
    }
}

impl AccountClient {
    /// Returns once the credential is proven to belong to the expected account.
    pub async fn verify(&self) -> Result<(), CloudError> {
        self.gate()?;
        self.verified(OPERATION).await.map(drop)
    }

    /// Keys for `operation` that are proven to belong to the expected account.
    pub(super) async fn verified(&self, operation: Operation) -> Result<Arc<Keys>, CloudError> {
        let keys = self.keys(operation).await?;
        let known = || self.identity.has_verified(&keys).then(|| keys.clone());
        self.identity.flight.run(known, || self.check(keys.clone())).await
    }

    async fn check(&self, keys: Arc<Keys>) -> Result<Arc<Keys>, CloudError> {
        self.ask(&keys).await?;
        *self.identity.verified() = Some(keys.principal.clone());
        Ok(keys)
    }

    /// Makes the check anew, whatever was found before, and also while the credential is refused; returns the `Date` of the answer.
    pub async fn identify(&self) -> Result<Option<Timestamp>, CloudError> {
        let keys = self.keys(OPERATION).await?;
        let date = self.ask(&keys).await?;
        *self.identity.verified() = Some(keys.principal.clone());
        Ok(date)
    }

    async fn ask(&self, keys: &Arc<Keys>) -> Result<Option<Timestamp>, CloudError> {
        let expected = self.account();
        self.shared().pass(self.account(), OPERATION).await?;
        let began = self.shared().clock.uptime();
        // Without an answer to this, the call it was made for is not sent, so its effect is not in doubt.
        let reply = self.call_with(keys, &RpcRequest::new(OPERATION), None).await.map_err(|error| {
            let why = format!("cannot find out whose credential is configured for account {expected}: {error}");
            let failure = match error.failure {
                Failure::Unanswered { .. } => Failure::NotSent { why },
                Failure::Refused { status, code, .. } => Failure::Credential { why, refusal: refusal(status, code) },
                failure @ (Failure::NotSent { .. }
                | Failure::Held { .. }
                | Failure::AccountRefused { .. }
                | Failure::Credential { .. }) => failure,
            };
            CloudError { failure, ..error }
        })?;
        let answered = |failure| {
            let request_id = Some(reply.request_id.clone());
            Err(CloudError { request_id, ..CloudError::new(OPERATION, failure) })
        };
        match wire::uid(&reply.body, "AccountId") {
            Ok(Some(actual)) if actual == *expected => {
                self.hear(&Heard::Identified, began);
                Ok(reply.date)
            }
            Ok(Some(actual)) => {
                let why = format!("the credential configured for account {expected} belongs to account {actual}");
                let refusal = refusal(200, String::new());
                let (asked, code) = (refusal.asked, &refusal.shown_code());
                let call = RefusedCall { asked, code, message: &why, as_such: true };
                self.hear(&Heard::Refused { class: Class::Credential, refusal: call }, began);
                answered(Failure::Credential { why, refusal })
            }
            _ => answered(Failure::NotSent {
                why: format!("the cloud did not say whose the credential configured for account {expected} is"),
            }),
        }
    }
}

fn refusal(status: u16, code: String) -> Box<Refusal> {
    Box::new(Refusal { asked: OPERATION.as_str(), status, code })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::cloud::testing::{self, RESOURCE_ACCOUNT, Scripted, TR_ACCOUNT};
    use crate::cloud::transport::TransportError;

    fn identity(uid: &str) -> serde_json::Value {
        json!({"RequestId": "I", "AccountId": uid, "IdentityType": "RAMUser"})
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_check_and_it_is_remembered() {
        let cloud = Scripted::new().identities_too().json(200, identity(RESOURCE_ACCOUNT)).held();
        let client = Arc::new(testing::client(&cloud, RESOURCE_ACCOUNT));
        let all: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let c = client.clone();
                    async move { c.verify().await }
                })
            })
            .collect();
        cloud.wait_for_requests(1).await;
        cloud.release();
        for one in all {
            one.await.unwrap().unwrap();
        }
        client.verify().await.unwrap();
        assert_eq!(cloud.actions(), ["GetCallerIdentity"]);
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_one_asks_again() {
        let cloud = Scripted::new()
            .identities_too()
            .fail(TransportError::Unanswered("reset".into()))
            .json(200, identity(RESOURCE_ACCOUNT))
            .held();
        let client = Arc::new(testing::client(&cloud, RESOURCE_ACCOUNT));
        let all: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let c = client.clone();
                    async move { c.verify().await }
                })
            })
            .collect();
        cloud.wait_for_requests(1).await;
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        cloud.release();
        for one in all {
            let error = one.await.unwrap().unwrap_err();
            assert!(matches!(error.failure, Failure::NotSent { .. }), "nothing was written: {error:?}");
        }
        assert_eq!(cloud.actions().len(), 1);
        client.verify().await.unwrap();
        assert_eq!(cloud.actions().len(), 2);
    }

    #[tokio::test]
    async fn the_wrong_account_is_named_and_asked_about_again() {
        let cloud =
            Scripted::new().identities_too().json(200, identity(TR_ACCOUNT)).json(200, identity(RESOURCE_ACCOUNT));
        let client = testing::client(&cloud, RESOURCE_ACCOUNT);
        let error = client.verify().await.unwrap_err();
        let why = format!("the credential configured for account {RESOURCE_ACCOUNT} belongs to account {TR_ACCOUNT}");
        assert_eq!(error.failure, Failure::Credential { why, refusal: refusal(200, String::new()) });
        client.verify().await.unwrap();
    }
}
