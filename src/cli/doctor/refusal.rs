//! Refused reads: what they reveal about permissions, and what to do about them.

use crate::engine::ports::cloud::{CloudError, Failure};
use crate::workflow::ErrorClasses;

/// What a refused read reveals about the permission for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalMeaning {
    /// The permission is missing.
    NotPermitted,
    /// The permission is missing, or the resource belongs to another account.
    NotPermittedOrForeign,
    /// The permission exists: the cloud looked for the resource and did not find it.
    Permitted,
    /// The refusal is about something else.
    Unrelated,
}

pub(super) fn meaning(error: &CloudError) -> RefusalMeaning {
    let Failure::Refused { code, .. } = &error.failure else { return RefusalMeaning::Unrelated };
    let code = code.to_ascii_lowercase();
    match code.as_str() {
        "nopermission" | "forbidden.ram" => RefusalMeaning::NotPermitted,
        "unauthorized" | "forbidden" => RefusalMeaning::NotPermittedOrForeign,
        // The key is disabled or unknown, which says nothing about permissions.
        _ if code.contains("accesskey") => RefusalMeaning::Unrelated,
        _ if code.starts_with("forbidden.") => RefusalMeaning::NotPermittedOrForeign,
        _ if code.starts_with("invalidinstance") || code.starts_with("invalidresource") => {
            match code.contains("notfound") {
                true => RefusalMeaning::Permitted,
                false => RefusalMeaning::Unrelated,
            }
        }
        _ => RefusalMeaning::Unrelated,
    }
}

/// What to do about a failed call, from the error table.
pub(super) fn advice(error: &CloudError, classes: &ErrorClasses) -> String {
    if let Failure::NotSent { .. } = &error.failure {
        return "check the account's keys and the endpoints in the configuration".into();
    }
    besides_doctor(error.verdict(classes).advice)
}

/// An advice without its sentences about `crossgrant doctor`, which is running already.
fn besides_doctor(advice: &str) -> String {
    let sentences = advice.split_inclusive(". ").filter(|sentence| !sentence.contains("`crossgrant doctor`"));
    sentences.collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::engine::catalog;
    use crate::domain::Operation;
    use crate::workflow::Overrides;

    fn classes() -> ErrorClasses {
        catalog(&Overrides::default()).unwrap().classes
    }

    fn refused(operation: Operation, code: &str) -> CloudError {
        let failure = Failure::Refused { status: 400, code: code.into(), message: String::new() };
        CloudError::new(operation, failure)
    }

    #[test]
    fn doctor_does_not_advise_to_ask_doctor() {
        for entry in classes().entries() {
            let advice = besides_doctor(&entry.advice);
            assert!(!advice.is_empty() && !advice.contains("doctor"), "{}: {advice}", entry.advice);
        }
        let advised = advice(&refused(Operation::DescribeVpnAttachments, "InvalidAccessKeyId.NotFound"), &classes());
        let expected = "Correct the account's credential in the configuration. The worker reads it anew within a minute, or at once \
                        after `crossgrant reload`, and the account's jobs go on by themselves.";
        assert_eq!(advised, expected);
    }

    #[test]
    fn only_some_refusals_say_something_of_permissions() {
        for (code, says) in [
            ("NoPermission", RefusalMeaning::NotPermitted),
            ("Forbidden.RAM", RefusalMeaning::NotPermitted),
            ("Unauthorized", RefusalMeaning::NotPermittedOrForeign),
            ("Forbidden", RefusalMeaning::NotPermittedOrForeign),
            ("Forbidden.TransitRouterServiceExpired", RefusalMeaning::NotPermittedOrForeign),
            ("InvalidInstanceId.NotFound", RefusalMeaning::Permitted),
            ("InvalidAccessKeyId.NotFound", RefusalMeaning::Unrelated),
            ("Forbidden.AccessKeyDisabled", RefusalMeaning::Unrelated),
            ("InvalidApi.NotFound", RefusalMeaning::Unrelated),
            ("InvalidParameter", RefusalMeaning::Unrelated),
            ("Throttling.User", RefusalMeaning::Unrelated),
        ] {
            assert_eq!(meaning(&refused(Operation::DescribeGrantRulesToResource, code)), says, "{code}");
        }
    }
}
