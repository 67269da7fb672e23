//! Held reads: the cloud refused a read because this program asked wrongly, or because the policy of the account lacks a
//! permission (class `held` of the error table). That says nothing about any job, so no job ends over it. The read rests
//! for its account for a while; all jobs that need it wait, and the first to ask afterwards finds out for all.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{AccountUid, Operation};
use crate::engine::look::batch::locked;
use crate::engine::ports::cloud::{CloudError, Failure};
use crate::workflow::{Class, ErrorClasses};

/// How long a read rests after such a refusal. An operator mends the policy, and should soon see that it works.
const REST: Duration = Duration::from_secs(60);

/// The held reads, by account.
#[derive(Default)]
pub struct Holds {
    held: Mutex<HashMap<(AccountUid, &'static str), HeldRead>>,
}

struct HeldRead {
    /// By the uptime clock.
    until: Duration,
    why: CloudError,
}

impl Holds {
    /// Makes a read of `account`, unless it is held. `what` names the read.
    pub async fn guard<T>(
        &self,
        clock: &dyn Clock,
        classes: &ErrorClasses,
        account: &AccountUid,
        what: &'static str,
        read: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        let key = (account.clone(), what);
        if let Some(held) = self.held(&key, clock.uptime()) {
            return Err(held);
        }
        let result = read.await;
        let mut all = locked(&self.held);
        match &result {
            Ok(_) => {
                if all.remove(&key).is_some() {
                    tracing::info!(account.uid = %account, read = what, "the cloud answers again; jobs go on");
                }
                result
            }
            Err(error) if error.class(classes) == Class::Held => {
                let held = HeldRead { until: clock.uptime() + REST, why: error.clone() };
                let told = held.told(clock.uptime());
                let of_it = |((of, _), held): (&(AccountUid, _), &HeldRead)| {
                    of == account && held.why.operation == error.operation
                };
                let known = all.iter().any(of_it);
                all.insert(key, held);
                if !known {
                    tracing::error!(
                        account.uid = %account, cloud.operation = error.operation.map(Operation::as_str), %error,
                        "the cloud refuses a read that jobs need; they wait, and no job ends over it: see `crossgrant doctor`"
                    );
                }
                Err(told)
            }
            // Without an answer the hold stays, and the next job asks. Any other refusal ends it.
            Err(CloudError { failure: Failure::NotSent { .. } | Failure::Unanswered { .. }, .. }) => {
                if let Some(held) = all.get_mut(&key) {
                    held.until = clock.uptime();
                }
                result
            }
            Err(_) => {
                all.remove(&key);
                result
            }
        }
    }

    /// Why a read may not be made now. When its rest is over, the first job to ask makes it, and the others wait for that.
    fn held(&self, key: &(AccountUid, &'static str), now: Duration) -> Option<CloudError> {
        let mut all = locked(&self.held);
        let held = all.get_mut(key)?;
        if now >= held.until {
            held.until = now + REST;
            return None;
        }
        Some(held.told(now))
    }
}

impl HeldRead {
    fn told(&self, now: Duration) -> CloudError {
        CloudError {
            operation: self.why.operation,
            failure: Failure::Held { why: self.why.failure.to_string() },
            request_id: self.why.request_id.clone(),
            retry_after: Some(self.until.saturating_sub(now)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use super::*;
    use crate::clock::ManualClock;
    use crate::workflow::{Catalog, Overrides};

    fn refusal(code: &str) -> CloudError {
        let failure = Failure::Refused { status: 403, code: code.into(), message: String::new() };
        CloudError::new(Operation::ListTransitRouters, failure)
    }

    #[tokio::test]
    async fn a_read_that_is_held_is_asked_again_once_for_all_when_its_rest_is_over() {
        let catalog = Catalog::embedded(&crate::actions::registry().specs(), &Overrides::default()).unwrap();
        let clock = ManualClock::new("2026-11-28T10:20:00Z".parse().unwrap());
        let (holds, asked) = (Holds::default(), AtomicUsize::new(0));
        let account = AccountUid::parse("1250123456123456").unwrap();
        let other = AccountUid::parse("1688000000000001").unwrap();
        let ask = async |account: &AccountUid, answer: Result<(), CloudError>| {
            let read = async {
                asked.fetch_add(1, SeqCst);
                answer
            };
            holds.guard(&clock, &catalog.classes, account, "transit routers", read).await
        };
        let refused = || Err(refusal("Forbidden.RAM"));
        for n in 0..3 {
            let error = ask(&account, refused()).await.unwrap_err();
            assert!(matches!(error.failure, Failure::Held { .. }), "{error}");
            assert_eq!(error.retry_after, Some(REST), "{n}");
            assert_eq!(error.class(&catalog.classes), Class::Held);
        }
        assert_eq!(asked.load(SeqCst), 1, "the others wait for what it finds");
        ask(&other, Ok(())).await.unwrap();
        assert_eq!(asked.load(SeqCst), 2, "no other account waits");

        clock.advance(REST);
        ask(&account, refused()).await.unwrap_err();
        ask(&account, Ok(())).await.unwrap_err();
        assert_eq!(asked.load(SeqCst), 3);
        clock.advance(REST);
        ask(&account, Ok(())).await.unwrap();
        ask(&account, Ok(())).await.unwrap();
        assert_eq!(asked.load(SeqCst), 5, "it goes on");
        // A refusal that says something of the job is none to be held for.
        let error = ask(&account, Err(refusal("InvalidParameter"))).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Refused { .. }));
        ask(&account, Ok(())).await.unwrap();
    }
}
