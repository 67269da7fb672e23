//! The transit-router service: whether each account has activated it. Where the owner of a network has not, its grants are
//! refused; where the owner of a CEN has not, there is no transit router.

use super::finding::{Finding, fault, fine, unclear};
use super::permissions::{Tells, advice, tells};
use crate::cloud::Accounts;
use crate::domain::{AccountUid, Code, Operation};
use crate::engine::ports::cloud::{CloudError, Failure};
use crate::workflow::ErrorClasses;

const CHECK: &str = "service";

/// How the cloud refuses an account that has not activated the service (API §A.12).
const NOT_OPEN: &str = "USER_NOT_OPEN_TR_SERVICE";

/// Asks as the account.
pub(super) async fn service(accounts: &Accounts, uid: &AccountUid, classes: &ErrorClasses) -> Finding {
    judged(uid, accounts.transit_router_service(uid).await, classes)
}

fn judged(uid: &AccountUid, answer: Result<Option<bool>, CloudError>, classes: &ErrorClasses) -> Finding {
    let error = match answer {
        Ok(Some(true)) => return fine(CHECK, format!("the transit-router service of account {uid} is activated")),
        Ok(Some(false)) => refused(NOT_OPEN),
        Ok(None) => {
            let says = format!("whether the transit-router service of account {uid} is activated was not answered");
            let advice = "see the transit-router page of the vendor's console";
            return unclear(CHECK, Code::ReadFailed, says, advice);
        }
        Err(error) => error,
    };
    if matches!(&error.failure, Failure::Refused { code, .. } if code.eq_ignore_ascii_case(NOT_OPEN)) {
        let says =
            format!("the transit-router service of account {uid} is not activated: grants of its networks are refused");
        return fault(CHECK, Code::ServiceNotActivated, says, advice(&error, classes));
    }
    let says = format!("whether the transit-router service of account {uid} is activated cannot be asked: {error}");
    match tells(&error) {
        Tells::No | Tells::NotYours => {
            let advice = "add `cen:CheckTransitRouterService` to the account's policy. One that was written for an earlier \
                          version of the worker lacks it, and in the account of a CEN also `cen:ListTransitRouters` and \
                          `cen:DescribeCens`, without which jobs wait: compare it with deploy/ram";
            unclear(CHECK, Code::PermissionMissing, says, advice)
        }
        Tells::NoSuchThing | Tells::Nothing => unclear(CHECK, Code::ReadFailed, says, advice(&error, classes)),
    }
}

fn refused(code: &str) -> CloudError {
    let failure = Failure::Refused { status: 400, code: code.to_owned(), message: String::new() };
    CloudError::new(Operation::CheckTransitRouterService, failure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Catalog, Overrides};

    #[test]
    fn an_account_without_the_service_is_at_fault_and_one_that_may_not_be_asked_is_not() {
        let classes =
            crate::cli::engine::catalog(&Overrides::default()).map(|catalog: Catalog| catalog.classes).unwrap();
        let uid = AccountUid::parse("1688000000000001").unwrap();
        for (answer, ok, code, says, advises) in [
            (Ok(Some(true)), Some(true), None, "is activated", ""),
            (Ok(Some(false)), Some(false), Some(Code::ServiceNotActivated), "is not activated", "Activate it"),
            (Err(refused(NOT_OPEN)), Some(false), Some(Code::ServiceNotActivated), "is not activated", "Activate it"),
            (Ok(None), None, Some(Code::ReadFailed), "was not answered", "console"),
            (
                Err(refused("NoPermission")),
                None,
                Some(Code::PermissionMissing),
                "NoPermission",
                "cen:ListTransitRouters",
            ),
            (Err(refused("Unauthorized")), None, Some(Code::PermissionMissing), "Unauthorized", "jobs wait"),
            (Err(refused("InternalError")), None, Some(Code::ReadFailed), "InternalError", "status page"),
        ] {
            let finding = judged(&uid, answer, &classes);
            let advice = finding.advice.clone().unwrap_or_default();
            assert_eq!((finding.ok, finding.code), (ok, code), "{finding:?}");
            assert!(finding.says.contains(says) && finding.says.contains(uid.as_str()), "{finding:?}");
            assert!(advice.contains(advises) && !advice.contains("crossgrant doctor"), "{advice}");
        }
    }
}
