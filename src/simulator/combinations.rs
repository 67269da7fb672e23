//! Which parameters may come together: for every operation the ways of asking that the vendor's pages and SDKs offer.
//! What fits none is refused, so that a misspelled or a missing parameter never passes unseen.

use super::envelope::Refusal;
use super::request::Params;

/// One way of asking an operation.
///
/// Names of array parameters are patterns: `N` and `M` stand for a number from 1, as in `Filter.N.Value.M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// The product, as in the API's own list.
    pub product: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// What must be there. Of an array, one element.
    pub required: &'static [&'static str],
    /// What may be there besides, in groups.
    pub optional: &'static [&'static [&'static str]],
    /// The page that offers it, with its date, or the SDK with its version.
    pub page: &'static str,
}

impl Combination {
    /// Whether parameters of these names, and no others, may come together. Names that every operation takes and ignores,
    /// and those of the protocol, count for nothing.
    pub fn allows<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let names: Vec<&str> = names.into_iter().collect();
        let there = |pattern: &&str| names.iter().any(|name| fits(pattern, name));
        self.required.iter().all(there) && names.iter().all(|name| self.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        let optional = self.optional.iter().copied().flatten();
        ignored(name) || self.required.iter().chain(optional).any(|pattern| fits(pattern, name))
    }

    /// What must be there and has no value.
    fn missing(&self, params: &Params) -> Option<&'static str> {
        self.required.iter().copied().find(|pattern| !params.names_with_value().any(|name| fits(pattern, name)))
    }
}

/// Every way of asking every operation there is.
pub fn combinations() -> &'static [Combination] {
    ALL
}

/// Holds a call's parameters against the table.
///
/// # Errors
/// What the operation publishes when none of its ways is complete; `InvalidParameter` for a name that the complete ones
/// do not know.
pub(super) fn check(operation: &str, params: &Params) -> Result<(), Refusal> {
    let ways = ALL.iter().filter(|way| way.operation == operation);
    let (complete, lacking): (Vec<&Combination>, Vec<&Combination>) =
        ways.partition(|way| way.missing(params).is_none());
    if complete.is_empty() {
        let missing = lacking.last().and_then(|way| way.missing(params)).unwrap_or_default();
        let code = INCOMPLETE.iter().find(|(operations, _)| operations.contains(&operation));
        let code = code.map_or_else(|| format!("MissingParameter.{missing}"), |(_, code)| (*code).to_owned());
        return Err(Refusal::bad(code, format!("The parameter {missing} is mandatory.")));
    }
    let unknown = |way: &&Combination| params.names().find(|name| !way.knows(name));
    match complete.iter().map(unknown).min() {
        Some(Some(name)) => Err(Refusal::invalid(name, format!("{operation} does not take it here"))),
        _ => Ok(()),
    }
}

/// Names that every operation takes and ignores (API §1).
const HIDDEN: [&str; 4] = ["OwnerAccount", "OwnerId", "ResourceOwnerAccount", "ResourceOwnerId"];

/// Names of the protocol, where it puts them beside the parameters.
const PROTOCOL: [&str; 10] = [
    "AccessKeyId",
    "Action",
    "Format",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

pub(super) fn ignored(name: &str) -> bool {
    HIDDEN.contains(&name) || PROTOCOL.contains(&name)
}

fn fits(pattern: &str, name: &str) -> bool {
    let number = |text: &str| !text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mut pattern, mut name) = (pattern.split('.'), name.split('.'));
    loop {
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some("N" | "M"), Some(part)) if number(part) => {}
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
}

/// What is published for operations none of whose ways is complete; the others say `MissingParameter.` and the name.
/// One has a TAB at its end, as published (API §K).
const INCOMPLETE: [(&[&str], &str); 4] = [
    (&[LIST_VPC, LIST_VBR, LIST_VPN, LIST_ECR], "IllegalParam.CenIdOrRegionId"),
    (&["ListTransitRouters"], "InvalidParameterCombination.TransitRouter"),
    (&["DescribeGrantRulesToResource"], "MissingParameter\t"),
    (&["DescribeGrantRulesToCen"], "MissingParameter"),
];

const LIST_VPC: &str = "ListTransitRouterVpcAttachments";
const LIST_VBR: &str = "ListTransitRouterVbrAttachments";
const LIST_VPN: &str = "ListTransitRouterVpnAttachments";
const LIST_ECR: &str = "ListTransitRouterEcrAttachments";

const CBN_SDK: &str = "SDK cbn20170912 1.4.0";
const SMARTAG_SDK: &str = "SDK smartag20180313 2.1.2";
const STS_SDK: &str = "SDK sts20150401 1.2.0";
const LIST_VPC_PAGE: &str = "ListTransitRouterVpcAttachments, help page 2026-09-02";
const LIST_VBR_PAGE: &str = "ListTransitRouterVbrAttachments, help page 2025-12-14";
const PAYER_PAGE: &str = "payer of cross-account connections, help page 2026-05-09; SDK cbn20170912 1.4.0";

/// Pages by token.
const BY_TOKEN: &[&str] = &["MaxResults", "NextToken"];
/// Pages by number.
const BY_NUMBER: &[&str] = &["PageNumber", "PageSize"];
const TAGS: &[&str] = &["Tag.N.Key", "Tag.N.Value"];
/// What narrows a list of attachments beside what it is asked by.
const WHERE: &[&str] = &["CenId", "RegionId", "TransitRouterAttachmentId"];
const OF_VPC: &[&str] = &["OrderType", "Status", "VpcId"];
const NAMES: &[&str] = &["TransitRouterAttachmentDescription", "TransitRouterAttachmentName"];
/// What guards a write.
const GUARDS: &[&str] = &["ClientToken", "DryRun"];
const OF_ROUTERS: &[&str] =
    &["FeatureFilter.N.Key", "FeatureFilter.N.Value.M", "Status", "TransitRouterName", "Type", "CenId", "RegionId"];

const fn cbn(
    operation: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static [&'static str]],
    page: &'static str,
) -> Combination {
    Combination { product: "Cbn", operation, required, optional, page }
}

const ALL: &[Combination] = &[
    cbn(
        "GrantInstanceToTransitRouter",
        &["CenId", "CenOwnerId", "InstanceId", "InstanceType"],
        &[&["OrderType", "RegionId"]],
        CBN_SDK,
    ),
    cbn(
        "RevokeInstanceFromTransitRouter",
        &["CenId", "CenOwnerId", "InstanceId", "InstanceType"],
        &[&["RegionId"]],
        CBN_SDK,
    ),
    cbn("ModifyGrantInstanceToTransitRouter", &["CenId", "InstanceId", "OrderType"], &[&["ClientToken"]], PAYER_PAGE),
    cbn("DescribeGrantRulesToResource", &["ResourceId", "ProductType"], &[&["RegionId"], BY_TOKEN], CBN_SDK),
    cbn(
        "DescribeGrantRulesToCen",
        &["CenId", "ProductType"],
        &[&["ChildInstanceId", "ChildInstanceOwnerId", "EnabledIpv6", "RegionId"], BY_TOKEN],
        CBN_SDK,
    ),
    cbn("ListTransitRouters", &["TransitRouterId"], &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn("ListTransitRouters", &["RegionId"], &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn("ListTransitRouters", &["CenId"], &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn(LIST_VPC, &["TransitRouterId"], &[WHERE, OF_VPC, TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VPC, &["RegionId"], &[OF_VPC, &["TransitRouterAttachmentId"], TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VPC, &["CenId", "RegionId"], &[OF_VPC, &["TransitRouterAttachmentId"], TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VBR, &["TransitRouterId"], &[WHERE, TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VBR, &["TransitRouterAttachmentId"], &[WHERE, TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VBR, &["CenId", "RegionId"], &[TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VPN, &["TransitRouterId"], &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_VPN, &["TransitRouterAttachmentId"], &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_VPN, &["CenId", "RegionId"], &[TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, &["TransitRouterId"], &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, &["TransitRouterAttachmentId"], &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, &["CenId", "RegionId"], &[TAGS, BY_TOKEN], CBN_SDK),
    cbn(
        "UpdateTransitRouterVpcAttachmentAttribute",
        &["TransitRouterAttachmentId"],
        &[
            &["AutoPublishRouteEnabled", "Options", "OrderType", "TransitRouterVPCAttachmentOptions"],
            &["StrictSourceControl"],
            NAMES,
            GUARDS,
        ],
        PAYER_PAGE,
    ),
    cbn(
        "UpdateTransitRouterVbrAttachmentAttribute",
        &["TransitRouterAttachmentId"],
        &[&["AutoPublishRouteEnabled", "OrderType"], NAMES, GUARDS],
        PAYER_PAGE,
    ),
    cbn(
        "UpdateTransitRouterVpnAttachmentAttribute",
        &["TransitRouterAttachmentId"],
        &[&["AutoPublishRouteEnabled", "OrderType"], NAMES, GUARDS],
        PAYER_PAGE,
    ),
    cbn(
        "UpdateTransitRouterEcrAttachmentAttribute",
        &["TransitRouterAttachmentId"],
        &[&["OrderType"], NAMES, GUARDS],
        CBN_SDK,
    ),
    cbn("DeleteTransitRouterVpcAttachment", &["TransitRouterAttachmentId"], &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterVbrAttachment", &["TransitRouterAttachmentId"], &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterVpnAttachment", &["TransitRouterAttachmentId"], &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterEcrAttachment", &["TransitRouterAttachmentId"], &[&["Force"], GUARDS], CBN_SDK),
    cbn(
        "CreateTransitRouterVpcAttachment",
        &["VpcId", "TransitRouterId", "ZoneMappings.N.ZoneId", "ZoneMappings.N.VSwitchId"],
        &[&["CenId", "RegionId"], CREATED_VPC, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVpcAttachment",
        &["VpcId", "CenId", "RegionId", "ZoneMappings.N.ZoneId", "ZoneMappings.N.VSwitchId"],
        &[CREATED_VPC, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVbrAttachment",
        &["VbrId", "TransitRouterId"],
        &[&["AutoPublishRouteEnabled", "CenId", "RegionId", "VbrOwnerId"], NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVbrAttachment",
        &["VbrId", "CenId", "RegionId"],
        &[&["AutoPublishRouteEnabled", "VbrOwnerId"], NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVpnAttachment",
        &["VpnId", "TransitRouterId"],
        &[&["CenId", "RegionId"], CREATED_VPN, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVpnAttachment",
        &["VpnId", "CenId", "RegionId"],
        &[CREATED_VPN, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterEcrAttachment",
        &["EcrId", "TransitRouterId"],
        &[&["CenId", "EcrOwnerId", "RegionId"], NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterEcrAttachment",
        &["EcrId", "CenId", "RegionId"],
        &[&["EcrOwnerId"], NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "DescribeCenAttachedChildInstances",
        &["CenId"],
        &[&["ChildInstanceRegionId", "ChildInstanceType"], BY_NUMBER],
        "DescribeCenAttachedChildInstances, help page 2025-08-07",
    ),
    cbn(
        "DetachCenChildInstance",
        &["CenId", "ChildInstanceId", "ChildInstanceType", "ChildInstanceRegionId"],
        &[&["CenOwnerId", "ChildInstanceOwnerId"]],
        CBN_SDK,
    ),
    cbn("DescribeCens", &[], &[&["Filter.N.Key", "Filter.N.Value.M", "ResourceGroupId"], TAGS, BY_NUMBER], CBN_SDK),
    cbn("CheckTransitRouterService", &[], &[&["ClientToken"]], CBN_SDK),
    Combination {
        product: "Smartag",
        operation: "GrantInstanceToCbn",
        required: &["CcnInstanceId", "CenInstanceId", "CenUid", "RegionId"],
        optional: &[&["GrantTrafficService"]],
        page: SMARTAG_SDK,
    },
    Combination {
        product: "Smartag",
        operation: "RevokeInstanceFromCbn",
        required: &["CcnInstanceId", "CenInstanceId", "RegionId"],
        optional: &[],
        page: SMARTAG_SDK,
    },
    Combination {
        product: "Smartag",
        operation: "DescribeGrantRules",
        required: &["RegionId"],
        optional: &[&["AssociatedCcnId"], BY_NUMBER],
        page: SMARTAG_SDK,
    },
    Combination {
        product: "Vpc",
        operation: "DescribeVpnAttachments",
        required: &["RegionId"],
        optional: &[&["AttachType", "VpnConnectionId"], BY_NUMBER],
        page: "SDK vpc20160428 7.2.2",
    },
    Combination { product: "Sts", operation: "GetCallerIdentity", required: &[], optional: &[], page: STS_SDK },
    Combination {
        product: "Sts",
        operation: "AssumeRole",
        required: &["RoleArn", "RoleSessionName"],
        optional: &[&["DurationSeconds", "ExternalId", "Policy", "SourceIdentity"]],
        page: STS_SDK,
    },
    Combination {
        product: "Sts",
        operation: "AssumeRoleWithOIDC",
        required: &["RoleArn", "OIDCProviderArn", "OIDCToken", "RoleSessionName"],
        optional: &[&["DurationSeconds", "Policy"]],
        page: STS_SDK,
    },
];

const CREATED_VPC: &[&str] =
    &["AutoPublishRouteEnabled", "ChargeType", "TransitRouterVPCAttachmentOptions", "VpcOwnerId"];
const CREATED_VPN: &[&str] = &["AutoPublishRouteEnabled", "ChargeType", "VpnOwnerId", "Zone.N.ZoneId"];

#[cfg(test)]
mod tests;
