//! Every error code that the vendor publishes for the operations the worker calls, and others worth a class: none may be
//! unknown to the table, and each must be told for what it is.
//!
//! Codes come from the vendor's API metadata (state of 2024-06, the last that names codes) and from API §K. Two are
//! published with a TAB at the end, which the client takes off.

use std::collections::BTreeSet;

use super::error_table::{DELETE, DETACH, GRANT, LIST, REVOKE, UPDATE, embedded};
use crate::domain::Operation;
use crate::workflow::Class::{self, Account, Credential, Done, Held, Permanent, State, Throttled, Transient, Unknown};
use crate::workflow::Finding;

/// Operation, HTTP status and published codes. Every operation of Cbn also publishes `InvalidParameter` and `Unauthorized`.
const PUBLISHED: &[(&str, u16, &str)] = &[
    ("AssumeRole", 400, "InvalidParameter.DurationSeconds InvalidParameter.ExternalId InvalidParameter.RoleArn"),
    ("AssumeRole", 400, "InvalidParameter.RoleSessionName InvalidParameter.SerialNumber InvalidParameter.TokenCode"),
    ("AssumeRole", 400, "InvalidParameter.PolicyGrammar InvalidParameter.PolicySize InvalidParameter.ContentType"),
    ("AssumeRole", 403, "NoPermission AuthenticationFail.ApiUsername AuthenticationFail.ApiPassword"),
    ("AssumeRole", 404, "EntityNotExist.Role"),
    ("AssumeRole", 500, "InternalError"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.Expired AuthenticationFail.OIDCToken.Invalid"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.AudienceNotMatch AuthenticationFail.NoPermission"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.IssuerNotMatch Throttling.User EntityNotExist.Role"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.IssuerConfigurationBroken"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch"),
    ("CheckTransitRouterService", 400, "USER_NOT_OPEN_TR_SERVICE"),
    ("DeleteTransitRouterEcrAttachment", 400, "OperationFailed.NotSupportForceDelete IncorrectStatus.EcrResource"),
    ("DeleteTransitRouterEcrAttachment", 400, DELETE_ANY),
    ("DeleteTransitRouterEcrAttachment", 400, "OperationFailed.FlowLogExistOrNisOpened"),
    ("DeleteTransitRouterVbrAttachment", 400, DELETE_ANY),
    (
        "DeleteTransitRouterVbrAttachment",
        400,
        "OperationFailed.FlowLogExistOrNisOpened InstanceReferenced.VpcRouteEntry",
    ),
    ("DeleteTransitRouterVbrAttachment", 400, "OperationFailed.VbrAttachedVbrHa OperationFailed.VbrWithAllowPrefixes"),
    ("DeleteTransitRouterVbrAttachment", 400, "OperationFailed.NotSupportForceDelete"),
    ("DeleteTransitRouterVpcAttachment", 400, DELETE_ANY),
    ("DeleteTransitRouterVpcAttachment", 400, "OperationFailed.AttachmentReferencedVpcRouteEntryExisted"),
    ("DeleteTransitRouterVpcAttachment", 400, "OperationFailed.MulticastDomainAssociationExist IncorrectStatus.Vpc"),
    ("DeleteTransitRouterVpcAttachment", 400, "IncorrectStatus.VpcRouteEntry IncorrectStatus.VpcSwitch"),
    ("DeleteTransitRouterVpcAttachment", 400, "OperationFailed.NotSupportForceDelete IncorrectStatus.VpcRouteTable"),
    ("DeleteTransitRouterVpnAttachment", 400, DELETE_ANY),
    ("DeleteTransitRouterVpnAttachment", 400, "OperationFailed.NotSupportForceDelete IncorrectStatus.ResourceStatus"),
    ("DescribeCenAttachedChildInstances", 400, ""),
    ("DescribeCens", 400, "InvalidTagKey InvalidTagValue"),
    ("DescribeGrantRules", 400, ""),
    ("DescribeGrantRulesToCen", 400, "MissingParameter InvalidParameter.RegionId"),
    ("DescribeGrantRulesToResource", 400, "MissingParameter InvalidParameter.RegionId"),
    ("DescribeVpnAttachments", 400, "Forbidden.TagKey.Duplicated SizeLimitExceeded.TagNum Duplicated.TagKey"),
    ("DescribeVpnAttachments", 400, "InvalidParameter.TagValue InvalidParameter.TagKey"),
    (DETACH, 400, "OperationFailed.AttachmentReferencedVpcRouteEntryExisted Forbidden.OptimizationCCNExisted"),
    (DETACH, 400, "OperationFailed.CenReferencedVpcRouteEntryExisted Forbidden.PrivatezoneRouteExisted"),
    (DETACH, 400, "OperationFailed.VbrAttachedVbrHa OperationFailed.RIInstanceExist Forbidden.TypeInvalid"),
    (DETACH, 400, "IncorrectStatus.Vpc IncorrectStatus.VpcRouteTable"),
    (DETACH, 404, "Bid.NotFound"),
    ("GetCallerIdentity", 500, "InternalError"),
    ("GrantInstanceToCbn", 400, "DuplicatedGrantRule"),
    (GRANT, 400, "Forbbiden.TransitRouterServiceNotOpen NoPermission.AliyunServiceRoleForCEN IllegalParam.CenId"),
    (GRANT, 400, "OperationFailed.TaskConflict InvalidVbr.NotFound"),
    (GRANT, 404, "InvalidInstanceId.NotFound"),
    ("ListTransitRouterEcrAttachments", 400, LIST_ANY),
    ("ListTransitRouterVbrAttachments", 400, LIST_ANY),
    ("ListTransitRouterVpcAttachments", 400, LIST_ANY),
    ("ListTransitRouterVpnAttachments", 400, LIST_ANY),
    ("ListTransitRouters", 400, "InvalidParameterCombination.TransitRouter IllegalParam.TagValue IllegalParam.TagKey"),
    ("ListTransitRouters", 400, "InvalidOperation.UnsupportFilter InvalidOperation.UnsupportFilterValue"),
    ("ModifyGrantInstanceToTransitRouter", 400, "OperationUnsupported.action MissingParameter.CenId"),
    ("ModifyGrantInstanceToTransitRouter", 400, "OperationFailed.GrantCrossAccountNotExist MissingParameter.OrderType"),
    ("RevokeInstanceFromCbn", 400, ""),
    (REVOKE, 400, "IncorrectStatus.Cen"),
    ("UpdateTransitRouterVbrAttachmentAttribute", 400, "InvalidTransitRouterAttachmentId.NotFound"),
    ("UpdateTransitRouterVbrAttachmentAttribute", 400, "IncorrectStatus.TransitRouterAttachment"),
    (UPDATE, 400, "IncorrectStatus.TransitRouterAttachmentId InvalidTransitRouterAttachmentId.NotFound"),
    (UPDATE, 400, "InvalidOperation.RegionNotSupport InvalidOperation.VpcAutoRoutesPublishInOtherCEN"),
    (UPDATE, 400, "InvalidOperation.VpnAssociated QuotaExceeded.VpcAutoRoutesPublishPerTransitRouter"),
    (UPDATE, 400, "OperationFailed.VSwitchNotFound OperationFailed.VSwitchIpv6CidrNotAllocated"),
    (UPDATE, 400, "IllegalParam.Ipv6Support OperationInvalid.AttachmentReferencedIPv6RouteEntryExisted"),
    (UPDATE, 400, "OperationInvalid.AttachmentReferencedVpcIPv6RouteEntryExisted"),
    (UPDATE, 400, "OperationInvalid.EniReferencedIPv6RouteEntryExisted"),
    ("UpdateTransitRouterVpnAttachmentAttribute", 400, "InvalidTransitRouterAttachmentId.NotFound"),
    ("UpdateTransitRouterVpnAttachmentAttribute", 400, "IncorrectStatus.TransitRouterAttachmentId"),
];

const DELETE_ANY: &str = "OperationFailed.RouteTableAssociationExist OperationFailed.RouteTablePropagationExist \
                          OperationFailed.RouteEntryExist OperationFailed.PrefixListExist \
                          OperationUnsupported.TransitRouterType InvalidTransitRouterAttachmentId.NotFound";

const LIST_ANY: &str = "IllegalParam.NextToken IllegalParam.TrInstance IllegalParam.Region IllegalParam.CenId \
                        IllegalParam.TransitRouterId IllegalParam.CenIdOrRegionId IllegalParam.MaxResults";

/// Operation, HTTP status, code; its class; and words that the meaning or the advice holds, so that a person is told what
/// this code is about and nothing more general.
const TOLD: &[(&str, u16, &str, Class, &str)] = &[
    (GRANT, 400, "NoPermission.AliyunServiceRoleForCEN", Account, "ram:CreateServiceLinkedRole"),
    (GRANT, 400, "NoPermission.AliyunServiceRoleForCEN", Account, "`ram:ServiceName` = `cen.aliyuncs.com`"),
    (GRANT, 400, "NoPermission.AliyunServiceRoleForCEN", Account, "account that owns the network instance"),
    (GRANT, 400, "Forbbiden.TransitRouterServiceNotOpen", Account, "account that owns the network instance"),
    (GRANT, 400, "Forbbiden.TransitRouterServiceNotOpen", Account, "Activate it"),
    ("CreateX", 400, "Forbidden.ResourceOwnerTransitRouterServiceNotOpen", Account, "Activate it"),
    ("CheckTransitRouterService", 400, "USER_NOT_OPEN_TR_SERVICE", Account, "Activate it"),
    ("AttachX", 409, "Forbbiden.AttachChildInstanceAcrossBid", Permanent, "different sites"),
    (GRANT, 400, "InvalidVbr.NotFound", Permanent, "approved"),
    (GRANT, 404, "InvalidVbr.NotFound", Permanent, "no such VBR"),
    (GRANT, 404, "InvalidInstanceId.NotFound", Permanent, "no such instance"),
    (REVOKE, 404, "InvalidInstanceId.NotFound", Done, "gone"),
    ("GrantInstanceToCbn", 404, "CcnNotExist", Permanent, "no such instance"),
    (GRANT, 404, "InstanceType.Invalid", Permanent, "type"),
    (REVOKE, 404, "InstanceType.Invalid", Permanent, "type"),
    (GRANT, 400, "InvalidParameter.RegionId", Permanent, "region"),
    (GRANT, 404, "InvalidRegionId.NotFound", Permanent, "region"),
    (GRANT, 400, "Unauthorized", Permanent, "RAM policy"),
    (GRANT, 400, "Unauthorized", Permanent, "`instance.owner`"),
    (REVOKE, 400, "Unauthorized", Permanent, "`instance.owner`"),
    (LIST, 400, "IllegalParam.CenIdOrRegionId", Held, "worker itself"),
    ("ListTransitRouters", 400, "InvalidParameterCombination.TransitRouter", Held, "worker itself"),
    ("DescribeGrantRulesToResource", 400, "MissingParameter", Held, "worker itself"),
    ("DescribeGrantRulesToCen", 400, "MissingParameter.RegionId", Held, "worker itself"),
    (GRANT, 400, "MissingParameter.RegionId", Permanent, "parameter"),
    (GRANT, 400, "InvalidParameterCombination.X", Permanent, "parameter"),
    ("ListTransitRouters", 403, "Forbidden.RAM", Held, "cen:ListTransitRouters"),
    ("ListTransitRouters", 403, "NoPermission", Held, "cen:ListTransitRouters"),
    ("DescribeCens", 403, "Forbidden.RAM", Held, "cen:DescribeCens"),
    ("CheckTransitRouterService", 403, "NoPermission", Held, "crossgrant doctor"),
    (LIST, 403, "Forbidden.RAM", Permanent, "RAM policy"),
    (GRANT, 403, "NoPermission", Held, "RAM policy"),
    (LIST, 400, "IllegalParam.NextToken", Unknown, "read"),
    (LIST, 400, "IllegalParam.TransitRouterId", Unknown, "read"),
    (REVOKE, 400, "IncorrectStatus.Cen", State, "state"),
    (UPDATE, 400, "IncorrectStatus.TransitRouterAttachmentId", State, "state"),
    (UPDATE, 400, "IncorrectStatus.TransitRouterAttachment", State, "state"),
    (UPDATE, 400, "InvalidTransitRouterAttachmentId.NotFound", Unknown, "not there any more"),
    (UPDATE, 400, "InvalidOperation.RegionNotSupport", Permanent, "not offer"),
    (UPDATE, 400, "OperationFailed.VSwitchNotFound", Permanent, "vSwitch"),
    (UPDATE, 400, "OperationFailed.VSwitchIpv6CidrNotAllocated", Permanent, "IPv6"),
    (UPDATE, 400, "OperationInvalid.EniReferencedIPv6RouteEntryExisted", Permanent, "IPv6"),
    (UPDATE, 400, "InvalidOperation.VpcAutoRoutesPublishInOtherCEN", Permanent, "published"),
    (UPDATE, 400, "InvalidOperation.VpnAssociated", Permanent, "attachment"),
    (UPDATE, 400, "QuotaExceeded.VpcAutoRoutesPublishPerTransitRouter", Permanent, "quota"),
    ("DescribeVpnAttachments", 400, "SizeLimitExceeded.TagNum", Permanent, "tags"),
    ("DescribeVpnAttachments", 400, "Duplicated.TagKey", Permanent, "tags"),
    ("DescribeVpnAttachments", 400, "Forbidden.TagKey.Duplicated", Permanent, "tags"),
    (GRANT, 400, "OperationFailed.OperationIsProcessing", Transient, "task"),
    (GRANT, 400, "OperationFailed.OrderIsProcessing", Transient, "task"),
    (GRANT, 400, "OperationFailed.TaskConflict", Transient, "task"),
    (GRANT, 400, "QuotaFull.ChildInstanceRelatedCen", Permanent, "quota"),
    (GRANT, 400, "QuotaReached.Route", Permanent, "quota"),
    (GRANT, 400, "OperationFailed.QuotaNotEnough", Permanent, "quota"),
    (GRANT, 404, "QuotaExceeded.CbnGrantRules", Permanent, "quota"),
    (GRANT, 400, "OperationNotSupport.VpcAutoRoutesPublish", Permanent, "not offer"),
    (GRANT, 400, "UnSupported.ChargeType", Permanent, "not offer"),
    (GRANT, 400, "OperationDenied.RouteEntryOnEni", Permanent, "in the way"),
    (GRANT, 400, "Illegal.Name", Permanent, "parameter"),
    (GRANT, 400, "InstanceNotExist", Permanent, "does not exist"),
    (GRANT, 400, "InstanceNotExist.TransitRouter", Permanent, "does not exist"),
    (GRANT, 400, "ResourceNotFound.PrefixList", Permanent, "does not exist"),
    (GRANT, 400, "InvalidAccountStatus.NotEnoughBalance", Account, "overdue payment"),
    (GRANT, 400, "Account.Arrearage", Account, "overdue payment"),
    (GRANT, 400, "Forbidden.TransitRouterServiceExpired", Account, "overdue payment"),
    (GRANT, 400, "Forbidden.AccountOverdue", Account, "overdue payment"),
    (GRANT, 400, "PAY.INSUFFICIENT_BALANCE", Account, "overdue payment"),
    (GRANT, 400, "OperationFailed.NoAvailablePaymentMethod", Account, "overdue payment"),
    (GRANT, 400, "CreateServiceLinkedRole.Denied", Account, "ram:CreateServiceLinkedRole"),
    (GRANT, 403, "Forbidden.RiskControl", Account, "misuse"),
    (LIST, 400, "InvalidAccountStatus.NotEnoughBalance", Account, "overdue payment"),
    (UPDATE, 400, "InvalidAccountStatus.NotEnoughBalance", Account, "overdue payment"),
    (GRANT, 400, "InvalidAccessKeySecret", Credential, "secret"),
    (GRANT, 400, "InvalidTimeStamp.Format", Credential, "time"),
    (DETACH, 400, "Forbidden.TypeInvalid", Permanent, "Basic Edition"),
    (DELETE, 400, "OperationUnsupported.TransitRouterType", Permanent, "not offer"),
    ("GrantInstanceToCbn", 400, "DuplicatedGrantRule", Done, "already"),
    ("AssumeRole", 400, "InvalidParameter.ExternalId", Credential, "external id"),
    ("AssumeRole", 403, "NoPermission", Credential, "root account"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.OIDCToken.Expired", Credential, "sts.aliyuncs.com"),
    ("AssumeRoleWithOIDC", 400, "AuthenticationFail.NoPermission", Credential, "OIDC"),
    ("AssumeRoleWithOIDC", 400, "Throttling.User", Throttled, "more requests"),
];

/// A refusal of one of these tells that what the job says of the instance is wrong.
const OF_THE_INSTANCE: &[(&str, &str)] = &[
    (GRANT, "InvalidInstanceId.NotFound"),
    ("GrantInstanceToCbn", "CcnNotExist"),
    (GRANT, "InvalidParameter"),
    (GRANT, "InvalidParameter.RegionId"),
    (GRANT, "InvalidParameter.InstanceId"),
    (GRANT, "InvalidRegionId.NotFound"),
    (GRANT, "InstanceType.Invalid"),
    (GRANT, "Unauthorized"),
    (REVOKE, "InvalidInstanceId.NotFound"),
    (REVOKE, "InvalidParameter"),
    (REVOKE, "InvalidParameter.RegionId"),
    (REVOKE, "InvalidRegionId.NotFound"),
    (REVOKE, "InstanceType.Invalid"),
    (REVOKE, "Unauthorized"),
    ("RevokeInstanceFromCbn", "Unauthorized"),
];

/// And none of these does: the CEN, the account or the worker is what they are about, or nothing was refused for good.
const NOT_OF_THE_INSTANCE: &[(&str, &str)] = &[
    ("RevokeInstanceFromCbn", "InvalidInstanceId.NotFound"),
    (GRANT, "InvalidParameter.CenId"),
    (GRANT, "InvalidParameter.CenOwnerId"),
    (GRANT, "InvalidParameter.OrderType"),
    (GRANT, "IllegalParam.CenId"),
    (GRANT, "MissingParameter.InstanceId"),
    (GRANT, "InvalidParameterCombination.X"),
    (GRANT, "InvalidVbr.NotFound"),
    (GRANT, "Forbidden.RAM"),
    (GRANT, "NoPermission.AliyunServiceRoleForCEN"),
    (UPDATE, "Unauthorized"),
    (LIST, "Unauthorized"),
    (LIST, "InvalidParameter"),
];

#[test]
fn no_published_code_falls_to_the_last_entry() {
    let table = embedded();
    let last = table.classify("Never", 400, "Never.Seen", false);
    for (operation, status, codes) in PUBLISHED {
        for code in codes.split_whitespace().chain(["InvalidParameter", "Unauthorized"]) {
            let verdict = table.classify(operation, *status, code, false);
            assert_ne!(verdict, last, "{operation} {status} {code}");
        }
    }
    let known: BTreeSet<&str> = PUBLISHED.iter().map(|(operation, ..)| *operation).collect();
    let missing: Vec<_> = Operation::NAMES.iter().filter(|operation| !known.contains(**operation)).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "what is published for each operation that is called stands above");
}

#[test]
fn a_code_is_told_for_what_it_is() {
    let table = embedded();
    for (operation, status, code, class, words) in TOLD {
        let verdict = table.classify(operation, *status, code, false);
        assert_eq!(verdict.class, *class, "{operation} {status} {code}");
        let text = format!("{} {}", verdict.meaning, verdict.advice);
        assert!(text.contains(words), "{operation} {status} {code}: no `{words}` in {text}");
    }
}

#[test]
fn a_refused_write_tells_what_is_wrong_with_the_instance() {
    let table = embedded();
    let finding = |operation: &str, code: &str| table.classify(operation, 400, code, false).finding;
    for (operation, code) in OF_THE_INSTANCE {
        assert_eq!(finding(operation, code), Some(Finding::Instance), "{operation} {code}");
    }
    for (operation, code) in NOT_OF_THE_INSTANCE {
        assert_eq!(finding(operation, code), None, "{operation} {code}");
    }
}
