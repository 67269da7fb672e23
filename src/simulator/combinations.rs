//! The parameters that may come together: for every operation, the combinations that the vendor's pages and SDKs offer. A
//! call that fits none is refused, so that a misspelled or missing parameter does not go unnoticed.

use super::answer::ErrorAnswer;
use super::request::{Params, ignored};

/// One set of parameters that an operation can be called with.
///
/// Names of array parameters are patterns: `N` and `M` stand for a number from 1, as in `Filter.N.Value.M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// The code of the product in the vendor's list of APIs, such as `Cbn`.
    pub product: &'static str,
    /// The name of the operation, as in `x-acs-action`.
    pub operation: &'static str,
    /// Parameters that must be there; of an array, at least one element.
    pub required: &'static [&'static str],
    /// Parameters that may be there besides. They are in groups only so that combinations can share them.
    pub optional: &'static [&'static [&'static str]],
    /// The source: the vendor's page with its date, or the SDK with its version.
    pub page: &'static str,
}

impl Combination {
    /// Whether parameters of these names, and no others, may come together. Names that every operation ignores and names of
    /// the protocol make no difference.
    pub fn allows<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let names: Vec<&str> = names.into_iter().collect();
        let there = |pattern: &&str| names.iter().any(|name| fits(pattern, name));
        self.required.iter().all(there) && names.iter().all(|name| self.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        let optional = self.optional.iter().copied().flatten();
        ignored(name) || self.required.iter().chain(optional).any(|pattern| fits(pattern, name))
    }

    /// The first required parameter that is absent or empty.
    fn missing(&self, params: &Params) -> Option<&'static str> {
        self.required.iter().copied().find(|pattern| !params.names_with_value().any(|name| fits(pattern, name)))
    }
}

/// All combinations of all operations; an operation with several ways to ask has several.
pub fn combinations() -> &'static [Combination] {
    ALL
}

/// Checks the parameters of a call against the table.
///
/// # Errors
/// If no combination is complete, the error that is published for the operation. `InvalidParameter` for a name that no
/// complete combination has.
pub(super) fn check(operation: &str, params: &Params) -> Result<(), ErrorAnswer> {
    let all = ALL.iter().filter(|combination| combination.operation == operation);
    let (complete, lacking): (Vec<&Combination>, Vec<&Combination>) =
        all.partition(|combination| combination.missing(params).is_none());
    if complete.is_empty() {
        let missing = lacking.last().and_then(|combination| combination.missing(params)).unwrap_or_default();
        let code = INCOMPLETE.iter().find(|(operations, _)| operations.contains(&operation));
        let code = code.map_or_else(|| format!("MissingParameter.{missing}"), |(_, code)| (*code).to_owned());
        return Err(ErrorAnswer::bad(code, format!("The parameter {missing} is mandatory.")));
    }
    let unknown = |combination: &&Combination| params.names().find(|name| !combination.knows(name));
    match complete.iter().map(unknown).min() {
        Some(Some(name)) => {
            Err(ErrorAnswer::invalid(name, format!("{operation} does not take it in this combination")))
        }
        _ => Ok(()),
    }
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

/// The code that is published for a call that fits no combination; the other operations answer `MissingParameter.` and the
/// name. One code has a TAB at its end, as published (API §K).
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

const BY_TOKEN: &[&str] = &["MaxResults", "NextToken"];
const BY_NUMBER: &[&str] = &["PageNumber", "PageSize"];
const TAGS: &[&str] = &["Tag.N.Key", "Tag.N.Value"];
/// What narrows a list of attachments further.
const WHERE: &[&str] = &["CenId", "RegionId", "TransitRouterAttachmentId"];
const OF_VPC: &[&str] = &["OrderType", "Status", "VpcId"];
const NAMES: &[&str] = &["TransitRouterAttachmentDescription", "TransitRouterAttachmentName"];
/// What writes to attachments take for safety.
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
