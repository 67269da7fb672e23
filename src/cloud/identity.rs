//! Whose credential is this? A key that was configured for one account but belongs to another would change the wrong
//! account's grants, or read an empty list and prove an absence that is none. So every credential shows its account
//! once (`GetCallerIdentity`, API §A.13) before it is used for anything else.
//!
//! Success is remembered for as long as the keys are those of the same principal: renewed keys of one role need no new
//! check, another role does. Failure is not remembered, but shared by those who wait for it.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::credentials::Keys;
use super::request::RpcRequest;
use super::rpc::Caller;
use super::turns::Turns;
use super::wire;
use crate::domain::Operation;
use crate::engine::ports::cloud::{CloudError, Failure, Refusal};

const OPERATION: Operation = Operation::GetCallerIdentity;

/// What is known of a credential.
#[derive(Default)]
pub(super) struct Identity {
    /// The principal that has shown to be the expected account's.
    verified: Mutex<Option<String>>,
    turns: Turns<CloudError>,
}

impl Identity {
    fn verified(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_verified(&self, keys: &Keys) -> bool {
        self.verified().as_ref() == Some(&keys.principal)
    }
}

impl Caller {
    /// Returns once the credential has shown to be the expected account's.
    pub async fn verify(&self) -> Result<(), CloudError> {
        self.verified(OPERATION).await.map(drop)
    }

    /// Keys that have shown to be the expected account's, for an operation.
    pub(super) async fn verified(&self, operation: Operation) -> Result<Arc<Keys>, CloudError> {
        let keys = self.keys(operation).await?;
        let known = || self.identity.has_verified(&keys).then(|| keys.clone());
        self.identity.turns.take(known, || self.check(keys.clone())).await
    }

    async fn check(&self, keys: Arc<Keys>) -> Result<Arc<Keys>, CloudError> {
        self.ask(&keys).await?;
        *self.identity.verified() = Some(keys.principal.clone());
        Ok(keys)
    }

    /// Asks whose the credential is; the `Date` of the answer if it is the expected account's.
    pub async fn identify(&self) -> Result<Option<Timestamp>, CloudError> {
        self.ask(&self.keys(OPERATION).await?).await
    }

    async fn ask(&self, keys: &Arc<Keys>) -> Result<Option<Timestamp>, CloudError> {
        let expected = self.account();
        self.pass(OPERATION).await?;
        // No answer here means that what the caller wanted never left: its effect is not in doubt.
        let reply = self.call_with(keys, &RpcRequest::new(OPERATION), None).await.map_err(|error| {
            let why = format!("whose credential is configured for account {expected} is not known: {error}");
            let failure = match error.failure {
                Failure::Unanswered { .. } => Failure::NotSent { why },
                Failure::Refused { status, code, .. } => Failure::Credential { why, refusal: refusal(status, code) },
                failure @ (Failure::NotSent { .. } | Failure::Held { .. } | Failure::Credential { .. }) => failure,
            };
            CloudError { failure, ..error }
        })?;
        let answered = |failure| {
            let request_id = Some(reply.request_id.clone());
            Err(CloudError { request_id, ..CloudError::new(OPERATION, failure) })
        };
        match wire::uid(&reply.body, "AccountId") {
            Ok(Some(actual)) if actual == *expected => Ok(reply.date),
            Ok(Some(actual)) => answered(Failure::Credential {
                why: format!("the credential configured for account {expected} belongs to account {actual}"),
                refusal: refusal(200, String::new()),
            }),
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
        let caller = Arc::new(testing::caller(&cloud, RESOURCE_ACCOUNT));
        let all: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let c = caller.clone();
                    async move { c.verify().await }
                })
            })
            .collect();
        cloud.wait_for_requests(1).await;
        cloud.release();
        for one in all {
            one.await.unwrap().unwrap();
        }
        caller.verify().await.unwrap();
        assert_eq!(cloud.actions(), ["GetCallerIdentity"]);
    }

    #[tokio::test]
    async fn those_who_wait_share_a_failure_and_the_next_one_asks_again() {
        let cloud = Scripted::new()
            .identities_too()
            .fail(TransportError::Unanswered("reset".into()))
            .json(200, identity(RESOURCE_ACCOUNT))
            .held();
        let caller = Arc::new(testing::caller(&cloud, RESOURCE_ACCOUNT));
        let all: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let c = caller.clone();
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
        caller.verify().await.unwrap();
        assert_eq!(cloud.actions().len(), 2);
    }

    #[tokio::test]
    async fn the_wrong_account_is_named_and_asked_about_again() {
        let cloud =
            Scripted::new().identities_too().json(200, identity(TR_ACCOUNT)).json(200, identity(RESOURCE_ACCOUNT));
        let caller = testing::caller(&cloud, RESOURCE_ACCOUNT);
        let error = caller.verify().await.unwrap_err();
        let why = format!("the credential configured for account {RESOURCE_ACCOUNT} belongs to account {TR_ACCOUNT}");
        assert_eq!(error.failure, Failure::Credential { why, refusal: refusal(200, String::new()) });
        caller.verify().await.unwrap();
    }
}
