//! Reads that are held: the cloud refused one in a way that says nothing of any job, only that this program asked wrongly
//! or that the account's policy lacks a permission (class `held` of the error table). No job ends over it; the operation
//! of that account rests for a while, all who need it wait, and the first to ask afterwards finds out for all.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::cloud::{CloudError, Failure};
use crate::clock::Clock;
use crate::domain::AccountUid;
use crate::workflow::{Class, ErrorClasses};

/// For how long an operation rests after such a refusal: a policy is mended by a person, who should not wait long to see
/// that it was.
const REST: Duration = Duration::from_secs(60);

/// What is held, by account and read.
#[derive(Default)]
pub struct Holds {
    held: Mutex<HashMap<(AccountUid, &'static str), Held>>,
}

struct Held {
    /// By the uptime clock.
    until: Duration,
    why: CloudError,
}

impl Holds {
    /// Makes a read of `account` unless it is held. `what` tells the reads apart.
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
        let mut all = self.locked();
        match &result {
            Ok(_) => {
                if all.remove(&key).is_some() {
                    tracing::info!(account.uid = %account, read = what, "the cloud answers again; jobs go on");
                }
                result
            }
            Err(error) if error.class(classes) == Class::Held => {
                let held = Held { until: clock.uptime() + REST, why: error.clone() };
                let told = held.told(clock.uptime());
                let of_it =
                    |((of, _), held): (&(AccountUid, _), &Held)| of == account && held.why.operation == error.operation;
                let known = all.iter().any(of_it);
                all.insert(key, held);
                if !known {
                    tracing::error!(
                        account.uid = %account, cloud.operation = %error.operation, %error,
                        "the cloud refuses a read that jobs need; they wait, and no job ends over it: see `crossgrant doctor`"
                    );
                }
                Err(told)
            }
            Err(_) => result,
        }
    }

    /// Why a read may not be made now. When a hold is over, the first to ask makes it and the others wait for what it finds.
    fn held(&self, key: &(AccountUid, &'static str), now: Duration) -> Option<CloudError> {
        let mut all = self.locked();
        let held = all.get_mut(key)?;
        if now >= held.until {
            held.until = now + REST;
            return None;
        }
        Some(held.told(now))
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<(AccountUid, &'static str), Held>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

impl Held {
    fn told(&self, now: Duration) -> CloudError {
        CloudError {
            operation: self.why.operation.clone(),
            failure: Failure::Held { why: self.why.failure.to_string() },
            request_id: self.why.request_id.clone(),
            retry_after: Some(self.until.saturating_sub(now)),
        }
    }
}
