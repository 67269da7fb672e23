//! The transit-router service: whether each account has activated it. If the owner of a network has not, its grants are
//! refused; if the owner of a CEN has not, it has no transit router.

use super::finding::{DoctorFinding, fault, fine, unclear};
use super::refusal::{RefusalMeaning, advice, meaning};
use crate::cloud::Accounts;
use crate::domain::{AccountUid, Code, Operation};
use crate::engine::ports::cloud::{CloudError, Failure};
use crate::workflow::ErrorClasses;

const CHECK: &str = "service";

/// The error code for an account that has not activated the service (API §A.12).
const NOT_OPEN: &str = "USER_NOT_OPEN_TR_SERVICE";

pub(super) async fn service(accounts: &Accounts, uid: &AccountUid, classes: &ErrorClasses) -> DoctorFinding {
    judged(uid, accounts.transit_router_service(uid).await, classes)
}

fn judged(uid: &AccountUid, answer: Result<Option<bool>, CloudError>, classes: &ErrorClasses) -> DoctorFinding {
    let error = match answer {
        Ok(Some(true)) => return fine(CHECK, format!("account {uid} has activated the transit-router service")),
        Ok(Some(false)) => refused(NOT_OPEN),
        Ok(None) => {
            let says = format!("the cloud did not tell whether account {uid} has activated the transit-router service");
            let advice = "see the transit-router page of the console";
            return unclear(CHECK, Code::ReadFailed, says, advice);
        }
        Err(error) => error,
    };
    if matches!(&error.failure, Failure::Refused { code, .. } if code.eq_ignore_ascii_case(NOT_OPEN)) {
        let says = format!(
            "account {uid} has not activated the transit-router service, so grants of its networks are refused"
        );
        return fault(CHECK, Code::ServiceNotActivated, says, advice(&error, classes));
    }
    let says = format!("cannot check whether account {uid} has activated the transit-router service: {error}");
    match meaning(&error) {
        RefusalMeaning::NotPermitted | RefusalMeaning::NotPermittedOrForeign => {
            let advice = "add `cen:CheckTransitRouterService` to the account's RAM policy, and compare the policy with \
                          deploy/ram. A policy for an earlier version lacks it; in the account of a CEN it also lacks \
                          `cen:ListTransitRouters` and `cen:DescribeCens`, and jobs wait without them";
            unclear(CHECK, Code::PermissionMissing, says, advice)
        }
        RefusalMeaning::Permitted | RefusalMeaning::Unrelated => {
            unclear(CHECK, Code::ReadFailed, says, advice(&error, classes))
        }
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
            (Ok(Some(true)), Some(true), None, "has activated", ""),
            (Ok(Some(false)), Some(false), Some(Code::ServiceNotActivated), "has not activated", "Activate it"),
            (Err(refused(NOT_OPEN)), Some(false), Some(Code::ServiceNotActivated), "has not activated", "Activate it"),
            (Ok(None), None, Some(Code::ReadFailed), "did not tell", "console"),
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
