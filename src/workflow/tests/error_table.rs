use super::shown;
use crate::document::Problem;
use crate::workflow::Class::{Account, Auth, Credential, Done, Held, Permanent, State, Throttled, Transient};
use crate::workflow::{Class, Effect, ErrorClasses, HttpStatus};

const EMBEDDED: &str = include_str!("../../../workflows/errors.toml");

pub(super) const GRANT: &str = "GrantInstanceToTransitRouter";
pub(super) const REVOKE: &str = "RevokeInstanceFromTransitRouter";
const MODIFY: &str = "ModifyGrantInstanceToTransitRouter";
pub(super) const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute";
pub(super) const DELETE: &str = "DeleteTransitRouterVpcAttachment";
pub(super) const DETACH: &str = "DetachCenChildInstance";
pub(super) const LIST: &str = "ListTransitRouterVpcAttachments";

/// The code table of API §D.3, row by row.
const TABLE: &[(&str, u16, &str, Class)] = &[
    (GRANT, 400, "Throttling", Throttled),
    (GRANT, 400, "Throttling.User", Throttled),
    (GRANT, 400, "Throttling.user", Throttled),
    (GRANT, 503, "Throttling.Api", Throttled),
    (GRANT, 400, "Rejected.Throttling", Throttled),
    (GRANT, 429, "", Throttled),
    (GRANT, 429, "Whatever", Throttled),
    (GRANT, 503, "ServiceUnavailable", Transient),
    (GRANT, 500, "InternalError", Transient),
    (GRANT, 400, "UnknownError", Transient),
    (GRANT, 400, "SystemBusy", Transient),
    (GRANT, 500, "", Transient),
    (GRANT, 502, "", Transient),
    (GRANT, 503, "InvalidParameter", Transient),
    (GRANT, 504, "", Transient),
    (GRANT, 400, "OperationFailed.TaskConflict", Transient),
    (GRANT, 400, "TaskConflict", Transient),
    (GRANT, 400, "OperationConflict", Transient),
    (GRANT, 400, "Conflict.Lock", Transient),
    (GRANT, 400, "Operation.Blocking", Transient),
    (UPDATE, 400, "TokenProcessing", Transient),
    (UPDATE, 400, "LastTokenProcessing", Transient),
    (UPDATE, 400, "OperationFailed.LastTokenProcessing", Transient),
    (GRANT, 400, "LockFailed", Transient),
    (GRANT, 400, "LockFailed.Vpc", Transient),
    (GRANT, 400, "Vpc.LockFailed", Transient),
    (GRANT, 404, "Operation.FailedAndTryAgain", Transient),
    (GRANT, 400, "SignatureNonceUsed", Transient),
    (GRANT, 400, "InvalidTimeStamp.Expired", Auth),
    (GRANT, 400, "InvalidSecurityToken.Expired", Auth),
    (GRANT, 400, "InvalidSecurityToken.Malformed", Auth),
    (GRANT, 400, "InvalidSecurityToken.MismatchWithAccessKey", Auth),
    (GRANT, 400, "MissingSecurityToken", Auth),
    (UPDATE, 400, "IncorrectStatus", State),
    (UPDATE, 400, "IncorrectStatus.Status", State),
    (DELETE, 400, "IncorrectStatus.VpcOrVswitch", State),
    (DELETE, 400, "InvalidStatus.ResourceStatus", State),
    (DELETE, 400, "InstanceStatus.NotSupport", State),
    (DETACH, 400, "InvalidOperation.CenInstanceStatus", State),
    (UPDATE, 400, "OperationFailed.InvalidVpcStatus", State),
    (UPDATE, 400, "VpnConnection.Configuring", State),
    (UPDATE, 400, "VpnTask.CONFLICT", State),
    (UPDATE, 400, "OperationFailed.AllocateCidrFailed", State),
    (DELETE, 400, "OperationFailed.RouteTableAssociationExist", Permanent),
    (DELETE, 400, "OperationFailed.RouteTablePropagationExist", Permanent),
    (DELETE, 400, "OperationFailed.RouteEntryExist", Permanent),
    (DELETE, 400, "OperationFailed.PrefixListExist", Permanent),
    (DELETE, 400, "InstanceReferenced.VbrRouteEntry", Permanent),
    (DELETE, 400, "OperationFailed.AttachmentReferencedVpcRouteEntryExisted", Permanent),
    (DETACH, 400, "OperationFailed.CenReferencedVpcRouteEntryExisted", Permanent),
    (DELETE, 400, "OperationFailed.MulticastDomainAssociationExist", Permanent),
    (DELETE, 400, "OperationFailed.FlowLogExistOrNisOpened", Permanent),
    (DELETE, 400, "OperationFailed.VbrAttachedVbrHa", Permanent),
    (DELETE, 400, "OperationFailed.VbrWithAllowPrefixes", Permanent),
    ("GrantInstanceToCbn", 400, "DuplicatedGrantRule", Done),
    (REVOKE, 400, "OperationFailed.GrantCrossAccountNotExist", Done),
    (MODIFY, 400, "OperationFailed.GrantCrossAccountNotExist", Permanent),
    (MODIFY, 400, "InvalidOperation.PayerChangeTooFrequent", Class::Unknown),
    (UPDATE, 400, "OperationDenied.PayerChangedRecently", Class::Unknown),
    (DELETE, 400, "OperationDenied.PayerChangedRecently", Permanent),
    ("DescribeGrantRules", 400, "CcnNotExist", Permanent),
    (DELETE, 400, "InvalidTransitRouterAttachmentId.NotFound", Done),
    (DETACH, 404, "Bid.NotFound", Done),
    (DETACH, 400, "ParameterInstanceId", Done),
    ("RevokeInstanceFromCbn", 404, "InvalidInstanceId.NotFound", Done),
    (GRANT, 404, "InvalidInstanceId.NotFound", Permanent),
    ("GrantInstanceToCbn", 400, "CcnNotExist", Permanent),
    ("RevokeInstanceFromCbn", 404, "CcnNotExist", Done),
    (LIST, 400, "ParameterCenInstanceId", Class::Unknown),
    (LIST, 400, "IllegalParam.Region", Class::Unknown),
    (GRANT, 400, "IllegalParam.Region", Permanent),
    (UPDATE, 400, "DryRunOperation", Done),
    ("AttachCenChildInstance", 409, "Forbbiden.AttachChildInstanceAcrossUid", Permanent),
    (GRANT, 403, "Forbidden.RAM", Held),
    (GRANT, 403, "NoPermission", Held),
    (GRANT, 400, "Unauthorized", Permanent),
    (GRANT, 403, "Forbidden", Permanent),
    (GRANT, 403, "Forbidden.Anything", Permanent),
    (GRANT, 403, "Forbbiden.Anything", Permanent),
    (GRANT, 403, "OperationNotPermitted.Anything", Permanent),
    (GRANT, 404, "InvalidAccessKeyId.NotFound", Credential),
    (GRANT, 400, "InvalidAccessKeyId.Inactive", Credential),
    (GRANT, 403, "Forbidden.AccessKeyDisabled", Credential),
    (GRANT, 400, "SignatureDoesNotMatch", Credential),
    (GRANT, 400, "IncompleteSignature", Credential),
    (GRANT, 400, "InvalidSignatureMethod", Credential),
    ("GetCallerIdentity", 404, "InvalidAccessKeyId.NotFound", Credential),
    ("GetCallerIdentity", 200, "", Credential),
    ("AssumeRole", 403, "NoPermission", Credential),
    ("AssumeRole", 404, "EntityNotExist.Role", Credential),
    ("AssumeRole", 400, "InvalidParameter.DurationSeconds", Credential),
    ("AssumeRole", 400, "InvalidSecurityToken.Expired", Auth),
    ("AssumeRole", 400, "Throttling.User", Throttled),
    ("AssumeRole", 500, "InternalError", Transient),
    ("AssumeRoleWithOIDC", 404, "EntityNotExist.OIDCProvider", Credential),
    ("metadata", 404, "", Credential),
    ("metadata", 503, "", Transient),
    (MODIFY, 400, "OperationUnsupported.action", Permanent),
    (GRANT, 400, "Invalid.Grant", Permanent),
    (GRANT, 400, "USER_NOT_OPEN_TR_SERVICE", Account),
    (GRANT, 400, "Forbidden.TransitRouterServiceExpired", Account),
    (GRANT, 404, "QuotaExceeded.CbnGrantRules", Permanent),
    (GRANT, 400, "QuotaExceeded", Permanent),
    (MODIFY, 400, "IdempotentParameterMismatch", Permanent),
    (MODIFY, 400, "MissingParameter.CenId", Permanent),
    (GRANT, 400, "MissingAction", Permanent),
    (GRANT, 400, "InvalidParameter", Permanent),
    (GRANT, 400, "InvalidRegionId", Permanent),
    (LIST, 400, "IllegalParam.NextToken", Class::Unknown),
    (GRANT, 400, "ParameterIllegal.CenId", Permanent),
    (GRANT, 404, "InvalidApi.NotFound", Permanent),
    (GRANT, 404, "InvalidAction.NotFound", Permanent),
    (GRANT, 400, "InvalidVersion", Permanent),
    (GRANT, 404, "InvalidProduct.NotFound", Permanent),
    (GRANT, 400, "InvalidProtocol.NeedSsl", Permanent),
    (GRANT, 400, "UnsupportedHTTPMethod", Permanent),
    (GRANT, 400, "OperationFailed.SomethingNew", Class::Unknown),
    (REVOKE, 404, "", Class::Unknown),
    (UPDATE, 400, "InvalidTransitRouterAttachmentId.NotFound", Class::Unknown),
];

pub(super) fn embedded() -> ErrorClasses {
    ErrorClasses::load(EMBEDDED, None).unwrap_or_else(|found| panic!("{found:#?}"))
}

#[test]
fn every_code_of_the_table_has_its_class() {
    let classes = embedded();
    for (operation, status, code, class) in TABLE {
        assert_eq!(classes.classify(operation, *status, code, false).class, *class, "{operation} {status} {code}");
    }
}

#[test]
fn upper_and_lower_case_make_no_difference() {
    let classes = embedded();
    for (operation, status, code, class) in TABLE {
        let code = code.to_ascii_uppercase();
        assert_eq!(classes.classify(operation, *status, &code, false).class, *class, "{operation} {status} {code}");
    }
}

#[test]
fn an_answer_that_names_a_delay_is_a_throttling_whatever_it_says() {
    let classes = embedded();
    for (operation, status, code, _) in TABLE {
        assert_eq!(classes.classify(operation, *status, code, true).class, Throttled, "{operation} {status} {code}");
    }
}

#[test]
fn only_what_the_service_certainly_turned_away_had_no_effect() {
    let classes = embedded();
    let effect = |status, code, retry_after| classes.classify(GRANT, status, code, retry_after).effect;
    let none = [
        "Throttling.User",
        "OperationFailed.TaskConflict",
        "Operation.Blocking",
        "TokenProcessing",
        "InvalidParameter",
    ];
    for code in none {
        assert_eq!(effect(400, code, false), Effect::None, "{code}");
        assert_eq!(effect(400, code, true), Effect::None, "{code}");
    }
    assert_eq!(effect(429, "", false), Effect::None);
    for status in [500, 502, 503, 504, 599] {
        assert_eq!(effect(status, "OperationFailed.TaskConflict", false), Effect::Unknown, "{status}");
        assert_eq!(effect(status, "", true), Effect::Unknown, "{status}");
    }
    for (status, code) in [(400, "UnknownError"), (400, "SignatureNonceUsed"), (400, "Never.Seen"), (302, "")] {
        assert_eq!(effect(status, code, false), Effect::Unknown, "{code}");
    }
    assert_eq!(classes.not_sent().effect, Effect::None);
    assert_eq!(classes.unanswered().effect, Effect::Unknown);
}

#[test]
fn no_entry_is_hidden_by_those_before_it() {
    let classes = embedded();
    let entries = classes.entries();
    for (at, entry) in entries.iter().enumerate() {
        let codes = if entry.codes.is_empty() { vec!["Never.Seen".to_owned()] } else { entry.codes.clone() };
        let operations = if entry.operations.is_empty() { vec!["Never".to_owned()] } else { entry.operations.clone() };
        let status = match entry.http.first() {
            Some(HttpStatus::Exactly(number)) => *number,
            Some(HttpStatus::Hundred(hundred)) => hundred * 100,
            None if entry.codes.is_empty() => 302,
            None => 400,
        };
        for (code, operation) in codes.iter().flat_map(|code| operations.iter().map(move |operation| (code, operation)))
        {
            let verdict = classes.classify(operation, status, &code.replace('*', "x"), entry.retry_after);
            assert_eq!(verdict, entry.verdict(), "entry {at}, {code}");
        }
    }
}

#[test]
fn an_operators_entry_comes_first() {
    let text = "[[class]]\ncode = [\"Sim.SomethingNew\", \"Throttling.*\"]\nhttp = [400, \"5xx\"]\n\
                operations = \"Grant*\"\nclass = \"permanent\"\neffect = \"none\"\nmeaning = \"New.\"\ndo = \"Ask.\"";
    let classes = ErrorClasses::load(EMBEDDED, Some(("my.toml", text))).unwrap();
    let verdict = classes.classify(GRANT, 400, "sim.somethingnew", false);
    assert_eq!((verdict.class, verdict.meaning, verdict.advice), (Permanent, "New.", "Ask."));
    assert_eq!(classes.classify(GRANT, 503, "Throttling.User", false).class, Permanent);
    assert_eq!(classes.classify(GRANT, 404, "Sim.SomethingNew", false).class, Class::Unknown);
    assert_eq!(classes.classify(REVOKE, 400, "Sim.SomethingNew", false).class, Class::Unknown);
    assert_eq!(classes.classify(GRANT, 400, "Sim.SomethingNew", true).class, Throttled);
    let explained = classes.explain("Sim.SomethingNew");
    assert_eq!(explained.iter().map(|entry| entry.meaning.as_str()).collect::<Vec<_>>(), ["New."]);
}

#[test]
fn a_code_is_explained_by_every_entry_that_names_it() {
    let classes = embedded();
    let classes_of = |code| classes.explain(code).iter().map(|entry| entry.class).collect::<Vec<_>>();
    assert_eq!(classes_of("CcnNotExist"), [Done, Permanent, Permanent]);
    assert_eq!(classes_of("Never.Seen"), [Class::Unknown]);
}

#[test]
fn each_mistake_is_found_on_its_line() {
    let good = "[[class]]\ncode = \"X\"\nclass = \"state\"\neffect = \"none\"\nmeaning = \"m\"\ndo = \"d\"\n";
    let cases: &[(&str, &str, &[&str])] = &[
        (
            "code =",
            "cod =",
            &[
                "2: unknown key `cod` in `[[class]]`; did you mean `code`? (known: `code`, `http`, `operations`, `retry-after`, \
             `class`, `effect`, `finding`, `meaning`, `do`)",
            ],
        ),
        ("code = \"X\"", "code = 1", &["2: `code` must be a string, not a number"]),
        ("code = \"X\"", "http = \"5x\"", &["2: `http` must be a status such as 429 or \"5xx\", not `5x`"]),
        ("code = \"X\"", "http = 999", &["2: `http` must be a status such as 429 or \"5xx\", not `999`"]),
        ("code = \"X\"", "retry-after = 1", &["2: `retry-after` must be true or false, not a number"]),
        (
            "\"state\"",
            "\"stat\"",
            &[
                "3: `class` cannot be `stat`; did you mean `state`? (known: `throttled`, `transient`, `state`, `auth`, `credential`, \
             `held`, `account`, `done`, `permanent`, `unknown`)",
            ],
        ),
        ("effect = \"none\"\n", "", &["1: `effect` is missing in `[[class]]`"]),
        ("\"none\"", "\"some\"", &["4: `effect` cannot be `some` (known: `none`, `unknown`)"]),
        ("do = \"d\"", "do = \"\"", &["6: `do` is empty"]),
        ("[[class]]", "[[clas]]", &["1: unknown key `clas` in this file; did you mean `class`? (known: `class`)"]),
    ];
    for (from, to, expected) in cases {
        let found = ErrorClasses::load(EMBEDDED, Some(("my.toml", &good.replace(from, to)))).unwrap_err();
        let expected: Vec<_> = expected.iter().map(|line| format!("my.toml:{line}")).collect();
        assert_eq!(shown(&found), expected, "{from} -> {to}");
    }
}

#[test]
fn what_is_held_or_lacking_is_named_and_nothing_found_but_by_calls_about_an_instance() {
    let load = |class: &str, rest: &str| {
        let text = format!(
            "[[class]]\ncode = \"X\"\nclass = \"{class}\"\n{rest}\neffect = \"none\"\nmeaning = \"m\"\ndo = \"d\"\n"
        );
        let table = ErrorClasses::load(EMBEDDED, Some(("my.toml", &text)));
        table.map(drop).map_err(|found| found.iter().map(Problem::to_string).collect::<Vec<_>>())
    };
    for operations in ["\"List*\"", "[\"DescribeCens\", \"check*\"]", "[\"Grant*\", \"update*\"]"] {
        assert_eq!(load("held", &format!("operations = {operations}")), Ok(()), "{operations}");
    }
    for operations in ["", "operations = \"*\"", "operations = [\"List*\", \"Grant*\"]", "operations = \"L*\""] {
        let said = "my.toml:1: `class = \"held\"` is for reads or for writes: each of `operations` must begin with one of `List`, \
                    `Describe`, `Check`, or each with one of `Grant`, `Revoke`, `Modify`, `Update`, `Delete`, `Detach` \
                    [workflow-contradiction]";
        assert_eq!(load("held", operations), Err(vec![said.to_owned()]), "{operations}");
    }
    for operations in ["\"Grant*\"", "[\"RevokeInstanceFromCbn\", \"modify*\"]", "\"DescribeGrantRules\""] {
        let rest = format!("operations = {operations}\nfinding = \"instance\"");
        assert_eq!(load("permanent", &rest), Ok(()), "{operations}");
    }
    let said = "my.toml:1: `finding` is only for calls that name an instance and are refused for good: `class` must be \
                `permanent` or `done`, and each of `operations` must begin with one of `Grant`, `Revoke`, `Modify`, \
                `DescribeGrantRules` [workflow-contradiction]";
    for (class, operations) in
        [("permanent", ""), ("permanent", "operations = \"List*\""), ("state", "operations = \"Grant*\"")]
    {
        let rest = format!("{operations}\nfinding = \"instance\"");
        assert_eq!(load(class, &rest), Err(vec![said.to_owned()]), "{class} {operations}");
    }
    let said = "my.toml:4: `finding` cannot be `cen` (known: `instance`) [workflow-bad-value]";
    assert_eq!(load("permanent", "finding = \"cen\""), Err(vec![said.to_owned()]));
    let account = |code: &str, effect: &str| {
        let text =
            format!("[[class]]\n{code}\nclass = \"account\"\neffect = \"{effect}\"\nmeaning = \"m\"\ndo = \"d\"\n");
        let table = ErrorClasses::load(EMBEDDED, Some(("my.toml", &text)));
        table.map(drop).map_err(|found| found.iter().map(Problem::to_string).collect::<Vec<_>>())
    };
    let said = "my.toml:1: `class = \"account\"` says that no job is to blame and that nothing was done: it needs a `code` and \
                `effect = \"none\"` [workflow-contradiction]";
    assert_eq!(account("code = \"Forbidden.Bill\"", "none"), Ok(()));
    for (code, effect) in [("http = 403", "none"), ("code = \"Forbidden.Bill\"", "unknown")] {
        assert_eq!(account(code, effect), Err(vec![said.to_owned()]), "{code} {effect}");
    }
    let whole = format!("{EMBEDDED}\n[[class]]\nclass = \"held\"\neffect = \"none\"\nmeaning = \"m\"\ndo = \"d\"\n");
    assert_eq!(
        ErrorClasses::load(&whole, None).map(drop).unwrap_err().len(),
        1,
        "the embedded table is held to it too"
    );
}

#[test]
fn a_table_that_leaves_an_answer_without_a_verdict_is_refused() {
    let found = ErrorClasses::load("", None).unwrap_err();
    assert_eq!(found.len(), 2);
}
