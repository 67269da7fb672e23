//! The accounts: whether each key belongs to the account it is configured for, and how far apart the clocks are.

use std::time::Duration;

use jiff::Timestamp;

use super::finding::{DoctorFinding, fault, fine};
use super::refusal::advice;
use crate::clock::Clock;
use crate::cloud::Accounts;
use crate::domain::{AccountUid, Code};
use crate::engine::ports::cloud::{Cloud, CloudError, Failure};
use crate::workflow::{Class, ErrorClasses};

const CHECK: &str = "credential";

/// The cloud refuses signatures that are 15 minutes off, and its hours begin by its own clock.
const SKEW: Duration = Duration::from_secs(60);

/// Asks `GetCallerIdentity` (API §A.13) at `endpoint`, and compares the `Date` of its answer with this machine's clock.
pub(super) async fn account(
    accounts: &Accounts,
    uid: &AccountUid,
    endpoint: &str,
    clock: &dyn Clock,
    classes: &ErrorClasses,
) -> Vec<DoctorFinding> {
    let date = match accounts.identify(uid).await {
        Ok(date) => date,
        Err(error) => {
            let known = accounts.accounts().into_iter().find(|known| known.uid == *uid);
            let local = known.is_none_or(|known| BESIDE_THE_WORKER.contains(&known.credential.as_str()));
            return vec![unusable(uid, endpoint, local, &error, classes)];
        }
    };
    let credential = fine(CHECK, format!("the key configured for account {uid} belongs to it"));
    let Some(date) = date else { return vec![credential] };
    vec![credential, skew(date, clock.now())]
}

/// How keys are had from a file or a service that is not the cloud: one that gives none says nothing of the endpoint.
const BESIDE_THE_WORKER: [&str; 3] = ["oidc-role", "ecs-role", "credentials-uri"];

/// Why the credential of an account cannot be used: the cloud refuses it, or does not answer.
fn unusable(
    uid: &AccountUid,
    endpoint: &str,
    local: bool,
    error: &CloudError,
    classes: &ErrorClasses,
) -> DoctorFinding {
    let verdict = error.verdict(classes);
    let credential = |says: String| fault(CHECK, Code::CredentialUnusable, says, advice(error, classes));
    match &error.failure {
        Failure::Credential { why, refusal } if refusal.status == 200 => credential(why.clone()),
        Failure::Credential { refusal, .. } if matches!(verdict.class, Class::Auth | Class::Credential) => {
            let what = match refusal.asked {
                "GetCallerIdentity" => "the access key of account",
                "metadata" => "to issue the keys of account",
                _ => "to let the role be assumed of account",
            };
            let code = refusal.shown_code();
            let hint = hint(&refusal.code).unwrap_or_else(|| verdict.meaning.trim_end_matches('.'));
            credential(format!("the cloud refuses {what} {uid}: {code} ({hint})"))
        }
        Failure::NotSent { why } | Failure::Unanswered { why } if error.operation.is_some() && !local => {
            let says = format!("account {uid}: {endpoint} does not answer GetCallerIdentity: {why}");
            let advice = "check the network, the proxy and `[cloud.endpoints] sts`; of the key nothing is known";
            fault(CHECK, Code::CloudUnreachable, says, advice)
        }
        failure => credential(format!("account {uid}: {failure}")),
    }
}

/// What a code of a refused access key means, shorter than in the error table.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "SignatureDoesNotMatch" | "InvalidAccessKeySecret" => "the secret does not fit",
        "InvalidAccessKeyId.NotFound" => "there is no such key",
        "InvalidAccessKeyId.Inactive" | "Forbidden.AccessKeyDisabled" => "the key is disabled",
        _ => return None,
    })
}

fn skew(theirs: Timestamp, ours: Timestamp) -> DoctorFinding {
    let off = ours.duration_since(theirs).unsigned_abs();
    // `Date` has whole seconds, and the answer took some time.
    if off <= SKEW {
        return fine("clock", format!("this machine's clock is within {} s of the cloud's", off.as_secs() + 1));
    }
    let says = format!("this machine's clock is {} s off the cloud's", off.as_secs());
    fault("clock", Code::ClockSkew, says, "set this machine's clock right (NTP)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;
    use crate::engine::ports::cloud::Refusal;

    #[test]
    fn what_keeps_a_credential_from_being_used_is_named_with_its_account() {
        let classes = crate::cli::engine::catalog(&crate::workflow::Overrides::default()).unwrap().classes;
        let uid = AccountUid::parse("1688000000000001").unwrap();
        let asked = |failure| CloudError::new(Operation::GetCallerIdentity, failure);
        let refused = |asked, status, code: &str| {
            let refusal = Refusal { asked, status, code: code.into() };
            CloudError::new(
                Operation::GetCallerIdentity,
                Failure::Credential { why: "w".into(), refusal: Box::new(refusal) },
            )
        };
        let not_sent = || Failure::NotSent { why: "connection refused".into() };
        for (local, error, code, says) in [
            (
                false,
                refused("GetCallerIdentity", 400, "SignatureDoesNotMatch"),
                Code::CredentialUnusable,
                "the cloud refuses the access key of account 1688000000000001: SignatureDoesNotMatch (the secret does not fit)",
            ),
            (
                false,
                refused("GetCallerIdentity", 404, "InvalidAccessKeyId.NotFound"),
                Code::CredentialUnusable,
                "account 1688000000000001: InvalidAccessKeyId.NotFound (there is no such key)",
            ),
            (
                false,
                refused("AssumeRole", 403, "NoPermission"),
                Code::CredentialUnusable,
                "to let the role be assumed of account 1688000000000001: NoPermission (The role does not exist",
            ),
            (false, refused("GetCallerIdentity", 200, ""), Code::CredentialUnusable, "w"),
            (
                false,
                asked(not_sent()),
                Code::CloudUnreachable,
                "account 1688000000000001: https://sts.example does not answer GetCallerIdentity: connection refused",
            ),
            (false, asked(Failure::Unanswered { why: "reset".into() }), Code::CloudUnreachable, "https://sts.example"),
            (
                true,
                asked(not_sent()),
                Code::CredentialUnusable,
                "account 1688000000000001: not sent: connection refused",
            ),
            (false, CloudError::new(None, not_sent()), Code::CredentialUnusable, "account 1688000000000001"),
        ] {
            let finding = unusable(&uid, "https://sts.example", local, &error, &classes);
            assert_eq!((finding.ok, finding.code), (Some(false), Some(code)), "{finding:?}");
            assert!(finding.says.contains(says), "{says}: {finding:?}");
            assert!(finding.advice.is_some_and(|advice| !advice.is_empty()));
            let sent = matches!(error.failure, Failure::Credential { .. } | Failure::Unanswered { .. });
            assert!(!sent || !finding.says.contains("not sent"), "{}", finding.says);
        }
    }

    #[test]
    fn a_clock_may_be_a_minute_off() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        for (theirs, ok) in
            [("2026-11-21T10:19:00Z", true), ("2026-11-21T10:18:59Z", false), ("2026-11-21T10:21:01Z", false)]
        {
            assert_eq!(skew(at(theirs), at("2026-11-21T10:20:00Z")).ok, Some(ok), "{theirs}");
        }
    }
}
