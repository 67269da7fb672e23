//! Whose credential is this? A key that was configured for one account but belongs to another would change the wrong
//! account's grants, or read an empty list and prove an absence that is none. So every credential shows its account
//! once (`GetCallerIdentity`, API §A.13) before it is used for anything else.
//!
//! Success is remembered for good; failure is not. Callers that wait while a check runs share its end, also a bad one:
//! otherwise a hundred jobs would ask a service that does not answer one after the other.

use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::endpoint::Product;
use super::request::RpcRequest;
use super::rpc::{Caller, not_sent};
use super::wire;
use crate::engine::cloud::{CloudError, Failure};

const OPERATION: &str = "GetCallerIdentity";

/// What is known of a credential.
#[derive(Default)]
pub(super) struct Identity {
    verified: AtomicBool,
    /// How many checks have ended: tells a caller that waited whether one ended meanwhile.
    ended: AtomicU64,
    /// How the last one failed. Held while one runs.
    last: Mutex<Option<CloudError>>,
}

impl Caller {
    /// Returns once the credential has shown to be the expected account's.
    pub async fn verify(&self) -> Result<(), CloudError> {
        let Identity { verified, ended, last } = &self.identity;
        if verified.load(Acquire) {
            return Ok(());
        }
        let seen = ended.load(Acquire);
        let mut last = last.lock().await;
        if verified.load(Acquire) {
            return Ok(());
        }
        if ended.load(Acquire) != seen
            && let Some(error) = &*last
        {
            return Err(error.clone());
        }
        let checked = self.identify().await.map(drop);
        *last = checked.as_ref().err().cloned();
        verified.store(checked.is_ok(), Release);
        ended.fetch_add(1, Release);
        checked
    }

    /// Asks whose the credential is; the `Date` of the answer if it is the expected account's.
    pub async fn identify(&self) -> Result<Option<Timestamp>, CloudError> {
        let expected = &self.account.uid;
        // No answer here means that what the caller wanted never left: its effect is not in doubt.
        let reply =
            self.call(&RpcRequest::new(Product::Sts, OPERATION)).await.map_err(|error| match error.failure {
                Failure::Unanswered { why } => not_sent(
                    OPERATION,
                    format!("whose credential is configured for account {expected} is not known: {why}"),
                ),
                _ => error,
            })?;
        let why = match wire::uid(&reply.body, "AccountId") {
            Ok(Some(actual)) if actual == *expected => return Ok(reply.date),
            Ok(Some(actual)) => {
                format!("the credential configured for account {expected} belongs to account {actual}")
            }
            _ => format!("the cloud did not say whose the credential configured for account {expected} is"),
        };
        Err(CloudError { request_id: Some(reply.request_id), ..not_sent(OPERATION, why) })
    }
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
        assert_eq!(error.failure, Failure::NotSent { why });
        caller.verify().await.unwrap();
    }
}
